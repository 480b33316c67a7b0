"""GET /v1/reservations and /{reservation_id}."""

import pytest

from proxy.domain.period import iso
from proxy.domain.subject import Subject
from tests.authority.rig import DEV, OTHER, USD, Rig, Sent
from tests.ledger.builders import ask

MINUTE_MS = 60_000


async def ids(rig: Rig, **query: str) -> list[str]:
    """The reservations of a list."""
    came = await rig.get("/v1/reservations", **query)
    assert came.status == 200, came.body
    return [row["reservation_id"] for row in came["reservations"]]


async def test_a_row_is_read_back_as_it_was_written(rig: Rig) -> None:
    """[spec] §1.2: dimensions round-trip; metadata, tags and the subject as they were sent.

    Values that a server may refuse for their characters are taken, and encoded in scopes.
    """
    subject = {
        "tenant": "DEV",
        "agent": "jo@example.com",
        "toolset": "Web",
        "dimensions": {"team": "a/b", "agent": "x"},
    }
    action = {"kind": "tool.search", "name": "web", "tags": ["prod", "é"]}
    metadata = {"a": [1, 1.5, None, {"b": "c"}], "big": 2**70, "é": "\u2028"}
    held = await rig.held(7, idempotency_key="k", subject=subject, action=action, metadata=metadata)
    body = (await rig.get(f"/v1/reservations/{held}")).body
    assert body["subject"] == subject
    assert body["action"] == action
    assert body["metadata"] == metadata
    assert body["idempotency_key"] == "k"
    assert body["reserved"] == {"unit": USD, "amount": 7}
    assert body["scope_path"] == body["affected_scopes"][-1]
    assert body["created_at_ms"] == rig.clock.at_ms
    assert body["expires_at_ms"] == rig.clock.at_ms + MINUTE_MS
    for absent in ("committed", "finalized_at_ms", "committed_metadata"):
        assert absent not in body


async def test_what_ended_says_how_and_when(rig: Rig) -> None:
    """[spec] ReservationDetail: committed, finalized_at_ms, committed_metadata."""
    committed, released = await rig.held(7), await rig.held(8)
    rig.clock.at_ms += 1_000
    await rig.commit(committed, 5, metadata={"m": 1}, metrics={"latency_ms": 3})
    await rig.release(released)
    row = await rig.get(f"/v1/reservations/{committed}")
    assert (row["status"], row["committed"]) == ("COMMITTED", {"unit": USD, "amount": 5})
    assert row["finalized_at_ms"] == rig.clock.at_ms
    assert row["committed_metadata"] == {"m": 1}
    row = await rig.get(f"/v1/reservations/{released}")
    assert (row["status"], row["finalized_at_ms"]) == ("RELEASED", rig.clock.at_ms)
    assert "committed" not in row


async def test_what_has_expired_is_in_lists_only(rig: Rig) -> None:
    """[spec] getReservation "EXPIRY": 410 for the one, a row of the list."""
    held = await rig.held(ttl_ms=1_000, grace_period_ms=0)
    rig.clock.at_ms += 2_000
    await rig.ledger.expire(limit=10)
    assert (await rig.get(f"/v1/reservations/{held}")).code == "RESERVATION_EXPIRED"
    (row,) = (await rig.get("/v1/reservations", status="EXPIRED"))["reservations"]
    assert (row["reservation_id"], row["status"]) == (held, "EXPIRED")
    assert "finalized_at_ms" not in row


async def test_a_hold_whose_outcome_nobody_knows_reads_as_active(rig: Rig) -> None:
    grant = await rig.ledger.reserve(ask(100))
    await rig.ledger.mark_uncertain(grant.reservation_id)
    assert (await rig.get(f"/v1/reservations/{grant.reservation_id}"))["status"] == "ACTIVE"
    assert await ids(rig, status="ACTIVE") == [grant.reservation_id]


async def test_a_call_of_the_proxy_keeps_the_limits_of_the_protocol(rig: Rig) -> None:
    many = {f"d{number}": "x" for number in range(20)}
    subject = Subject(tenant="dev", dimensions={"agent": "x" * 300, **many})
    grant = await rig.ledger.reserve(ask(100, subject=subject))
    row = await rig.get(f"/v1/reservations/{grant.reservation_id}")
    assert len(row["subject"]["dimensions"]) == 16
    assert "idempotency_key" not in row


async def test_a_lost_id_is_found_by_its_key(rig: Rig) -> None:
    """[spec] listReservations "RECOVERY"."""
    held = await rig.held(idempotency_key="mine")
    await rig.held()
    assert await ids(rig, idempotency_key="mine") == [held]
    assert await ids(rig, idempotency_key="nobody's") == []


async def test_filters_on_the_subject_are_of_its_levels(rig: Rig) -> None:
    """[spec] listReservations "SUBJECT FILTERS"; names as people write them."""
    mail = await rig.held(subject={"tenant": "dev", "agent": "jo@example.com"})
    bot = await rig.held(subject={"tenant": "dev", "app": "shop", "agent": "bot"})
    assert await ids(rig, agent="jo@example.com") == [mail]
    assert await ids(rig, agent="Bot", app="shop", tenant="dev") == [bot]
    assert await ids(rig, agent="bot", app="other") == []
    assert await ids(rig, workspace="") == [bot, mail]


async def test_only_the_tenant_of_the_key_is_listed(rig: Rig) -> None:
    """[spec] listReservations "TENANCY"."""
    mine = await rig.held()
    theirs = await rig.held(secret=OTHER, subject={"tenant": "other"})
    assert await ids(rig) == [mine]
    assert await ids(rig, secret=OTHER) == [theirs]


@pytest.mark.parametrize(
    ("window", "offset_ms", "found"),
    [
        ("from", 0, True),
        ("from", 1, False),
        ("to", 0, True),
        ("to", -1, False),
        ("expires_from", MINUTE_MS, True),
        ("expires_from", MINUTE_MS + 1, False),
        ("expires_to", MINUTE_MS, True),
        ("expires_to", MINUTE_MS - 1, False),
        ("finalized_from", 10, True),
        ("finalized_from", 11, False),
        ("finalized_to", 10, True),
        ("finalized_to", 9, False),
    ],
)
async def test_windows_have_both_their_ends(
    rig: Rig, window: str, offset_ms: int, found: bool
) -> None:
    """[spec] listReservations "TIME-RANGE FILTERS": inclusive, each on its own time."""
    started_ms = rig.clock.at_ms
    held = await rig.held()
    rig.clock.at_ms += 10
    await rig.release(held)
    at_ms = started_ms + offset_ms
    written = f"{iso(at_ms)[:-1]}.{at_ms % 1_000:03}Z"
    assert (await ids(rig, **{window: written}) == [held]) is found


@pytest.mark.parametrize(
    ("window", "moment", "found"),
    [
        ("from", "2026-11-21T12:00:00.000001Z", False),
        ("from", "2026-11-21T11:59:59.999999Z", True),
        ("to", "2026-11-21T12:00:00.000001Z", True),
        ("to", "2026-11-21T11:59:59.999999Z", False),
    ],
)
async def test_windows_are_as_exact_as_they_are_written(
    rig: Rig, window: str, moment: str, found: bool
) -> None:
    """Rows have milliseconds, and a bound between two of them counts as it is."""
    held = await rig.held()
    assert (await ids(rig, **{window: moment}) == [held]) is found


async def test_what_has_no_end_is_in_no_window_of_ends(rig: Rig) -> None:
    """[spec] listReservations: rows without finalized_at_ms are left out."""
    await rig.held()
    assert await ids(rig, finalized_from="1970-01-01T00:00:00Z") == []


async def test_windows_may_be_blank(rig: Rig) -> None:
    """[spec] listReservations: a blank bound is none."""
    held = await rig.held()
    names = ("from", "to", "expires_from", "expires_to", "finalized_from", "finalized_to")
    assert await ids(rig, **dict.fromkeys(names, "")) == [held]


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"from": "2026-11-21"},
        {"from": "2026-11-21T12:00:00"},
        {"from": "2026-02-30T12:00:00Z"},
        {"expires_from": "2026-11-22T00:00:00Z", "expires_to": "2026-11-21T00:00:00Z"},
        {"finalized_from": "2026-11-22T00:00:00Z", "finalized_to": "2026-11-21T00:00:00Z"},
        {"status": "UNCERTAIN"},
        {"status": ""},
        {"sort_by": "price"},
        {"sort_dir": "up"},
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "ten"},
        {"limit": ""},
        {"idempotency_key": ""},
        {"idempotency_key": "x" * 257},
        {"cursor": "x"},
        {"cursor": "é"},
    ],
    ids=str,
)
async def test_a_filter_that_means_nothing_is_refused(rig: Rig, query: dict[str, str]) -> None:
    came = await rig.get("/v1/reservations", **query)
    assert (came.status, came.code) == (400, "INVALID_REQUEST")


async def test_parameters_that_nobody_knows_are_ignored(rig: Rig) -> None:
    """[spec] listReservations: additive parameters."""
    assert await ids(rig, tomorrow="yes") == []


@pytest.mark.parametrize("written", ["2026-11-21T13:00:00 01:00", "2026-11-21t12:00:00.0000z"])
async def test_an_offset_counts(rig: Rig, written: str) -> None:
    """A plus sign that a client did not escape arrives as a space."""
    held = await rig.held()
    assert await ids(rig, **{"from": written}) == [held]


async def _three(rig: Rig) -> list[str]:
    """Three reservations that every order sorts in their own way."""
    first = await rig.held(30, subject={"tenant": "dev", "agent": "b"}, ttl_ms=9_000)
    rig.clock.at_ms += 1
    second = await rig.held(10, subject={"tenant": "dev", "agent": "c"}, ttl_ms=5_000)
    rig.clock.at_ms += 1
    third = await rig.held(20, subject={"tenant": "dev", "agent": "a"}, ttl_ms=2_000)
    await rig.release(second)
    return [first, second, third]


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [
        ("reservation_id", [0, 1, 2]),
        ("tenant", [0, 1, 2]),
        ("scope_path", [2, 0, 1]),
        ("status", [0, 2, 1]),
        ("reserved", [1, 2, 0]),
        ("created_at_ms", [0, 1, 2]),
        ("expires_at_ms", [2, 1, 0]),
    ],
)
async def test_lists_are_sorted_and_page_on_in_their_order(
    rig: Rig, sort_by: str, order: list[int]
) -> None:
    """[spec] listReservations: sort_by, sort_dir; cursors go on in the same order."""
    made = await _three(rig)
    expected = [made[place] for place in order]
    assert await ids(rig, sort_by=sort_by, sort_dir="asc") == expected
    assert await ids(rig, sort_by=sort_by) == expected[::-1]
    assert await _paged(rig, limit="1", sort_by=sort_by, sort_dir="asc") == expected
    assert await _paged(rig, limit="2", sort_by=sort_by) == expected[::-1]


async def _paged(rig: Rig, **query: str) -> list[str]:
    found: list[str] = []
    while True:
        came = await rig.get("/v1/reservations", **query)
        found += [row["reservation_id"] for row in came["reservations"]]
        assert came["has_more"] is ("next_cursor" in came)
        if not came["has_more"]:
            return found
        query["cursor"] = came["next_cursor"]


async def test_the_newest_come_first(rig: Rig) -> None:
    made = await _three(rig)
    assert await ids(rig) == made[::-1]


@pytest.mark.parametrize(
    "other",
    [
        {"from": "2020-01-01T00:00:00Z"},
        {"expires_to": "2030-01-01T00:00:00Z"},
        {"status": "ACTIVE"},
        {"agent": "a"},
        {"sort_by": "reserved"},
        {"sort_dir": "asc"},
    ],
    ids=str,
)
async def test_a_cursor_belongs_to_its_filters(rig: Rig, other: dict[str, str]) -> None:
    """[spec] listReservations "Cursor invalidation"."""
    await _three(rig)
    cursor = (await rig.get("/v1/reservations", limit="1"))["next_cursor"]
    came = await rig.get("/v1/reservations", cursor=cursor, **other)
    assert (came.status, came.code) == (400, "INVALID_REQUEST")


async def test_what_is_included_binds_no_cursor(rig: Rig) -> None:
    """[spec] listReservations `include`: projection only; the page may be another size, too."""
    await _three(rig)
    cursor = (await rig.get("/v1/reservations", limit="1"))["next_cursor"]
    assert len(await ids(rig, cursor=cursor, include="metadata", limit="2")) == 2


@pytest.mark.parametrize(
    ("include", "fields"),
    [
        ("", set()),
        ("metadata", {"metadata"}),
        (" committed_metadata ,", {"committed_metadata"}),
        ("metadata,committed_metadata,evidence,tomorrow", {"metadata", "committed_metadata"}),
    ],
)
async def test_heavy_fields_are_there_when_they_are_asked_for(
    rig: Rig, include: str, fields: set[str]
) -> None:
    """[spec] listReservations `include`: unknown and empty tokens are ignored."""
    held = await rig.held(metadata={"a": 1})
    await rig.commit(held, 1, metadata={"b": 2})
    (row,) = (await rig.get("/v1/reservations", include=include))["reservations"]
    assert row.keys() & {"metadata", "committed_metadata"} == fields
    assert row["committed"] == {"unit": USD, "amount": 1}


async def test_included_fields_may_be_parameters_of_their_own(rig: Rig) -> None:
    await rig.held(metadata={"a": 1})
    headers = {"Host": "localhost", "X-Cycles-API-Key": DEV}
    query = "include=committed_metadata&include=metadata"
    came = await rig.send(Sent("GET", "/v1/reservations", query, headers))
    assert came["reservations"][0]["metadata"] == {"a": 1}


async def test_a_parameter_given_twice_is_refused(rig: Rig) -> None:
    headers = {"Host": "localhost", "X-Cycles-API-Key": DEV}
    twice = Sent("GET", "/v1/reservations", "status=ACTIVE&status=RELEASED", headers)
    assert (await rig.send(twice)).code == "INVALID_REQUEST"
    bad = Sent("GET", "/v1/reservations", "agent=%ED%A0%80", headers)
    assert (await rig.send(bad)).code == "INVALID_REQUEST"
