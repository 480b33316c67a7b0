"""Windows that roll: what was spent counts for an hour, and leaves a minute at a time."""

import pytest

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.period import Period, Step
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Kind
from proxy.ledger.records import Balance, FundOperation
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
    usd,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Harness, Home

ROLLING = Period(Step.ROLLING, rolling_ms=HOUR_MS)
HALF = Period(Step.ROLLING, rolling_ms=HOUR_MS // 2)


async def kinds(ledger: Home) -> list[Kind]:
    return [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=1_000)]


def figures(balance: Balance) -> tuple[int, int, int, int, bool]:
    return (
        balance.spent,
        balance.debt,
        balance.uncovered,
        balance.remaining,
        balance.is_over_limit,
    )


async def overspend(ledger: Home, held: int, actual: int, overage: Overage) -> str:
    grant = await ledger.reserve(ask(held, overage=overage))
    await commit(ledger, grant.reservation_id, actual)
    return grant.reservation_id


async def test_what_was_spent_counts_until_its_whole_minute_is_an_hour_old(
    harness: Harness,
) -> None:
    """The minute from 12:00 leaves at 13:01, whenever in it the money was spent."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    harness.advance_ms(7 * SECOND_MS)
    await spend(ledger, 100)
    harness.advance_ms(HOUR_MS + MINUTE_MS - 7 * SECOND_MS - 1)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(1))
    assert refusal.value.shortage.resets_at_ms is None
    harness.advance_ms(1)
    assert (await ledger.reserve(ask(100))).amounts == usd(100)


async def test_what_was_spent_leaves_minute_by_minute_and_never_at_once(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 60, period=ROLLING))
    for _ in range(6):
        await spend(ledger, 10)
        harness.advance_ms(10 * MINUTE_MS)
    remaining = []
    for _ in range(7):
        remaining.append((await balance_of(ledger, DEV)).remaining)
        harness.advance_ms(10 * MINUTE_MS)
    assert remaining == [0, 10, 20, 30, 40, 50, 60]


async def test_a_hold_counts_as_long_as_it_is_open_and_its_cost_from_then_on(
    harness: Harness,
) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    reservation_id = await hold(ledger, 60)
    harness.advance_ms(3 * HOUR_MS)
    assert (await balance_of(ledger, DEV)).remaining == 40
    await commit(ledger, reservation_id, 50)
    harness.advance_ms(HOUR_MS)
    assert (await balance_of(ledger, DEV)).remaining == 50
    harness.advance_ms(MINUTE_MS)
    assert (await balance_of(ledger, DEV)).remaining == 100


async def test_a_look_and_a_refusal_see_the_roll_and_write_nothing(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    await spend(ledger, 70)
    entries = await ledger.journal("dev", after_seq=0, limit=100)
    harness.advance_ms(2 * HOUR_MS)
    (balance,) = await ledger.balances([DEV], USD)
    assert (balance.spent, balance.remaining, balance.used_pct) == (0, 100, 0)
    assert balance == await balance_of(ledger, DEV)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(101))
    assert refusal.value.shortage.remaining == 100
    assert await ledger.journal("dev", after_seq=0, limit=100) == entries
    assert (await ledger.verify()).differences == ()


async def test_a_roll_stands_in_the_journal_before_what_needed_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    await spend(ledger, 70)
    harness.advance_ms(2 * HOUR_MS)
    await hold(ledger, 90, dispatched=False)
    *_, rolled, reserved = await ledger.journal("dev", after_seq=0, limit=100)
    assert (rolled.kind, rolled.scope, rolled.reservation_id) == (Kind.ROLL, DEV, None)
    assert [posting.change.spent for posting in rolled.postings] == [-70]
    assert reserved.kind is Kind.RESERVE
    await hold(ledger, 5, dispatched=False)
    assert (await kinds(ledger))[-1:] == [Kind.RESERVE], "there was nothing to roll"
    assert (await ledger.verify()).differences == ()


async def test_the_minutes_survive_a_crash(harness: Harness) -> None:
    await declare(harness.ledger, line(DEV, 100, period=ROLLING))
    await spend(harness.ledger, 30)
    harness.advance_ms(30 * MINUTE_MS)
    await spend(harness.ledger, 40)
    await harness.crash()
    await harness.restart()
    harness.advance_ms(31 * MINUTE_MS)
    assert (await balance_of(harness.ledger, DEV)).remaining == 60
    harness.advance_ms(30 * MINUTE_MS)
    assert (await balance_of(harness.ledger, DEV)).remaining == 100
    assert (await harness.ledger.verify()).differences == ()


async def test_two_rolling_windows_of_one_scope_let_go_each_in_its_time(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING), line(DEV, 60, period=HALF))
    await spend(ledger, 60)
    harness.advance_ms(31 * MINUTE_MS)
    grant = await ledger.reserve(ask(40))
    assert [(b.period, b.remaining) for b in grant.balances] == [(ROLLING, 0), (HALF, 20)]


async def test_debt_is_paid_first_by_what_leaves_and_counts_from_then(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING, overdraft_limit=50))
    await overspend(ledger, 100, 130, Overage.ALLOW_WITH_OVERDRAFT)
    assert figures(await balance_of(ledger, DEV)) == (100, 30, 0, -30, False)
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    await hold(ledger, 70, dispatched=False)
    assert figures(await balance_of(ledger, DEV)) == (30, 0, 0, 0, False)
    harness.advance_ms(HOUR_MS)
    assert (await balance_of(ledger, DEV)).spent == 30
    harness.advance_ms(MINUTE_MS)
    assert (await balance_of(ledger, DEV)).spent == 0
    assert (await ledger.verify()).differences == ()


async def test_debt_that_only_time_pays_does_not_block_for_ever(harness: Harness) -> None:
    """Nothing may be borrowed any more, and nobody funds it."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING, overdraft_limit=50))
    await overspend(ledger, 100, 130, Overage.ALLOW_WITH_OVERDRAFT)
    await declare(ledger, line(DEV, 100, period=ROLLING))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    assert figures(await balance_of(ledger, DEV)) == (30, 0, 0, 70, False)
    await hold(ledger, 70, dispatched=False)
    assert (await kinds(ledger))[-3:] == [Kind.ROLL, Kind.RELIEVE, Kind.RESERVE]


async def test_what_could_not_be_covered_is_paid_by_the_room_of_a_roll(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    reservation_id = await overspend(ledger, 100, 130, Overage.ALLOW_IF_AVAILABLE)
    assert figures(await balance_of(ledger, DEV)) == (100, 0, 30, 0, True)
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    assert figures(await balance_of(ledger, DEV)) == (30, 0, 0, 70, False)
    assert (await ledger.reservation(reservation_id)).uncovered == usd(30), "a look pays nothing"

    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(71))
    assert refusal.value.shortage.remaining == 70, "it is not lent twice"
    await hold(ledger, 70, dispatched=False)
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.uncovered) == (usd(130), usd(0))
    story = [Kind.ROLL, Kind.REPAY, Kind.RELIEVE, Kind.RESERVE]
    assert (await kinds(ledger))[-4:] == story
    assert (await ledger.verify()).differences == ()


async def test_room_for_a_part_of_what_is_owed_does_not_admit(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    await spend(ledger, 20)
    harness.advance_ms(30 * MINUTE_MS)
    await overspend(ledger, 80, 110, Overage.ALLOW_IF_AVAILABLE)
    harness.advance_ms(31 * MINUTE_MS)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED
    assert figures(await balance_of(ledger, DEV)) == (80, 0, 30, 20, True)


async def test_a_roll_pays_in_all_budgets_of_a_call_or_in_none(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(BOT, 100, period=ROLLING))
    reservation_id = await overspend(ledger, 100, 130, Overage.ALLOW_IF_AVAILABLE)
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.shortage.scope == DEV
    agent = await balance_of(ledger, BOT)
    assert figures(agent) == (0, 0, 30, 100, False), "it could pay, and is not blocked"
    await fund(ledger, DEV, 30)
    assert (await ledger.reservation(reservation_id)).uncovered == usd(0)
    assert figures(await balance_of(ledger, DEV)) == (130, 0, 0, 0, False)
    assert figures(await balance_of(ledger, BOT)) == (30, 0, 0, 70, False)
    assert (await ledger.verify()).differences == ()


async def test_room_in_one_unit_rolls_no_window_of_another(harness: Harness) -> None:
    """What a hold owes in a unit waits for somebody who asks for that unit."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(DEV, 500, period=ROLLING, unit=TOKENS))
    reservation_id = await hold(ledger, {USD: 100, TOKENS: 500})
    await commit(ledger, reservation_id, {USD: 120, TOKENS: 540})
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    await fund(ledger, DEV, 20)
    assert (await ledger.reservation(reservation_id)).uncovered == {USD: 0, TOKENS: 40}
    assert Kind.ROLL not in await kinds(ledger)
    await hold(ledger, {TOKENS: 1})
    assert (await ledger.reservation(reservation_id)).uncovered == {USD: 0, TOKENS: 0}
    assert (await ledger.verify()).differences == ()


@pytest.mark.parametrize(("spent", "after_half_an_hour"), [(0, 0), (20, 20), (70, 10), (90, 30)])
async def test_what_an_operator_says_was_spent_counts_from_now(
    harness: Harness, spent: int, after_half_an_hour: int
) -> None:
    """Less than was spent is all of now; of more, what is more."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    await spend(ledger, 60)
    harness.advance_ms(30 * MINUTE_MS)
    await spend(ledger, 10)
    operation = FundOperation.RESET_SPENT
    balance = await fund(ledger, DEV, 100, operation, period=ROLLING, spent=spent)
    assert balance.spent == spent
    harness.advance_ms(31 * MINUTE_MS)
    assert (await balance_of(ledger, DEV)).spent == after_half_an_hour
    harness.advance_ms(30 * MINUTE_MS)
    assert (await balance_of(ledger, DEV)).spent == 0
    await spend(ledger, 100)
    assert (await ledger.verify()).differences == ()


async def test_a_long_rest_costs_a_rolling_budget_nothing(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=ROLLING))
    await spend(ledger, 100)
    harness.advance_ms(400 * DAY_MS)
    await spend(ledger, 100)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    assert (await ledger.verify()).differences == ()
