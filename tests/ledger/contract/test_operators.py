"""What people do to budgets by hand, and what they find in the books."""

import pytest

from proxy.domain.errors import (
    AmountOutOfRange,
    BudgetRefused,
    Reason,
    Refused,
    ReservationNotFound,
)
from proxy.domain.money import INT64_MAX, Unit
from proxy.domain.period import Period
from proxy.domain.reservation import Overage
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Kind, replay
from proxy.ledger.protocol import BudgetStatus, FundOperation
from tests.ledger.builders import (
    BOT,
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    fund,
    grow,
    hold,
    line,
    spend,
    usd,
)
from tests.ledger.harness import DAY_MS, Harness, Home

LIFETIME = Period.LIFETIME


async def test_funding_adds_to_the_allocation(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    balance = await fund(ledger, DEV, 50)
    assert (balance.allocated, balance.remaining) == (150, 150)
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=10)
    assert (entry.kind, entry.actor, entry.reservation_id) == (Kind.FUND, "ops", None)
    assert entry.postings[0].change == Amounts(allocated=50)


async def test_funding_repays_debt_first(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100, overdraft_limit=50))
    grant = await ledger.reserve(ask(100, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await commit(ledger, grant.reservation_id, 140)
    balance = await fund(ledger, DEV, 60)
    assert (balance.allocated, balance.spent, balance.debt, balance.remaining) == (160, 140, 0, 20)


async def test_what_remains_can_be_taken_and_no_more(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await hold(ledger, 60)
    with pytest.raises(BudgetRefused) as refusal:
        await fund(ledger, DEV, 41, FundOperation.DEBIT)
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    assert (await fund(ledger, DEV, 40, FundOperation.DEBIT)).remaining == 0


async def test_funds_go_to_the_window_that_is_current(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period.DAY))
    await spend(ledger, 30)
    harness.advance_ms(DAY_MS)
    balance = await fund(ledger, DEV, 7, period=Period.DAY)
    assert (balance.allocated, balance.spent) == (107, 0)
    assert (await ledger.verify()).differences == ()


@pytest.mark.parametrize("amount", [INT64_MAX, -(2**63) - 1, 2**63])
async def test_funds_beyond_int64_are_refused(ledger: Home, amount: int) -> None:
    await declare(ledger, line(DEV, 100))
    with pytest.raises(AmountOutOfRange):
        await fund(ledger, DEV, amount)
    assert (await balance_of(ledger, DEV)).allocated == 100


async def test_the_largest_amounts_are_exact(ledger: Home) -> None:
    """Doubles lose amounts above 2**53; int64 does not."""
    await declare(ledger, line(DEV, INT64_MAX))
    reservation_id = await hold(ledger, INT64_MAX - 1)
    settled = await commit(ledger, reservation_id, INT64_MAX - 2)
    assert (settled.charged, settled.balances[0].remaining) == (usd(INT64_MAX - 2), 2)


async def test_an_uncovered_amount_beyond_int64_is_refused_whole(ledger: Home) -> None:
    await declare(ledger, line(DEV, 10))
    first, second = await hold(ledger, 5), await hold(ledger, 5)
    await commit(ledger, first, INT64_MAX)
    with pytest.raises(AmountOutOfRange):
        await commit(ledger, second, INT64_MAX)
    assert (await balance_of(ledger, DEV)).reserved == 5


@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_stopped_budget_holds_nothing_new_and_settles_everything(
    ledger: Home, status: BudgetStatus
) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 100))
    first, second = await hold(ledger, 10), await hold(ledger, 10)
    (balance,) = await ledger.set_status(DEV, USD, status, actor="ops")
    assert balance.status is status
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    with pytest.raises(BudgetRefused):
        await grow(ledger, first, 1)
    assert (await commit(ledger, first, 15)).charged == usd(15)
    assert (await ledger.release(second, key="r")).released == usd(10)
    await ledger.set_status(DEV, USD, BudgetStatus.ACTIVE, actor="ops")
    assert (await ledger.reserve(ask(1))).amounts == usd(1)


async def test_a_status_holds_for_every_period_of_a_scope(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(DEV, 100, period=Period.DAY))
    balances = await ledger.set_status(DEV, USD, BudgetStatus.FROZEN, actor="ops")
    assert [balance.status for balance in balances] == [BudgetStatus.FROZEN] * 2
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV, Period.DAY)).status is BudgetStatus.FROZEN


@pytest.mark.parametrize(
    ("scope", "unit", "period"),
    [(DEV, USD, LIFETIME), (BOT, TOKENS, LIFETIME), (BOT, USD, Period.DAY)],
)
async def test_a_budget_that_is_not_there_cannot_be_changed(
    ledger: Home, scope: Scope, unit: Unit, period: Period
) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 100))
    with pytest.raises(Refused) as refusal:
        await fund(ledger, scope, 1, period=period, unit=unit)
    assert refusal.value.reason is Reason.BUDGET_NOT_FOUND
    if period is LIFETIME:
        with pytest.raises(Refused) as refusal:
            await ledger.set_status(scope, unit, BudgetStatus.FROZEN, actor="ops")
        assert refusal.value.reason is Reason.BUDGET_NOT_FOUND
    assert await ledger.all_balances() == ()


async def test_a_row_that_is_not_there_is_not_found(ledger: Home) -> None:
    with pytest.raises(ReservationNotFound, match="rsv_unknown"):
        await ledger.reservation("rsv_unknown")


async def test_the_journal_tells_the_story_of_a_call(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 50))
    reservation_id = await hold(ledger, 20)
    await commit(ledger, reservation_id, 15)
    entries = await ledger.journal("dev", after_seq=0, limit=100)
    assert [entry.kind for entry in entries] == [
        Kind.OPEN,
        Kind.OPEN,
        Kind.RESERVE,
        Kind.DISPATCH,
        Kind.COMMIT,
    ]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    remaining = [
        sorted(amounts.remaining for amounts in windows.values()) for _, windows in replay(entries)
    ]
    assert remaining == [[100], [50, 100], [30, 80], [30, 80], [35, 85]]


async def test_the_journal_is_read_page_by_page(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    for _ in range(3):
        await spend(ledger, 1)
    whole = await ledger.journal("dev", after_seq=0, limit=100)
    pages = [await ledger.journal("dev", after_seq=after, limit=4) for after in (0, 4, 8)]
    assert tuple(entry for page in pages for entry in page) == whole
    assert await ledger.journal("nobody", after_seq=0, limit=4) == ()


async def test_each_tenant_has_a_journal_of_its_own(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line("tenant:other", 100))
    (entry,) = await ledger.journal("other", after_seq=0, limit=10)
    assert (entry.seq, entry.kind) == (1, Kind.OPEN)
    audit = await ledger.verify()
    assert (audit.entries, audit.reservations, audit.differences) == (2, 0, ())


async def test_verify_adds_up_what_is_in_dollars(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(DEV, 100, unit=TOKENS))
    await spend(ledger, 30)
    await spend(ledger, {TOKENS: 50})
    audit = await ledger.verify()
    assert (audit.charged, audit.reservations) == (30, 2)
