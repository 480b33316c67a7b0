"""Windows of the calendar: when they end, and what goes on to the next."""

import pytest

from proxy.domain.errors import BudgetRefused
from proxy.domain.period import Period, Step
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Kind
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    USD,
    after_noon_ms,
    ask,
    balance_of,
    commit,
    declare,
    grow,
    hold,
    line,
    spend,
    usd,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, NOON_MS, SECOND_MS, Harness

DAY, MONTH, LIFETIME = Period.DAY, Period.MONTH, Period.LIFETIME
BERLIN_DAY = Period(Step.DAY, "Europe/Berlin")
MIDNIGHT_MS = NOON_MS + 12 * HOUR_MS


async def test_a_day_ends_at_midnight_utc(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY))
    await spend(ledger, 100)
    harness.advance_ms(12 * HOUR_MS - 1)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(1))
    assert refusal.value.shortage.resets_at_ms == MIDNIGHT_MS
    harness.advance_ms(1)
    assert (await ledger.reserve(ask(100))).amounts == usd(100)
    balance = await balance_of(ledger, DEV)
    assert (balance.window_start_ms, balance.window_end_ms) == (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)


async def test_a_day_that_is_over_does_not_come_back(harness: Harness) -> None:
    """The clock steps back over midnight: neither a look nor a hold goes back with it."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY), line("tenant:dev/agent:*", 90, period=DAY))
    await spend(ledger, 80)
    harness.advance_ms(12 * HOUR_MS)
    await spend(ledger, 30)
    harness.advance_ms(-HOUR_MS)
    seen = await ledger.balances([DEV, BOT, CLI], USD)
    assert [balance.window_start_ms for balance in seen] == [MIDNIGHT_MS] * 3
    assert [balance.remaining for balance in seen] == [70, 60, 90]
    assert (await ledger.reserve(ask(60))).amounts == usd(60)


async def test_a_month_ends_with_its_last_day(harness: Harness) -> None:
    await declare(harness.ledger, line(DEV, 100, period=MONTH))
    await spend(harness.ledger, 100)
    harness.advance_ms(9 * DAY_MS)
    with pytest.raises(BudgetRefused):
        await harness.ledger.reserve(ask(1))
    harness.advance_ms(DAY_MS)
    assert (await harness.ledger.reserve(ask(100))).amounts == usd(100)


async def test_a_lifetime_never_resets(harness: Harness) -> None:
    await declare(harness.ledger, line(DEV, 100))
    await spend(harness.ledger, 100)
    harness.advance_ms(4_000 * DAY_MS)
    with pytest.raises(BudgetRefused) as refusal:
        await harness.ledger.reserve(ask(1))
    assert refusal.value.shortage.resets_at_ms is None


async def test_a_hold_settles_in_the_window_it_was_made_in(harness: Harness) -> None:
    """LiteLLM #22013: a reset wiped the spend; here nothing is ever reset."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY))
    early = await hold(ledger, 60)
    harness.advance_ms(DAY_MS)
    late = await ledger.reserve(ask(100))
    assert late.balances[0].reserved == 100, "the new day starts with no hold"

    settled = await commit(ledger, early, 80)
    (yesterday,) = settled.balances
    assert yesterday.window_end_ms == MIDNIGHT_MS
    assert (yesterday.spent, yesterday.reserved, yesterday.remaining) == (80, 0, 20)
    today = await balance_of(ledger, DEV)
    assert (today.spent, today.reserved) == (0, 100)
    assert (await ledger.verify()).differences == ()


async def test_a_hold_grows_in_the_window_it_was_made_in(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY))
    grant = await ledger.reserve(ask(60, ttl_ms=DAY_MS))
    harness.advance_ms(13 * HOUR_MS)
    await spend(ledger, 100)
    assert (await grow(ledger, grant.reservation_id, 40)).amounts == usd(100)


async def test_debt_is_taken_from_the_new_allocation_first(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, overdraft_limit=50))
    grant = await ledger.reserve(ask(100, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await commit(ledger, grant.reservation_id, 130)
    assert (await balance_of(ledger, DEV)).debt == 30

    harness.advance_ms(DAY_MS)
    grant = await ledger.reserve(ask(70))
    (today,) = grant.balances
    assert (today.allocated, today.spent, today.debt, today.remaining) == (100, 30, 0, 0)
    opening = [
        entry
        for entry in await ledger.journal("dev", after_seq=0, limit=100)
        if entry.kind is Kind.OPEN
    ][-1]
    yesterday, new = opening.postings
    assert (yesterday.change.debt, new.change.spent, new.change.debt) == (-30, 30, 0)
    assert (await ledger.verify()).differences == ()


async def test_debt_beyond_an_allocation_is_paid_window_by_window(harness: Harness) -> None:
    """Also by days on which everything was refused: else it would block for ever."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 20, period=DAY, overdraft_limit=50))
    grant = await ledger.reserve(ask(20, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await commit(ledger, grant.reservation_id, 70)
    for left in (-30, -10):
        harness.advance_ms(DAY_MS)
        with pytest.raises(BudgetRefused) as refusal:
            await ledger.reserve(ask(0))
        assert refusal.value.shortage.remaining == left
    harness.advance_ms(DAY_MS)
    grant = await ledger.reserve(ask(10))
    (today,) = grant.balances
    assert (today.allocated, today.spent, today.debt, today.remaining) == (20, 10, 0, 0)
    assert (await ledger.verify()).differences == ()


async def test_a_look_at_a_budget_opens_no_window(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY))
    await spend(ledger, 40)
    entries = await ledger.journal("dev", after_seq=0, limit=100)
    harness.advance_ms(DAY_MS)
    (balance,) = await ledger.balances([DEV], USD)
    assert (balance.spent, balance.allocated, balance.remaining) == (0, 100, 100)
    assert balance == await balance_of(ledger, DEV)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(101))
    assert await ledger.journal("dev", after_seq=0, limit=100) == entries


async def test_several_windows_bind_one_scope(harness: Harness) -> None:
    """LiteLLM #26672: a daily and a monthly limit at once."""
    ledger = harness.ledger
    await declare(
        ledger,
        line(DEV, 30, period=DAY),
        line(DEV, 50, period=MONTH),
        line(DEV, 70, period=LIFETIME),
    )
    grant = await ledger.reserve(ask(30))
    assert [balance.period for balance in grant.balances] == [LIFETIME, MONTH, DAY]
    await commit(ledger, grant.reservation_id, 30)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(1))
    assert refusal.value.shortage.resets_at_ms == MIDNIGHT_MS

    harness.advance_ms(DAY_MS)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(21))
    assert refusal.value.shortage.remaining == 20, "what is left of the month"


# Calendars and time zones


async def test_a_day_ends_at_midnight_where_its_people_are(harness: Harness) -> None:
    """LiteLLM #10288, #9098: on the day of 23 hours, too."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=BERLIN_DAY))
    harness.advance_ms(after_noon_ms("2027-03-27T22:59:59Z"))
    await spend(ledger, 100)
    harness.advance_ms(SECOND_MS)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(101))
    assert refusal.value.shortage.resets_at_ms == NOON_MS + after_noon_ms("2027-03-28T22:00:00Z")
    await spend(ledger, 100)
    harness.advance_ms(23 * HOUR_MS - 1)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    harness.advance_ms(1)
    assert (await ledger.reserve(ask(100))).amounts == usd(100)


async def test_a_day_that_a_zone_skips_is_no_window(harness: Harness) -> None:
    """Beirut's 28th of March 2027 begins at one o'clock; the day before ends where it begins."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period(Step.DAY, "Asia/Beirut")))
    harness.advance_ms(after_noon_ms("2027-03-27T21:59:59Z"))
    await spend(ledger, 100)
    harness.advance_ms(SECOND_MS)
    (balance,) = await ledger.balances([DEV], USD)
    assert balance.window_start_ms == NOON_MS + after_noon_ms("2027-03-27T22:00:00Z")
    assert balance.window_end_ms == NOON_MS + after_noon_ms("2027-03-28T21:00:00Z")
    assert balance.remaining == 100


async def test_one_scope_has_a_day_of_its_own_in_each_zone(harness: Harness) -> None:
    ledger = harness.ledger
    tokyo = Period(Step.DAY, "Asia/Tokyo")
    await declare(ledger, line(DEV, 100, period=DAY), line(DEV, 60, period=tokyo))
    await spend(ledger, 60)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    harness.advance_ms(3 * HOUR_MS)
    grant = await ledger.reserve(ask(40))
    assert [(b.period, b.remaining) for b in grant.balances] == [(DAY, 0), (tokyo, 20)]


@pytest.mark.parametrize(
    ("step", "end"),
    [
        (Step.HOUR, "2026-11-21T13:00:00Z"),
        (Step.WEEK, "2026-11-23T00:00:00Z"),
        (Step.MONTH, "2026-12-01T00:00:00Z"),
        (Step.YEAR, "2027-01-01T00:00:00Z"),
    ],
)
async def test_a_budget_comes_back_when_its_calendar_turns(
    harness: Harness, step: Step, end: str
) -> None:
    """LiteLLM #5651, #7129, #8364, #24675: resets that never happened."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period(step)))
    await spend(ledger, 100)
    harness.advance_ms(after_noon_ms(end) - 1)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    harness.advance_ms(1)
    assert (await ledger.reserve(ask(100))).amounts == usd(100)
    assert (await ledger.verify()).differences == ()


async def test_all_windows_of_a_scope_stay_apart_through_a_month(harness: Harness) -> None:
    """Aico #366: a period without a counter fell back to what was used in a lifetime."""
    ledger = harness.ledger
    periods = [Period.LIFETIME, Period.MONTH, Period.WEEK, DAY]
    await declare(ledger, *(line(DEV, 1_000, period=period) for period in periods))
    for _ in range(12):
        await spend(ledger, 10)
        harness.advance_ms(DAY_MS)
    spent = {balance.period: balance.spent for balance in await ledger.balances([DEV], USD)}
    assert spent == {Period.LIFETIME: 120, Period.MONTH: 20, Period.WEEK: 30, DAY: 0}
