"""Whoever lost an id finds the row again: by its key, its subject, its times, in any order."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from proxy.domain.reservation import OnExpiry, State
from proxy.domain.subject import Subject
from proxy.ledger.records import (
    Between,
    Place,
    Reservation,
    ReservationQuery,
    SortKey,
)
from tests.ledger.builders import (
    POINTS,
    TOKENS,
    USD,
    ask,
    commit,
    declare,
    event,
    grow,
    line,
    over_protocol,
)
from tests.ledger.harness import MINUTE_MS, NOON_MS, Harness, Home

EVERY = 1_000


def rows_of(tenant: str = "dev", limit: int = EVERY, **terms: object) -> ReservationQuery:
    return ReservationQuery(tenant=tenant, limit=limit, **terms)  # type: ignore[arg-type]


def ids(rows: Sequence[Reservation]) -> list[str]:
    return [row.reservation_id for row in rows]


async def reserve(
    ledger: Home,
    amount: int | Mapping[object, int] = 1,
    *,
    subject: Subject | None = None,
    key: str | None = None,
    ttl_ms: int = MINUTE_MS,
    on_expiry: OnExpiry = OnExpiry.RELEASE,
) -> str:
    request = ask(
        amount,  # type: ignore[arg-type]
        subject=subject or Subject(tenant="dev"),
        key=key,
        ttl_ms=ttl_ms,
        on_expiry=on_expiry,
    )
    return (await ledger.reserve(request)).reservation_id


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """Every tenant with much."""
    lines = [line("tenant:*", 10_000, unit=unit) for unit in (USD, TOKENS, POINTS)]
    await declare(harness.ledger, *lines)


async def test_a_lost_id_is_found_by_its_key(ledger: Home) -> None:
    """Spec, listReservations, "RECOVERY": at most one row has a key."""
    await reserve(ledger, key="call 1")
    lost = await reserve(ledger, key="call 2")
    other = await reserve(ledger, key="call 2", subject=Subject(tenant="other"))
    assert ids(await ledger.find(rows_of(key="call 2"))) == [lost]
    assert ids(await ledger.find(rows_of("other", key="call 2"))) == [other]
    assert await ledger.find(rows_of(key="call 3")) == ()
    assert await ledger.find(rows_of(key="call 2", states=frozenset({State.RELEASED}))) == ()


async def test_a_row_is_found_whole(ledger: Home) -> None:
    reservation_id = await reserve(ledger, {USD: 5, TOKENS: 7})
    await commit(ledger, reservation_id, {USD: 3, TOKENS: 7})
    (row,) = await ledger.find(rows_of())
    assert row == await ledger.reservation(reservation_id)
    assert not row.is_event


async def test_only_the_rows_of_one_tenant_are_found(ledger: Home) -> None:
    """Spec, listReservations, "TENANCY": results are those of the effective tenant."""
    mine = await reserve(ledger)
    for name in ("device", "de", "other"):
        await reserve(ledger, subject=Subject(tenant=name))
    assert ids(await ledger.find(rows_of())) == [mine]
    assert await ledger.find(rows_of("nobody")) == ()


async def test_an_event_is_no_row_to_find(ledger: Home) -> None:
    """It never was a hold; operators see it, with a mark."""
    applied = await ledger.apply(event(5, key="event 1"))
    assert await ledger.find(rows_of()) == ()
    assert await ledger.find(rows_of(key="event 1")) == ()
    assert (await ledger.reservation(applied.reservation_id)).is_event
    (listed,) = await ledger.reservations(states=frozenset(State), limit=5)
    assert listed.is_event


async def test_holds_of_the_proxy_and_over_the_protocol_are_found(ledger: Home) -> None:
    own = await reserve(ledger, on_expiry=OnExpiry.UNCERTAIN)
    foreign = await over_protocol(ledger, 1)
    assert {*ids(await ledger.find(rows_of()))} == {own, foreign}


async def test_the_newest_come_first_unless_another_order_is_asked_for(harness: Harness) -> None:
    ledger = harness.ledger
    made = []
    for _ in range(4):
        made.append(await reserve(ledger))
        harness.advance_ms(1)
    assert ids(await ledger.find(rows_of())) == made[::-1]
    assert ids(await ledger.find(rows_of(limit=2))) == made[:1:-1]
    assert ids(await ledger.find(rows_of(is_descending=False))) == made


async def one_of_each_state(harness: Harness) -> dict[State, str]:
    """A row in each state, made in one moment; no time has passed but for the lease of one."""
    ledger = harness.ledger
    found = {State.EXPIRED: await reserve(ledger, 50, ttl_ms=10)}
    harness.advance_ms(11)
    await ledger.expire(limit=10)
    for state in (State.UNCERTAIN, State.ACTIVE, State.RELEASED, State.COMMITTED):
        found[state] = await reserve(ledger, 10 * len(found))
    await ledger.mark_uncertain(found[State.UNCERTAIN])
    harness.advance_ms(1)
    await ledger.release(found[State.RELEASED], key="back")
    harness.advance_ms(1)
    await commit(ledger, found[State.COMMITTED], 3)
    return found


async def test_rows_are_found_by_their_state(harness: Harness) -> None:
    """Spec, listReservations, "RECOVERY": filtering by status finds what is stuck."""
    made = await one_of_each_state(harness)
    for state in State:
        assert ids(await harness.ledger.find(rows_of(states=frozenset({state})))) == [made[state]]
    both = frozenset({State.ACTIVE, State.UNCERTAIN})
    assert {*ids(await harness.ledger.find(rows_of(states=both)))} == {made[s] for s in both}
    assert await harness.ledger.find(rows_of(states=frozenset())) == ()


async def test_a_state_is_sorted_as_it_reads_on_the_wire(harness: Harness) -> None:
    """An uncertain hold is ACTIVE there, and stands among those by its id."""
    made = await one_of_each_state(harness)
    active = sorted([made[State.ACTIVE], made[State.UNCERTAIN]])
    order = [*active, made[State.COMMITTED], made[State.EXPIRED], made[State.RELEASED]]
    query = rows_of(sort=SortKey.STATUS, is_descending=False)
    assert ids(await harness.ledger.find(query)) == order
    assert ids(await harness.ledger.find(rows_of(sort=SortKey.STATUS))) == order[::-1]
    after = rows_of(sort=SortKey.STATUS, is_descending=False, after=Place("ACTIVE", active[0]))
    assert ids(await harness.ledger.find(after)) == order[1:]


async def test_rows_are_found_by_the_levels_of_their_subject(ledger: Home) -> None:
    subjects = [
        Subject(tenant="dev", app="a", agent="bot"),
        Subject(tenant="dev", app="b", agent="bot"),
        Subject(tenant="dev", agent="enc-xyz"),
        Subject(tenant="dev", dimensions={"agent": "bot"}),
    ]
    made = [await reserve(ledger, subject=subject) for subject in subjects]
    for levels, expected in (
        ({"agent": "bot"}, {made[0], made[1]}),
        ({"agent": "bot", "app": "b"}, {made[1]}),
        ({"agent": "enc-xyz"}, {made[2]}),
        ({"tenant": "dev"}, {*made}),
        ({"tenant": "dev", "workspace": "none"}, set()),
        ({"agent": "BOT"}, set()),
        ({"agent": "bo"}, set()),
        ({"toolset": ""}, set()),
    ):
        assert {*ids(await ledger.find(rows_of(levels=levels)))} == expected, levels


async def test_a_level_that_subjects_do_not_have_is_no_question(ledger: Home) -> None:
    for levels in ({"run": "1"}, {"agent') --": "x"}, {"Agent": "bot"}):
        with pytest.raises(ValueError, match="levels"):
            await ledger.find(rows_of(levels=levels))
    with pytest.raises(ValueError, match="row"):
        await ledger.find(rows_of(limit=0))


async def test_both_ends_of_a_time_are_in_it(harness: Harness) -> None:
    """Spec, listReservations, "TIME-RANGE FILTERS": inclusive bounds, either side alone."""
    ledger = harness.ledger
    made = []
    for _ in range(3):
        made.append(await reserve(ledger))
        harness.advance_ms(10)
    for between, expected in (
        (Between(NOON_MS, NOON_MS + 20), made),
        (Between(NOON_MS + 1, NOON_MS + 20), made[1:]),
        (Between(NOON_MS, NOON_MS + 19), made[:2]),
        (Between(from_ms=NOON_MS + 10), made[1:]),
        (Between(to_ms=NOON_MS + 10), made[:2]),
        (Between(NOON_MS + 10, NOON_MS + 10), made[1:2]),
        (Between(NOON_MS + 11, NOON_MS + 19), []),
        (Between(NOON_MS + 20, NOON_MS), []),
    ):
        query = rows_of(created=between, is_descending=False)
        assert ids(await ledger.find(query)) == expected, between


async def test_rows_are_found_by_the_end_of_their_lease(harness: Harness) -> None:
    """Spec, listReservations: `expires_at_ms` is on every row, whatever its state."""
    ledger = harness.ledger
    short = await reserve(ledger, ttl_ms=10)
    long = await reserve(ledger, ttl_ms=20)
    moved = await reserve(ledger, ttl_ms=10)
    await ledger.extend(moved, by_ms=10, key="beat")
    assert ids(await ledger.find(rows_of(expires=Between(to_ms=NOON_MS + 19)))) == [short]
    found = await ledger.find(rows_of(expires=Between(from_ms=NOON_MS + 20)))
    assert {*ids(found)} == {long, moved}
    harness.advance_ms(11)
    await ledger.expire(limit=10)
    await commit(ledger, long, 1)
    assert ids(await ledger.find(rows_of(expires=Between(NOON_MS + 10, NOON_MS + 10)))) == [short]


async def test_only_what_was_committed_or_released_has_an_end(harness: Harness) -> None:
    """Spec, listReservations: rows without `finalized_at_ms`, EXPIRED ones too, are left out."""
    made = await one_of_each_state(harness)
    released, committed = made[State.RELEASED], made[State.COMMITTED]
    for between, expected in (
        (Between(from_ms=0), {released, committed}),
        (Between(to_ms=NOON_MS + 10_000), {released, committed}),
        (Between(NOON_MS + 12, NOON_MS + 12), {released}),
        (Between(from_ms=NOON_MS + 13), {committed}),
        (Between(to_ms=NOON_MS + 11), set()),
    ):
        assert {*ids(await harness.ledger.find(rows_of(finalized=between)))} == expected, between


async def test_all_that_is_asked_for_must_hold(harness: Harness) -> None:
    """Spec, listReservations: the windows combine with AND."""
    ledger = harness.ledger
    bot, cli = Subject(tenant="dev", agent="bot"), Subject(tenant="dev", agent="cli")
    await reserve(ledger, subject=bot)
    harness.advance_ms(10)
    await reserve(ledger, subject=cli)
    await reserve(ledger, subject=bot)
    wanted = await reserve(ledger, subject=bot)
    harness.advance_ms(10)
    await commit(ledger, wanted, 1)
    query = rows_of(
        states=frozenset({State.COMMITTED, State.RELEASED}),
        levels={"agent": "bot"},
        created=Between(from_ms=NOON_MS + 10),
        expires=Between(to_ms=NOON_MS + 10 + MINUTE_MS),
        finalized=Between(NOON_MS + 20, NOON_MS + 20),
    )
    assert ids(await ledger.find(query)) == [wanted]


async def test_an_amount_is_of_the_first_unit_of_a_row(ledger: Home) -> None:
    """A row over the protocol has one unit; one of the proxy's may have more."""
    dollars = await reserve(ledger, {TOKENS: 1, USD: 30})
    tokens = await reserve(ledger, {POINTS: 900, TOKENS: 20})
    points = await reserve(ledger, {POINTS: 100})
    nothing = await reserve(ledger, 0)
    await grow(ledger, tokens, {TOKENS: 5})
    query = rows_of(sort=SortKey.RESERVED, is_descending=False)
    assert ids(await ledger.find(query)) == [nothing, tokens, dollars, points]
    await commit(ledger, points, {POINTS: 1})
    assert ids(await ledger.find(query)) == [nothing, tokens, dollars, points]
    after = rows_of(sort=SortKey.RESERVED, is_descending=False, after=Place(25, tokens))
    assert ids(await ledger.find(after)) == [dollars, points]


async def test_amounts_are_sorted_exactly_however_large(ledger: Home) -> None:
    await declare(ledger, line("tenant:*", 2**63 - 1))
    made = [await reserve(ledger, 2**53 + more) for more in (1, 0, 2)]
    query = rows_of(sort=SortKey.RESERVED, is_descending=False)
    assert ids(await ledger.find(query)) == [made[1], made[0], made[2]]
    after = rows_of(sort=SortKey.RESERVED, after=Place(2**53 + 1, made[0]))
    assert ids(await ledger.find(after)) == [made[1]]


def place_of(row: Reservation, sort: SortKey) -> Place:
    """Where a row stands, said once more in the plainest way."""
    values: dict[SortKey, str | int] = {
        SortKey.RESERVATION_ID: row.reservation_id,
        SortKey.TENANT: row.tenant,
        SortKey.SCOPE_PATH: row.scope_path,
        SortKey.STATUS: "ACTIVE" if row.state is State.UNCERTAIN else row.state.value,
        SortKey.RESERVED: next(
            row.amounts[unit] for unit in (USD, TOKENS, POINTS) if unit in row.amounts
        ),
        SortKey.CREATED_AT_MS: row.created_at_ms,
        SortKey.EXPIRES_AT_MS: row.expires_at_ms,
    }
    return Place(values[sort], row.reservation_id)


async def many_rows(harness: Harness) -> None:
    """Rows that are alike in most things, so that many orders have ties."""
    ledger = harness.ledger
    await one_of_each_state(harness)
    for number in range(12):
        subject = Subject(tenant="dev", agent=("bot", "cli", None, "bot-2")[number % 4])
        ttl_ms = MINUTE_MS + number % 3
        await reserve(ledger, number % 2 * 10, subject=subject, ttl_ms=ttl_ms)
        if number % 5 == 0:
            harness.advance_ms(1)


@pytest.mark.parametrize("sort", SortKey)
@pytest.mark.parametrize("is_descending", [True, False])
async def test_the_pages_of_any_order_are_the_whole_and_nothing_twice(
    harness: Harness, sort: SortKey, is_descending: bool
) -> None:
    """Spec, listReservations, sort_by and sort_dir; ties go by id, in the same direction."""
    await many_rows(harness)
    everything = await harness.ledger.find(rows_of())
    places = sorted((place_of(row, sort) for row in everything), reverse=is_descending)
    assert len(places) == 17
    for size in (1, 4, 17, 100):
        found: list[str] = []
        after = None
        while True:
            query = rows_of(limit=size, sort=sort, is_descending=is_descending, after=after)
            page = await harness.ledger.find(query)
            assert len(page) <= size
            if not page:
                break
            found += ids(page)
            assert len(found) <= len(places), "some row is on two pages"
            after = place_of(page[-1], sort)
        assert found == [place.reservation_id for place in places]


@pytest.mark.parametrize("is_descending", [True, False])
async def test_a_page_goes_on_where_the_last_row_stood_even_if_it_moved(
    harness: Harness, is_descending: bool
) -> None:
    ledger = harness.ledger
    await many_rows(harness)
    sort = SortKey.STATUS
    query = rows_of(sort=sort, is_descending=is_descending, states=frozenset({State.ACTIVE}))
    rows = await ledger.find(query)
    middle = rows[5]
    after = place_of(middle, sort)
    await commit(ledger, middle.reservation_id, 0)
    rest = rows_of(
        sort=sort, is_descending=is_descending, states=frozenset({State.ACTIVE}), after=after
    )
    assert ids(await ledger.find(rest)) == ids(rows)[6:]


async def test_pages_and_filters_go_together(harness: Harness) -> None:
    await many_rows(harness)
    levels = {"agent": "bot"}
    whole = ids(await harness.ledger.find(rows_of(levels=levels)))
    first = await harness.ledger.find(rows_of(levels=levels, limit=2))
    after = place_of(first[-1], SortKey.CREATED_AT_MS)
    rest = await harness.ledger.find(rows_of(levels=levels, after=after))
    assert ids(first) + ids(rest) == whole
    assert len(whole) == 3


async def test_many_ask_at_once(harness: Harness) -> None:
    await many_rows(harness)
    queries = [rows_of(sort=sort) for sort in SortKey]
    found = await asyncio.gather(*map(harness.ledger.find, queries))
    assert all({*ids(rows)} == {*ids(found[0])} for rows in found)
