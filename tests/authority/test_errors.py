"""One row for each error code and condition of the protocol's table of errors.

Source: cycles-protocol-v0.yaml, ErrorCode and "ERROR SEMANTICS"; docs/protocol.md, "Errors".
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.cycles_wire.errors import ErrorCode
from proxy.domain.errors import LedgerUnavailable
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.records import BudgetStatus, TenantStatus
from tests.authority.rig import BUDGETS, KEYS, OTHER, USD, Came, Rig, key, plane_over, running
from tests.docs.pages import codes, page, section, table
from tests.ledger.builders import line
from tests.ledger.harness import DAY_MS

TENANT = Scope("tenant:dev")
MINUTE_MS = 60_000

Condition = Callable[[Rig], Awaitable[Came]]


async def _unknown_field(rig: Rig) -> Came:
    return await rig.reserve(surprise=1)


async def _no_json(rig: Rig) -> Came:
    return await rig.post("/v1/reservations", b'{"idempotency_key"')


async def _not_valid(rig: Rig) -> Came:
    return await rig.reserve(ttl_ms=999)


async def _another_key_in_the_header(rig: Rig) -> Came:
    return await rig.reserve(idempotency_key="a", headers={"X-Idempotency-Key": "b"})


async def _no_subject_filter(rig: Rig) -> Came:
    return await rig.get("/v1/balances")


async def _from_after_to(rig: Rig) -> Came:
    window = {"from": "2026-11-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    return await rig.get("/v1/reservations", **window)


async def _only_dimensions(rig: Rig) -> Came:
    return await rig.reserve(subject={"dimensions": {"a": "b"}})


async def _reserve_in_another_unit(rig: Rig) -> Came:
    return await rig.reserve(unit="CREDITS")


async def _decide_in_another_unit(rig: Rig) -> Came:
    return await rig.decide(unit="CREDITS")


async def _event_in_another_unit(rig: Rig) -> Came:
    return await rig.event(unit="CREDITS")


async def _commit_in_another_unit(rig: Rig) -> Came:
    return await rig.commit(await rig.held(), actual={"unit": "TOKENS", "amount": 1})


async def _no_key(rig: Rig) -> Came:
    return await rig.ask("GET", "/v1/balances", secret=None, tenant="dev")


async def _unknown_key(rig: Rig) -> Came:
    return await rig.get("/v1/balances", secret="cyc_live_nobody", tenant="dev")


async def _another_tenant_in_the_subject(rig: Rig) -> Came:
    return await rig.reserve(subject={"tenant": "other"})


async def _another_tenant_in_a_filter(rig: Rig) -> Came:
    return await rig.get("/v1/balances", tenant="other")


async def _another_tenant_in_a_list(rig: Rig) -> Came:
    return await rig.get("/v1/reservations", tenant="other")


async def _read_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.get(f"/v1/reservations/{await rig.held()}", secret=OTHER)


async def _commit_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.commit(await rig.held(), secret=OTHER)


async def _release_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.release(await rig.held(), secret=OTHER)


async def _extend_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.extend(await rig.held(), secret=OTHER)


async def _suspended_tenant(rig: Rig) -> Came:
    await rig.ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")
    return await rig.reserve()


async def _read_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.get("/v1/reservations/rsv_nothing")


async def _commit_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.commit("rsv_nothing")


async def _release_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.release("rsv_nothing")


async def _extend_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.extend("rsv_nothing")


async def _an_event_is_no_reservation(rig: Rig) -> Came:
    event = await rig.event()
    return await rig.get(f"/v1/reservations/{event['event_id']}")


async def _no_budget_in_any_unit(rig: Rig) -> Came:
    return await rig.reserve(subject={"tenant": "poor"}, secret="cyc_live_poor")


async def _event_without_a_budget(rig: Rig) -> Came:
    return await rig.event(subject={"tenant": "poor"}, secret="cyc_live_poor")


async def _unknown_path(rig: Rig) -> Came:
    return await rig.get("/v1/nothing")


async def _too_little_remains(rig: Rig) -> Came:
    return await rig.reserve(1_001)


async def _commit_above_under_reject(rig: Rig) -> Came:
    return await rig.commit(await rig.held(1_000, overage_policy="REJECT"), 1_001)


async def _event_above_under_reject(rig: Rig) -> Came:
    return await rig.event(1_001, overage_policy="REJECT")


async def _frozen(rig: Rig) -> None:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.FROZEN, actor="ops")


async def _reserve_when_frozen(rig: Rig) -> Came:
    await _frozen(rig)
    return await rig.reserve()


async def _event_when_frozen(rig: Rig) -> Came:
    await _frozen(rig)
    return await rig.event()


async def _reserve_when_closed(rig: Rig) -> Came:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.CLOSED, actor="ops")
    return await rig.reserve()


async def _event_when_closed(rig: Rig) -> Came:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.CLOSED, actor="ops")
    return await rig.event()


async def _reserve_over_the_limit(rig: Rig) -> Came:
    """Beyond what remains an event leaves its scope over the limit."""
    assert (await rig.event(1_500)).status == 201
    return await rig.reserve(0)


async def _commit_beyond_the_overdraft(rig: Rig) -> Came:
    held = await rig.held(1_000, overage_policy="ALLOW_WITH_OVERDRAFT", subject={"tenant": "rich"},
                          secret="cyc_live_rich")  # fmt: skip
    return await rig.commit(held, 1_051, secret="cyc_live_rich")


async def _event_beyond_the_overdraft(rig: Rig) -> Came:
    return await rig.event(
        1_051, overage_policy="ALLOW_WITH_OVERDRAFT", subject={"tenant": "rich"},
        secret="cyc_live_rich",
    )  # fmt: skip


async def _debt_that_no_limit_permits(rig: Rig) -> Came:
    """A new day pays some of the debt with all that it has, and is owing the rest."""
    owing: dict[str, Any] = {"subject": {"tenant": "rich"}, "secret": "cyc_live_rich"}
    assert (await rig.event(1_040, overage_policy="ALLOW_WITH_OVERDRAFT", **owing)).status == 201
    poorer = line("tenant:rich", 10, period=Period.DAY)
    await rig.ledger.declare([*BUDGETS, poorer], templates_max=1, version=2)
    rig.clock.at_ms += DAY_MS
    return await rig.reserve(0, **owing)


async def _same_key_for_another_reservation(rig: Rig) -> Came:
    await rig.held(100, idempotency_key="a")
    return await rig.reserve(101, idempotency_key="a")


async def _same_key_for_another_commit(rig: Rig) -> Came:
    held = await rig.held()
    await rig.commit(held, 50, idempotency_key="a")
    return await rig.commit(held, 51, idempotency_key="a")


async def _same_key_for_another_event(rig: Rig) -> Came:
    await rig.event(1, idempotency_key="a")
    return await rig.event(2, idempotency_key="a")


async def _same_key_for_another_decision(rig: Rig) -> Came:
    await rig.decide(1, idempotency_key="a")
    return await rig.decide(2, idempotency_key="a")


async def _same_key_for_another_extension(rig: Rig) -> Came:
    held = await rig.held()
    await rig.extend(held, 1, idempotency_key="a")
    return await rig.extend(held, 2, idempotency_key="a")


async def _same_key_for_a_dry_run(rig: Rig) -> Came:
    await rig.held(100, idempotency_key="a")
    return await rig.reserve(100, idempotency_key="a", dry_run=True)


async def _committed_before(rig: Rig) -> Came:
    held = await rig.held()
    await rig.commit(held)
    return await rig.commit(held)


async def _released_before(rig: Rig) -> Came:
    held = await rig.held()
    await rig.release(held)
    return await rig.release(held)


async def _commit_what_was_released(rig: Rig) -> Came:
    held = await rig.held()
    await rig.release(held)
    return await rig.commit(held)


async def _extend_what_was_committed(rig: Rig) -> Came:
    held = await rig.held()
    await rig.commit(held)
    return await rig.extend(held)


async def _eleventh_extension(rig: Rig) -> Came:
    held = await rig.held()
    for _ in range(10):
        assert (await rig.extend(held)).status == 200
    return await rig.extend(held)


async def _lapsed(rig: Rig, *, by_ms: int) -> str:
    held = await rig.held(ttl_ms=MINUTE_MS, grace_period_ms=5_000)
    rig.clock.at_ms += MINUTE_MS + by_ms
    return held


async def _commit_after_grace(rig: Rig) -> Came:
    return await rig.commit(await _lapsed(rig, by_ms=5_001))


async def _release_after_grace(rig: Rig) -> Came:
    return await rig.release(await _lapsed(rig, by_ms=5_001))


async def _extend_in_grace(rig: Rig) -> Came:
    return await rig.extend(await _lapsed(rig, by_ms=1))


async def _read_what_has_expired(rig: Rig) -> Came:
    held = await _lapsed(rig, by_ms=5_001)
    await rig.ledger.expire(limit=10)
    return await rig.get(f"/v1/reservations/{held}")


async def _close(rig: Rig) -> None:
    await rig.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")


async def _reserve_of_a_closed_tenant(rig: Rig) -> Came:
    await _close(rig)
    return await rig.reserve()


async def _event_of_a_closed_tenant(rig: Rig) -> Came:
    await _close(rig)
    return await rig.event()


async def _commit_of_a_closed_tenant(rig: Rig) -> Came:
    held = await rig.held()
    await _close(rig)
    return await rig.commit(held)


async def _release_of_a_closed_tenant(rig: Rig) -> Came:
    held = await rig.held()
    await _close(rig)
    return await rig.release(held)


async def _extend_of_a_closed_tenant(rig: Rig) -> Came:
    held = await rig.held()
    await _close(rig)
    return await rig.extend(held)


ROWS: list[tuple[str, int, Condition]] = [
    ("INVALID_REQUEST", 400, _unknown_field),
    ("INVALID_REQUEST", 400, _no_json),
    ("INVALID_REQUEST", 400, _not_valid),
    ("INVALID_REQUEST", 400, _another_key_in_the_header),
    ("INVALID_REQUEST", 400, _no_subject_filter),
    ("INVALID_REQUEST", 400, _from_after_to),
    ("INVALID_REQUEST", 400, _only_dimensions),
    ("UNIT_MISMATCH", 400, _reserve_in_another_unit),
    ("UNIT_MISMATCH", 400, _decide_in_another_unit),
    ("UNIT_MISMATCH", 400, _event_in_another_unit),
    ("UNIT_MISMATCH", 400, _commit_in_another_unit),
    ("UNAUTHORIZED", 401, _no_key),
    ("UNAUTHORIZED", 401, _unknown_key),
    ("FORBIDDEN", 403, _another_tenant_in_the_subject),
    ("FORBIDDEN", 403, _another_tenant_in_a_filter),
    ("FORBIDDEN", 403, _another_tenant_in_a_list),
    ("FORBIDDEN", 403, _read_a_foreign_reservation),
    ("FORBIDDEN", 403, _commit_a_foreign_reservation),
    ("FORBIDDEN", 403, _release_a_foreign_reservation),
    ("FORBIDDEN", 403, _extend_a_foreign_reservation),
    ("FORBIDDEN", 403, _suspended_tenant),
    ("NOT_FOUND", 404, _read_an_unknown_reservation),
    ("NOT_FOUND", 404, _commit_an_unknown_reservation),
    ("NOT_FOUND", 404, _release_an_unknown_reservation),
    ("NOT_FOUND", 404, _extend_an_unknown_reservation),
    ("NOT_FOUND", 404, _an_event_is_no_reservation),
    ("NOT_FOUND", 404, _no_budget_in_any_unit),
    ("NOT_FOUND", 404, _event_without_a_budget),
    ("NOT_FOUND", 404, _unknown_path),
    ("BUDGET_EXCEEDED", 409, _too_little_remains),
    ("BUDGET_EXCEEDED", 409, _commit_above_under_reject),
    ("BUDGET_EXCEEDED", 409, _event_above_under_reject),
    ("BUDGET_FROZEN", 409, _reserve_when_frozen),
    ("BUDGET_FROZEN", 409, _event_when_frozen),
    ("BUDGET_CLOSED", 409, _reserve_when_closed),
    ("BUDGET_CLOSED", 409, _event_when_closed),
    ("OVERDRAFT_LIMIT_EXCEEDED", 409, _reserve_over_the_limit),
    ("OVERDRAFT_LIMIT_EXCEEDED", 409, _commit_beyond_the_overdraft),
    ("OVERDRAFT_LIMIT_EXCEEDED", 409, _event_beyond_the_overdraft),
    ("DEBT_OUTSTANDING", 409, _debt_that_no_limit_permits),
    ("IDEMPOTENCY_MISMATCH", 409, _same_key_for_another_reservation),
    ("IDEMPOTENCY_MISMATCH", 409, _same_key_for_another_commit),
    ("IDEMPOTENCY_MISMATCH", 409, _same_key_for_another_event),
    ("IDEMPOTENCY_MISMATCH", 409, _same_key_for_another_decision),
    ("IDEMPOTENCY_MISMATCH", 409, _same_key_for_another_extension),
    ("IDEMPOTENCY_MISMATCH", 409, _same_key_for_a_dry_run),
    ("RESERVATION_FINALIZED", 409, _committed_before),
    ("RESERVATION_FINALIZED", 409, _released_before),
    ("RESERVATION_FINALIZED", 409, _commit_what_was_released),
    ("RESERVATION_FINALIZED", 409, _extend_what_was_committed),
    ("MAX_EXTENSIONS_EXCEEDED", 409, _eleventh_extension),
    ("TENANT_CLOSED", 409, _reserve_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, _event_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, _commit_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, _release_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, _extend_of_a_closed_tenant),
    ("RESERVATION_EXPIRED", 410, _commit_after_grace),
    ("RESERVATION_EXPIRED", 410, _release_after_grace),
    ("RESERVATION_EXPIRED", 410, _extend_in_grace),
    ("RESERVATION_EXPIRED", 410, _read_what_has_expired),
]


@pytest.fixture
async def rich(tmp_path: Path) -> AsyncIterator[Rig]:
    """An authority with a tenant that may overdraw, and one without any budget."""
    budgets = (*BUDGETS, line("tenant:rich", 1_000, overdraft_limit=50, period=Period.DAY))
    keys = (*KEYS, key("cyc_live_rich", "rich"), key("cyc_live_poor", "poor"))
    async with running(tmp_path, budgets=budgets, keys=keys) as rig:
        yield rig


@pytest.mark.parametrize(
    ("code", "status", "condition"), ROWS, ids=[row[2].__name__[1:] for row in ROWS]
)
async def test_each_condition_has_its_code_and_status(
    rich: Rig, code: str, status: int, condition: Condition
) -> None:
    """[spec] §1.14; 0.1.25.16 "ERROR SEMANTICS"."""
    came = await condition(rich)
    assert (came.code, came.status) == (code, status), came.body


@pytest.mark.parametrize("settle", ["commit", "release"])
@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_budget_that_is_stopped_lets_what_was_held_land(
    rig: Rig, settle: str, status: BudgetStatus
) -> None:
    """§1.4: the money is spent, and frozen or closed budgets do not stop it."""
    held = await rig.held()
    await rig.ledger.set_status(TENANT, None, status, actor="ops")
    assert (await getattr(rig, settle)(held)).status == 200


async def test_a_unit_mismatch_says_where_and_what_is_there(rig: Rig) -> None:
    """[spec] "ERROR SEMANTICS": details of UNIT_MISMATCH."""
    came = await _reserve_in_another_unit(rig)
    assert came["details"] == {
        "scope": "tenant:dev",
        "requested_unit": "CREDITS",
        "expected_units": [USD],
    }
    came = await _commit_in_another_unit(rig)
    assert came["details"]["expected_units"] == [USD]


async def test_a_shortage_says_where_and_how_much(rig: Rig) -> None:
    came = await _too_little_remains(rig)
    assert came["details"] == {
        "scope": "tenant:dev",
        "unit": USD,
        "required": 1_001,
        "remaining": 1_000,
    }


async def test_over_the_limit_goes_before_debt(rich: Rig) -> None:
    """[spec] "ERROR SEMANTICS": OVERDRAFT_LIMIT_EXCEEDED beats DEBT_OUTSTANDING."""
    owing: dict[str, Any] = {"subject": {"tenant": "rich"}, "secret": "cyc_live_rich"}
    await rich.event(1_040, overage_policy="ALLOW_WITH_OVERDRAFT", **owing)
    poorer = line("tenant:rich", 1_000, period=Period.DAY)
    await rich.ledger.declare([*BUDGETS, poorer], templates_max=1, version=2)
    assert (await rich.reserve(0, **owing)).code == "OVERDRAFT_LIMIT_EXCEEDED"


class _Away:
    """A ledger that cannot be reached, whatever is asked."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def fail(*args: object, **more: object) -> Any:
            raise LedgerUnavailable

        return fail


ASKS: list[tuple[str, Condition]] = [
    ("createReservation", lambda rig: rig.reserve()),
    ("dry run", lambda rig: rig.reserve(dry_run=True)),
    ("commitReservation", lambda rig: rig.commit("rsv_a")),
    ("releaseReservation", lambda rig: rig.release("rsv_a")),
    ("extendReservation", lambda rig: rig.extend("rsv_a")),
    ("decide", lambda rig: rig.decide()),
    ("createEvent", lambda rig: rig.event()),
    ("listReservations", lambda rig: rig.get("/v1/reservations")),
    ("getReservation", lambda rig: rig.get("/v1/reservations/rsv_a")),
    ("getBalances", lambda rig: rig.get("/v1/balances", tenant="dev")),
]


@pytest.mark.parametrize(("name", "ask"), ASKS, ids=[ask[0] for ask in ASKS])
async def test_while_the_ledger_is_away_the_same_key_may_be_tried_again(
    rig: Rig, name: str, ask: Condition
) -> None:
    """§1.14: INTERNAL_ERROR, which clients retry."""
    rig.plane = plane_over(cast(Any, _Away()), clock=rig.clock, log=rig.log)
    came = await ask(rig)
    assert (came.code, came.status) == ("INTERNAL_ERROR", 500)
    assert "same idempotency key" in came["message"]


async def test_a_bug_is_an_answer_and_a_line(rig: Rig) -> None:
    broken = cast(Any, object())
    rig.plane = plane_over(broken, clock=rig.clock, log=rig.log)
    came = await rig.reserve()
    assert (came.code, came.status) == ("INTERNAL_ERROR", 500)
    assert rig.log.written[-2]["error"] == "AttributeError"


def test_the_page_has_every_code_with_its_status() -> None:
    documented = {
        name: int(row["status"])
        for row in table(section(page("protocol.md"), "Errors"), "code", "status")
        for name in codes(row["code"])
    }
    assert documented == {
        code: code.status for code in ErrorCode if code is not ErrorCode.LIMIT_EXCEEDED
    }
    assert {code for code, _, _ in ROWS} | {"INTERNAL_ERROR"} == set(documented)
