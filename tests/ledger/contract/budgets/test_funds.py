"""What operators give and take: five operations on the current window, each once by its key."""

from collections.abc import Sequence

import pytest

from proxy.domain.errors import AmountOutOfRange, BudgetRefused, IdempotencyMismatch, Reason
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import BudgetName, BudgetStatus, FundOperation
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
    hold,
    line,
    spend,
)
from tests.ledger.harness import DAY_MS, Harness, Home

CREDIT = FundOperation.CREDIT
DEBIT = FundOperation.DEBIT
RESET = FundOperation.RESET
RESET_SPENT = FundOperation.RESET_SPENT
REPAY_DEBT = FundOperation.REPAY_DEBT


async def indebted(ledger: Home) -> None:
    """150 of 100 were spent, 30 of them on credit and 20 uncovered; 10 more are held."""
    await declare(ledger, line(DEV, 110, overdraft_limit=30))
    await hold(ledger, 10)
    grant = await ledger.reserve(ask(100, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await commit(ledger, grant.reservation_id, 150)


@pytest.mark.parametrize(
    ("operation", "amount", "spent", "figures"),
    [
        # allocated, spent, debt, uncovered, over its limit
        (CREDIT, 0, 0, [110, 100, 30, 20, True]),
        (CREDIT, 20, 0, [130, 120, 10, 20, False]),
        (CREDIT, 49, 0, [159, 130, 0, 20, False]),
        (CREDIT, 50, 0, [160, 150, 0, 0, False]),
        (RESET, 160, 0, [160, 150, 0, 0, False]),
        (RESET, 60, 0, [60, 100, 30, 20, True]),
        (RESET_SPENT, 110, 0, [110, 20, 30, 0, False]),
        (RESET_SPENT, 110, 60, [110, 60, 30, 20, False]),
        (RESET_SPENT, 0, 0, [0, 0, 30, 20, False]),
        (REPAY_DEBT, 20, 0, [110, 100, 10, 20, False]),
        (REPAY_DEBT, 30, 0, [110, 100, 0, 20, False]),
        (REPAY_DEBT, 50, 0, [130, 120, 0, 0, False]),
    ],
)
async def test_each_operation_leaves_what_it_should_and_the_books_agree(
    ledger: Home, operation: FundOperation, amount: int, spent: int, figures: Sequence[object]
) -> None:
    await indebted(ledger)
    balance = await fund(ledger, DEV, amount, operation, spent=spent)
    assert balance == await balance_of(ledger, DEV)
    assert figures == [
        balance.allocated,
        balance.spent,
        balance.debt,
        balance.uncovered,
        balance.is_over_limit,
    ]
    assert balance.reserved == 10
    assert (await ledger.verify()).differences == ()


async def test_what_was_reset_can_be_spent_again(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await spend(ledger, 100)
    await fund(ledger, DEV, 100, RESET_SPENT)
    await spend(ledger, 100)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    audit = await ledger.verify()
    assert (audit.charged, audit.differences) == (200, ())


async def test_funding_adds_to_the_allocation(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    balance = await fund(ledger, DEV, 50)
    assert (balance.allocated, balance.remaining) == (150, 150)
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=10)
    assert (entry.kind, entry.actor, entry.reservation_id) == (Kind.FUND, "ops", None)
    assert entry.postings[0].change == Amounts(allocated=50)


async def test_funding_repays_debt_first(ledger: Home) -> None:
    """[spec] §1.13, Balance: what is added to a budget that owes goes to its debt first."""
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


@pytest.mark.parametrize("operation", FundOperation)
@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_stopped_budget_is_not_funded(
    ledger: Home, operation: FundOperation, status: BudgetStatus
) -> None:
    await declare(ledger, line(DEV, 100, status=status))
    before = await ledger.journal("dev", after_seq=0, limit=10)
    with pytest.raises(BudgetRefused) as refusal:
        await fund(ledger, DEV, 5, operation)
    assert refusal.value.reason.value == f"budget_{status.value.lower()}"
    assert await ledger.journal("dev", after_seq=0, limit=10) == before


async def test_funds_are_for_one_period_and_one_unit(ledger: Home) -> None:
    await declare(
        ledger, line(DEV, 100), line(DEV, 100, period=Period.DAY), line(DEV, 100, unit=TOKENS)
    )
    await fund(ledger, DEV, 5, unit=TOKENS)
    assert [(b.unit, b.allocated) for b in await ledger.all_balances()] == [
        (TOKENS, 105),
        (USD, 100),
        (USD, 100),
    ]


@pytest.mark.parametrize("operation", FundOperation)
async def test_the_same_key_funds_once(harness: Harness, operation: FundOperation) -> None:
    """For a day at least, and across a crash."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100))
    await spend(ledger, 30)
    first = await fund(ledger, DEV, 40, operation, key="once")
    await spend(ledger, 7)
    count = len(await ledger.journal("dev", after_seq=0, limit=100))
    assert await fund(ledger, DEV, 40, operation, key="once") == first
    await harness.crash()
    harness.advance_ms(DAY_MS - 1)
    assert await fund(harness.ledger, DEV, 40, operation, key="once") == first
    assert len(await harness.ledger.journal("dev", after_seq=0, limit=100)) == count


async def test_a_key_is_of_one_operation(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await fund(ledger, DEV, 40, RESET_SPENT, key="once", spent=5)
    for amount, operation, spent in ((41, RESET_SPENT, 5), (40, RESET, 5), (40, RESET_SPENT, 6)):
        with pytest.raises(IdempotencyMismatch):
            await fund(ledger, DEV, amount, operation, key="once", spent=spent)
    assert (await balance_of(ledger, DEV)).allocated == 40


async def test_a_key_is_of_one_budget(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 100))
    await fund(ledger, DEV, 5, key="once")
    assert (await fund(ledger, BOT, 5, key="once")).allocated == 105


async def test_without_a_key_each_time_counts(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await fund(ledger, DEV, 5)
    assert (await fund(ledger, DEV, 5)).allocated == 110


async def test_a_refused_operation_is_not_remembered(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    with pytest.raises(BudgetRefused):
        await fund(ledger, DEV, 101, DEBIT, key="once")
    await fund(ledger, DEV, 1)
    assert (await fund(ledger, DEV, 101, DEBIT, key="once")).remaining == 0


async def test_the_journal_says_who_gave(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    name = BudgetName(DEV, USD, Period.LIFETIME)
    await ledger.fund(name, CREDIT, 5, actor="ana")
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=10)
    assert (entry.kind, entry.actor, entry.scope) == (Kind.FUND, "ana", DEV)
    assert (entry.reservation_id, entry.trace_id, entry.price_version) == (None, "", "")


@pytest.mark.parametrize("spent", [-1, 2**63])
async def test_what_is_said_to_be_spent_is_an_amount(ledger: Home, spent: int) -> None:
    await declare(ledger, line(DEV, 100))
    with pytest.raises(AmountOutOfRange):
        await fund(ledger, DEV, 5, RESET_SPENT, spent=spent)
