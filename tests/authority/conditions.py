"""What can go wrong with a request, each with the code and the status that it has."""

from collections.abc import Awaitable, Callable
from typing import Any

from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.records import BudgetStatus, TenantStatus
from tests.authority.rig import BUDGETS, OTHER, Came, Rig
from tests.ledger.builders import line
from tests.ledger.harness import DAY_MS

TENANT = Scope("tenant:dev")
MINUTE_MS = 60_000

Condition = Callable[[Rig], Awaitable[Came]]


async def unknown_field(rig: Rig) -> Came:
    return await rig.reserve(surprise=1)


async def no_json(rig: Rig) -> Came:
    return await rig.post("/v1/reservations", b'{"idempotency_key"')


async def not_valid(rig: Rig) -> Came:
    return await rig.reserve(ttl_ms=999)


async def another_key_in_the_header(rig: Rig) -> Came:
    return await rig.reserve(idempotency_key="a", headers={"X-Idempotency-Key": "b"})


async def no_subject_filter(rig: Rig) -> Came:
    return await rig.get("/v1/balances")


async def from_after_to(rig: Rig) -> Came:
    window = {"from": "2026-11-22T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    return await rig.get("/v1/reservations", **window)


async def only_dimensions(rig: Rig) -> Came:
    return await rig.reserve(subject={"dimensions": {"a": "b"}})


async def reserve_in_another_unit(rig: Rig) -> Came:
    return await rig.reserve(unit="CREDITS")


async def decide_in_another_unit(rig: Rig) -> Came:
    return await rig.decide(unit="CREDITS")


async def event_in_another_unit(rig: Rig) -> Came:
    return await rig.event(unit="CREDITS")


async def commit_in_another_unit(rig: Rig) -> Came:
    return await rig.commit(await rig.held(), actual={"unit": "TOKENS", "amount": 1})


async def no_key(rig: Rig) -> Came:
    return await rig.ask("GET", "/v1/balances", secret=None, tenant="dev")


async def unknown_key(rig: Rig) -> Came:
    return await rig.get("/v1/balances", secret="cyc_live_nobody", tenant="dev")


async def another_tenant_in_the_subject(rig: Rig) -> Came:
    return await rig.reserve(subject={"tenant": "other"})


async def another_tenant_in_a_filter(rig: Rig) -> Came:
    return await rig.get("/v1/balances", tenant="other")


async def another_tenant_in_a_list(rig: Rig) -> Came:
    return await rig.get("/v1/reservations", tenant="other")


async def read_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.get(f"/v1/reservations/{await rig.held()}", secret=OTHER)


async def commit_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.commit(await rig.held(), secret=OTHER)


async def release_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.release(await rig.held(), secret=OTHER)


async def extend_a_foreign_reservation(rig: Rig) -> Came:
    return await rig.extend(await rig.held(), secret=OTHER)


async def suspended_tenant(rig: Rig) -> Came:
    await rig.ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")
    return await rig.reserve()


async def read_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.get("/v1/reservations/rsv_nothing")


async def commit_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.commit("rsv_nothing")


async def release_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.release("rsv_nothing")


async def extend_an_unknown_reservation(rig: Rig) -> Came:
    return await rig.extend("rsv_nothing")


async def an_event_is_no_reservation(rig: Rig) -> Came:
    event = await rig.event()
    return await rig.get(f"/v1/reservations/{event['event_id']}")


async def no_budget_in_any_unit(rig: Rig) -> Came:
    return await rig.reserve(subject={"tenant": "poor"}, secret="cyc_live_poor")


async def event_without_a_budget(rig: Rig) -> Came:
    return await rig.event(subject={"tenant": "poor"}, secret="cyc_live_poor")


async def unknown_path(rig: Rig) -> Came:
    return await rig.get("/v1/nothing")


async def too_little_remains(rig: Rig) -> Came:
    return await rig.reserve(1_001)


async def commit_above_under_reject(rig: Rig) -> Came:
    return await rig.commit(await rig.held(1_000, overage_policy="REJECT"), 1_001)


async def event_above_under_reject(rig: Rig) -> Came:
    return await rig.event(1_001, overage_policy="REJECT")


async def frozen(rig: Rig) -> None:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.FROZEN, actor="ops")


async def reserve_when_frozen(rig: Rig) -> Came:
    await frozen(rig)
    return await rig.reserve()


async def event_when_frozen(rig: Rig) -> Came:
    await frozen(rig)
    return await rig.event()


async def reserve_when_closed(rig: Rig) -> Came:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.CLOSED, actor="ops")
    return await rig.reserve()


async def event_when_closed(rig: Rig) -> Came:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.CLOSED, actor="ops")
    return await rig.event()


async def reserve_over_the_limit(rig: Rig) -> Came:
    """Beyond what remains an event leaves its scope over the limit."""
    assert (await rig.event(1_500)).status == 201
    return await rig.reserve(0)


async def commit_beyond_the_overdraft(rig: Rig) -> Came:
    held = await rig.held(1_000, overage_policy="ALLOW_WITH_OVERDRAFT", subject={"tenant": "rich"},
                          secret="cyc_live_rich")  # fmt: skip
    return await rig.commit(held, 1_051, secret="cyc_live_rich")


async def event_beyond_the_overdraft(rig: Rig) -> Came:
    return await rig.event(
        1_051, overage_policy="ALLOW_WITH_OVERDRAFT", subject={"tenant": "rich"},
        secret="cyc_live_rich",
    )  # fmt: skip


async def debt_that_no_limit_permits(rig: Rig) -> Came:
    """A new day pays some of the debt with all that it has, and is owing the rest."""
    owing: dict[str, Any] = {"subject": {"tenant": "rich"}, "secret": "cyc_live_rich"}
    assert (await rig.event(1_040, overage_policy="ALLOW_WITH_OVERDRAFT", **owing)).status == 201
    poorer = line("tenant:rich", 10, period=Period.DAY)
    await rig.ledger.declare([*BUDGETS, poorer], templates_max=1, version=2)
    rig.clock.at_ms += DAY_MS
    return await rig.reserve(0, **owing)


async def same_key_for_another_reservation(rig: Rig) -> Came:
    await rig.held(100, idempotency_key="a")
    return await rig.reserve(101, idempotency_key="a")


async def same_key_for_another_commit(rig: Rig) -> Came:
    held = await rig.held()
    await rig.commit(held, 50, idempotency_key="a")
    return await rig.commit(held, 51, idempotency_key="a")


async def same_key_for_another_event(rig: Rig) -> Came:
    await rig.event(1, idempotency_key="a")
    return await rig.event(2, idempotency_key="a")


async def same_key_for_another_decision(rig: Rig) -> Came:
    await rig.decide(1, idempotency_key="a")
    return await rig.decide(2, idempotency_key="a")


async def same_key_for_another_extension(rig: Rig) -> Came:
    held = await rig.held()
    await rig.extend(held, 1, idempotency_key="a")
    return await rig.extend(held, 2, idempotency_key="a")


async def same_key_for_a_release_for_another_reason(rig: Rig) -> Came:
    held = await rig.held()
    await rig.release(held, idempotency_key="a")
    return await rig.release(held, idempotency_key="a", reason="late")


async def same_key_for_an_extension_with_other_metadata(rig: Rig) -> Came:
    held = await rig.held()
    await rig.extend(held, 1, idempotency_key="a", metadata={"beat": 1})
    return await rig.extend(held, 1, idempotency_key="a", metadata={"beat": 2})


async def same_key_for_a_dry_run(rig: Rig) -> Came:
    await rig.held(100, idempotency_key="a")
    return await rig.reserve(100, idempotency_key="a", dry_run=True)


async def committed_before(rig: Rig) -> Came:
    held = await rig.held()
    await rig.commit(held)
    return await rig.commit(held)


async def released_before(rig: Rig) -> Came:
    held = await rig.held()
    await rig.release(held)
    return await rig.release(held)


async def commit_what_was_released(rig: Rig) -> Came:
    held = await rig.held()
    await rig.release(held)
    return await rig.commit(held)


async def extend_what_was_committed(rig: Rig) -> Came:
    held = await rig.held()
    await rig.commit(held)
    return await rig.extend(held)


async def eleventh_extension(rig: Rig) -> Came:
    held = await rig.held()
    for _ in range(10):
        assert (await rig.extend(held)).status == 200
    return await rig.extend(held)


async def lapsed(rig: Rig, *, by_ms: int) -> str:
    held = await rig.held(ttl_ms=MINUTE_MS, grace_period_ms=5_000)
    rig.clock.at_ms += MINUTE_MS + by_ms
    return held


async def commit_after_grace(rig: Rig) -> Came:
    return await rig.commit(await lapsed(rig, by_ms=5_001))


async def release_after_grace(rig: Rig) -> Came:
    return await rig.release(await lapsed(rig, by_ms=5_001))


async def extend_in_grace(rig: Rig) -> Came:
    return await rig.extend(await lapsed(rig, by_ms=1))


async def read_what_has_expired(rig: Rig) -> Came:
    held = await lapsed(rig, by_ms=5_001)
    await rig.ledger.expire(limit=10)
    return await rig.get(f"/v1/reservations/{held}")


async def close(rig: Rig) -> None:
    await rig.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")


async def reserve_of_a_closed_tenant(rig: Rig) -> Came:
    await close(rig)
    return await rig.reserve()


async def event_of_a_closed_tenant(rig: Rig) -> Came:
    await close(rig)
    return await rig.event()


async def commit_of_a_closed_tenant(rig: Rig) -> Came:
    held = await rig.held()
    await close(rig)
    return await rig.commit(held)


async def release_of_a_closed_tenant(rig: Rig) -> Came:
    held = await rig.held()
    await close(rig)
    return await rig.release(held)


async def extend_of_a_closed_tenant(rig: Rig) -> Came:
    held = await rig.held()
    await close(rig)
    return await rig.extend(held)


ROWS: list[tuple[str, int, Condition]] = [
    ("INVALID_REQUEST", 400, unknown_field),
    ("INVALID_REQUEST", 400, no_json),
    ("INVALID_REQUEST", 400, not_valid),
    ("INVALID_REQUEST", 400, another_key_in_the_header),
    ("INVALID_REQUEST", 400, no_subject_filter),
    ("INVALID_REQUEST", 400, from_after_to),
    ("INVALID_REQUEST", 400, only_dimensions),
    ("UNIT_MISMATCH", 400, reserve_in_another_unit),
    ("UNIT_MISMATCH", 400, decide_in_another_unit),
    ("UNIT_MISMATCH", 400, event_in_another_unit),
    ("UNIT_MISMATCH", 400, commit_in_another_unit),
    ("UNAUTHORIZED", 401, no_key),
    ("UNAUTHORIZED", 401, unknown_key),
    ("FORBIDDEN", 403, another_tenant_in_the_subject),
    ("FORBIDDEN", 403, another_tenant_in_a_filter),
    ("FORBIDDEN", 403, another_tenant_in_a_list),
    ("FORBIDDEN", 403, read_a_foreign_reservation),
    ("FORBIDDEN", 403, commit_a_foreign_reservation),
    ("FORBIDDEN", 403, release_a_foreign_reservation),
    ("FORBIDDEN", 403, extend_a_foreign_reservation),
    ("FORBIDDEN", 403, suspended_tenant),
    ("NOT_FOUND", 404, read_an_unknown_reservation),
    ("NOT_FOUND", 404, commit_an_unknown_reservation),
    ("NOT_FOUND", 404, release_an_unknown_reservation),
    ("NOT_FOUND", 404, extend_an_unknown_reservation),
    ("NOT_FOUND", 404, an_event_is_no_reservation),
    ("NOT_FOUND", 404, no_budget_in_any_unit),
    ("NOT_FOUND", 404, event_without_a_budget),
    ("NOT_FOUND", 404, unknown_path),
    ("BUDGET_EXCEEDED", 409, too_little_remains),
    ("BUDGET_EXCEEDED", 409, commit_above_under_reject),
    ("BUDGET_EXCEEDED", 409, event_above_under_reject),
    ("BUDGET_FROZEN", 409, reserve_when_frozen),
    ("BUDGET_FROZEN", 409, event_when_frozen),
    ("BUDGET_CLOSED", 409, reserve_when_closed),
    ("BUDGET_CLOSED", 409, event_when_closed),
    ("OVERDRAFT_LIMIT_EXCEEDED", 409, reserve_over_the_limit),
    ("OVERDRAFT_LIMIT_EXCEEDED", 409, commit_beyond_the_overdraft),
    ("OVERDRAFT_LIMIT_EXCEEDED", 409, event_beyond_the_overdraft),
    ("DEBT_OUTSTANDING", 409, debt_that_no_limit_permits),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_another_reservation),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_another_commit),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_another_event),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_another_decision),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_another_extension),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_a_release_for_another_reason),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_an_extension_with_other_metadata),
    ("IDEMPOTENCY_MISMATCH", 409, same_key_for_a_dry_run),
    ("RESERVATION_FINALIZED", 409, committed_before),
    ("RESERVATION_FINALIZED", 409, released_before),
    ("RESERVATION_FINALIZED", 409, commit_what_was_released),
    ("RESERVATION_FINALIZED", 409, extend_what_was_committed),
    ("MAX_EXTENSIONS_EXCEEDED", 409, eleventh_extension),
    ("TENANT_CLOSED", 409, reserve_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, event_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, commit_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, release_of_a_closed_tenant),
    ("TENANT_CLOSED", 409, extend_of_a_closed_tenant),
    ("RESERVATION_EXPIRED", 410, commit_after_grace),
    ("RESERVATION_EXPIRED", 410, release_after_grace),
    ("RESERVATION_EXPIRED", 410, extend_in_grace),
    ("RESERVATION_EXPIRED", 410, read_what_has_expired),
]
