"""A tenant that is suspended begins nothing; one that is closed is over."""

from collections.abc import Awaitable, Callable

import pytest

from proxy.domain.errors import (
    BudgetRefused,
    IdempotencyMismatch,
    LedgerError,
    Reason,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
    UnitMismatch,
)
from proxy.domain.reservation import OnExpiry, State
from proxy.domain.scope import Scope
from proxy.domain.subject import Subject
from proxy.ledger.journal import Kind
from proxy.ledger.records import BudgetStatus, ReservationQuery, TenantStatus
from tests.ledger.builders import (
    BOT,
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    event,
    grow,
    hold,
    line,
    over_protocol,
    usd,
)
from tests.ledger.harness import MINUTE_MS, Harness, Home

SUSPENDED, CLOSED, ACTIVE = TenantStatus.SUSPENDED, TenantStatus.CLOSED, TenantStatus.ACTIVE

REASONS = {SUSPENDED: Reason.TENANT_SUSPENDED, CLOSED: Reason.TENANT_CLOSED}


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1_000), line(BOT, 500))


async def say(ledger: Home, status: TenantStatus, tenant: str = "dev") -> None:
    await ledger.set_tenant_status(tenant, status, actor="ops")


async def refused(answer: Awaitable[object]) -> Reason:
    with pytest.raises(Refused) as refusal:
        await answer
    return refusal.value.reason


async def test_a_tenant_is_active_until_somebody_says_otherwise(ledger: Home) -> None:
    """Spec, "ERROR SEMANTICS": a tenant without a record is not guarded (protocol §1.12)."""
    assert await ledger.tenant_status("dev") is ACTIVE
    assert await ledger.tenant_status("nobody") is ACTIVE
    for status in (SUSPENDED, CLOSED, ACTIVE, CLOSED, SUSPENDED):
        await say(ledger, status)
        assert await ledger.tenant_status("dev") is status
    assert await ledger.tenant_status("nobody") is ACTIVE


async def test_a_status_survives_a_crash(harness: Harness) -> None:
    await say(harness.ledger, CLOSED)
    await harness.crash()
    assert await harness.ledger.tenant_status("dev") is CLOSED
    assert await refused(harness.ledger.reserve(ask(1))) is Reason.TENANT_CLOSED


@pytest.mark.parametrize("status", [SUSPENDED, CLOSED])
@pytest.mark.parametrize("on_expiry", OnExpiry)
async def test_a_stopped_tenant_gets_no_new_hold(
    ledger: Home, status: TenantStatus, on_expiry: OnExpiry
) -> None:
    """Spec: a suspended tenant makes no new reservations; a closed one is 409 TENANT_CLOSED."""
    await say(ledger, status)
    before = await ledger.journal("dev", after_seq=0, limit=100)
    request = ask(1, on_expiry=on_expiry)
    assert await refused(ledger.reserve(request)) is REASONS[status]
    assert await refused(ledger.decide(request)) is REASONS[status]
    assert await refused(ledger.apply(event(1))) is REASONS[status]
    assert await ledger.journal("dev", after_seq=0, limit=100) == before
    assert (await balance_of(ledger, DEV)).remaining == 1_000


@pytest.mark.parametrize("status", [SUSPENDED, CLOSED])
@pytest.mark.parametrize("on_expiry", OnExpiry)
async def test_a_stopped_tenant_gets_no_larger_hold(
    ledger: Home, status: TenantStatus, on_expiry: OnExpiry
) -> None:
    grant = await ledger.reserve(ask(10, on_expiry=on_expiry))
    await say(ledger, status)
    assert await refused(grow(ledger, grant.reservation_id, 1)) is REASONS[status]
    assert (await ledger.reservation(grant.reservation_id)).amounts == usd(10)


@pytest.mark.parametrize("status", [SUSPENDED, CLOSED])
async def test_what_a_budget_would_say_comes_after_the_tenant(
    ledger: Home, status: TenantStatus
) -> None:
    await say(ledger, status)
    await ledger.set_status(DEV, None, BudgetStatus.FROZEN, actor="ops")
    stranger = Subject(tenant="stranger")
    await say(ledger, status, "stranger")
    too_much, no_budget = ask(5_000), ask(1, subject=stranger)
    wrong_unit = ask({TOKENS: 1})
    for request in (too_much, no_budget, wrong_unit):
        assert await refused(ledger.reserve(request)) is REASONS[status]
        assert await refused(ledger.decide(request)) is REASONS[status]
    assert await refused(ledger.apply(event(1))) is REASONS[status]
    assert await refused(ledger.apply(event({TOKENS: 1}))) is REASONS[status]


@pytest.mark.parametrize("status", [SUSPENDED, CLOSED])
async def test_the_other_tenants_go_on(ledger: Home, status: TenantStatus) -> None:
    await declare(ledger, line("tenant:*", 100))
    await say(ledger, status)
    for tenant in ("device", "de", "other"):
        subject = Subject(tenant=tenant)
        assert (await ledger.reserve(ask(7, subject=subject))).amounts == usd(7)
        assert (await ledger.apply(event(7, subject=subject))).settlement.charged == usd(7)


async def test_a_suspended_tenant_ends_what_it_has_begun(ledger: Home) -> None:
    """Spec: suspended is no new reservations; calls in flight are committed and released."""
    first, second = await over_protocol(ledger, 10), await over_protocol(ledger, 10)
    await say(ledger, SUSPENDED)
    lease = await ledger.extend(first, by_ms=5, key="beat")
    assert lease.remaining_ttl_ms == MINUTE_MS + 5
    assert (await commit(ledger, first, 12)).charged == usd(12)
    assert (await ledger.release(second, key="give back")).released == usd(10)


LASTING: dict[str, Callable[[Home, str], Awaitable[object]]] = {
    "extend": lambda ledger, hold_id: ledger.extend(hold_id, by_ms=5, key="beat"),
    "commit": lambda ledger, hold_id: commit(ledger, hold_id, 5, key="end"),
    "release": lambda ledger, hold_id: ledger.release(hold_id, key="end"),
    "release by a person": lambda ledger, hold_id: ledger.release(hold_id, key="e", actor="ops"),
    "grow": lambda ledger, hold_id: grow(ledger, hold_id, 1),
}


@pytest.mark.parametrize("operation", LASTING)
async def test_a_hold_of_a_closed_tenant_is_neither_kept_nor_settled(
    ledger: Home, operation: str
) -> None:
    """Spec, "ERROR SEMANTICS": commit, release and extend of a closed tenant are refused."""
    reservation_id = await over_protocol(ledger, 10)
    await say(ledger, CLOSED)
    before = await ledger.journal("dev", after_seq=0, limit=100)
    assert await refused(LASTING[operation](ledger, reservation_id)) is Reason.TENANT_CLOSED
    assert await ledger.journal("dev", after_seq=0, limit=100) == before
    assert (await ledger.reservation(reservation_id)).state is State.ACTIVE


@pytest.mark.parametrize("operation", LASTING)
@pytest.mark.parametrize("end", ["committed", "released", "lapsed", "expired", "uncertain"])
async def test_the_closed_tenant_is_told_before_the_state_of_its_hold(
    harness: Harness, operation: str, end: str
) -> None:
    """Spec, "ERROR SEMANTICS": TENANT_CLOSED takes precedence over finalized and expired."""
    ledger = harness.ledger
    reservation_id = await over_protocol(ledger, 10)
    match end:
        case "committed":
            await commit(ledger, reservation_id, 5)
        case "released":
            await ledger.release(reservation_id, key="back")
        case "uncertain":
            await ledger.mark_uncertain(reservation_id)
        case _:
            harness.advance_ms(MINUTE_MS + 1)
    if end == "expired":
        await ledger.expire(limit=10)
    await say(ledger, CLOSED)
    assert await refused(LASTING[operation](ledger, reservation_id)) is Reason.TENANT_CLOSED


async def test_a_hold_that_never_was_is_not_found_in_a_closed_tenant_either(ledger: Home) -> None:
    await say(ledger, CLOSED)
    for operation in LASTING.values():
        with pytest.raises(ReservationNotFound):
            await operation(ledger, "rsv_unknown")


async def test_the_units_of_a_commit_come_after_the_closed_tenant(ledger: Home) -> None:
    reservation_id = await over_protocol(ledger, 10)
    await say(ledger, CLOSED)
    assert await refused(commit(ledger, reservation_id, {TOKENS: 1})) is Reason.TENANT_CLOSED
    await say(ledger, ACTIVE)
    with pytest.raises(UnitMismatch):
        await commit(ledger, reservation_id, {TOKENS: 1})


@pytest.mark.parametrize("status", [SUSPENDED, CLOSED])
async def test_what_was_answered_before_is_answered_again(
    ledger: Home, status: TenantStatus
) -> None:
    """Spec, "ERROR SEMANTICS": a replay retains precedence over the closed tenant."""
    request, spent = ask(10, on_expiry=OnExpiry.RELEASE), event(3)
    grant = await ledger.reserve(request)
    applied = await ledger.apply(spent)
    lease = await ledger.extend(grant.reservation_id, by_ms=5, key="beat")
    larger = await grow(ledger, grant.reservation_id, 1)
    ended = await commit(ledger, grant.reservation_id, 5)
    given_back = await over_protocol(ledger, 10)
    released = await ledger.release(given_back, key="back")
    await say(ledger, status)
    assert (await ledger.reserve(request)).balances == grant.balances
    assert await ledger.apply(spent) == applied
    again = await ledger.extend(grant.reservation_id, by_ms=5, key="beat")
    assert (again.expires_at_ms, again.remaining_ttl_ms) == (lease.expires_at_ms, 0)
    assert (await grow(ledger, grant.reservation_id, 1)).amounts == larger.amounts
    assert await commit(ledger, grant.reservation_id, 5) == ended
    assert await ledger.release(given_back, key="back") == released


async def test_another_payload_is_a_mismatch_in_a_closed_tenant_too(ledger: Home) -> None:
    request = ask(10, on_expiry=OnExpiry.RELEASE, key="call 1")
    grant = await ledger.reserve(request)
    await commit(ledger, grant.reservation_id, 5, key="end")
    await ledger.apply(event(3, key="event 1"))
    await say(ledger, CLOSED)
    other_calls: list[Awaitable[object]] = [
        ledger.reserve(ask(10, key="call 1", payload_hash="other")),
        ledger.apply(event(3, key="event 1", payload_hash="other")),
        ledger.commit(grant.reservation_id, actual=usd(5), key="end", payload_hash="other"),
    ]
    for other in other_calls:
        with pytest.raises(IdempotencyMismatch):
            await other


@pytest.mark.parametrize("status", [SUSPENDED, CLOSED])
async def test_what_the_proxy_has_sent_is_charged_whatever_its_tenant_is(
    harness: Harness, status: TenantStatus
) -> None:
    ledger = harness.ledger
    first, second, third, fourth = [await hold(ledger, 10) for _ in range(4)]
    await ledger.mark_uncertain(third)
    await say(ledger, status)
    assert (await ledger.extend(first, by_ms=5, key="beat")).remaining_ttl_ms == MINUTE_MS + 5
    assert (await commit(ledger, first, 12)).charged == usd(12)
    assert (await ledger.release(second, key="back")).released == usd(10)
    assert (await commit(ledger, third, 3)).charged == usd(3)
    assert (await ledger.apply(event(7, is_spent=True))).settlement.charged == usd(7)
    late = await ledger.charge_late(second, actual=usd(4), key="late", payload_hash="bill")
    assert late.charged == usd(4)
    await ledger.mark_uncertain(fourth)
    assert (await balance_of(ledger, BOT)).spent == 12 + 3 + 7 + 4
    assert (await ledger.verify()).differences == ()


async def test_a_hold_that_has_not_left_may_leave_after_its_tenant_was_stopped(
    ledger: Home,
) -> None:
    """It was granted before: whoever wants it back releases it."""
    reservation_id = await hold(ledger, 10, dispatched=False)
    await say(ledger, CLOSED)
    await ledger.dispatch(reservation_id)
    assert (await ledger.reservation(reservation_id)).dispatched


async def test_the_leases_of_a_closed_tenant_end_as_ever(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await over_protocol(ledger, 10)
    await say(ledger, CLOSED)
    harness.advance_ms(MINUTE_MS + 1)
    assert (await ledger.expire(limit=10)).expired == (reservation_id,)
    assert (await balance_of(ledger, DEV)).reserved == 0


async def test_whoever_is_let_go_on_goes_on(ledger: Home) -> None:
    kept = await over_protocol(ledger, 10)
    await say(ledger, CLOSED)
    assert await refused(ledger.reserve(ask(1))) is Reason.TENANT_CLOSED
    await say(ledger, ACTIVE)
    assert (await ledger.reserve(ask(1))).amounts == usd(1)
    assert (await commit(ledger, kept, 5)).charged == usd(5)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(5_000))


async def test_the_rows_of_a_closed_tenant_can_be_read(ledger: Home) -> None:
    """Spec, "ERROR SEMANTICS": reads must not be rejected with TENANT_CLOSED."""
    reservation_id = await over_protocol(ledger, 10)
    await say(ledger, CLOSED)
    assert (await ledger.reservation(reservation_id)).amounts == usd(10)
    (row,) = await ledger.find(ReservationQuery(tenant="dev", limit=5))
    assert row.reservation_id == reservation_id
    assert [b.remaining for b in await ledger.balances([DEV, BOT], USD)] == [990, 490]


async def test_the_journal_says_who_changed_a_tenant(ledger: Home) -> None:
    before = len(await ledger.journal("dev", after_seq=0, limit=100))
    await ledger.set_tenant_status("dev", CLOSED, actor="anna")
    await ledger.set_tenant_status("dev", ACTIVE, actor="ben")
    entries = (await ledger.journal("dev", after_seq=0, limit=100))[before:]
    assert [(e.kind, e.actor, e.scope) for e in entries] == [
        (Kind.SET_TENANT_STATUS, "anna", DEV),
        (Kind.SET_TENANT_STATUS, "ben", DEV),
    ]
    assert [(e.reservation_id, e.postings) for e in entries] == [(None, ()), (None, ())]
    assert (await ledger.verify()).differences == ()


async def test_a_tenant_without_budgets_can_be_closed(ledger: Home) -> None:
    await say(ledger, CLOSED, "other")
    assert await ledger.tenants() == ("dev", "other")
    (entry,) = await ledger.journal("other", after_seq=0, limit=10)
    assert (entry.seq, entry.scope) == (1, Scope("tenant:other"))


@pytest.mark.parametrize("operation", ["commit", "release"])
async def test_a_hold_that_has_ended_says_so_again_once_its_tenant_goes_on(
    harness: Harness, operation: str
) -> None:
    ledger = harness.ledger
    ended, lapsed = await over_protocol(ledger, 10), await over_protocol(ledger, 10)
    await ledger.release(ended, key="back")
    harness.advance_ms(MINUTE_MS + 1)
    await say(ledger, CLOSED)
    await say(ledger, ACTIVE)
    errors: list[tuple[str, type[LedgerError]]] = [
        (ended, ReservationFinalized),
        (lapsed, ReservationExpired),
    ]
    for reservation_id, error in errors:
        with pytest.raises(error):
            await LASTING[operation](ledger, reservation_id)
