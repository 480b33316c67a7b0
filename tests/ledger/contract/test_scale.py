"""Very large amounts, and very many holds."""

import asyncio

import pytest

from proxy.domain.errors import AmountOutOfRange, BudgetRefused
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period, Step
from proxy.domain.reservation import OPEN
from proxy.domain.subject import Subject
from proxy.ledger.records import FundOperation, Grant
from tests.ledger.builders import (
    CLI,
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    event,
    fund,
    grow,
    hold,
    line,
    spend,
    usd,
)
from tests.ledger.harness import HOMES, HOUR_MS, MINUTE_MS, Harness, Home

EXACT = 2**53 + 1
"""The first amount that a double cannot hold."""


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


async def test_every_step_is_exact_where_doubles_are_not(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 4 * EXACT), line(DEV, 4 * EXACT, unit=TOKENS))
    reservation_id = await hold(ledger, {USD: EXACT, TOKENS: 1})
    grant = await grow(ledger, reservation_id, {USD: 2, TOKENS: EXACT})
    assert grant.amounts == {USD: EXACT + 2, TOKENS: EXACT + 1}
    assert [b.reserved for b in grant.balances] == [EXACT + 2, EXACT + 1]
    settled = await commit(ledger, reservation_id, {USD: EXACT, TOKENS: EXACT})
    assert settled.charged == {USD: EXACT, TOKENS: EXACT}
    assert settled.released == {USD: 2, TOKENS: 1}
    assert [b.remaining for b in settled.balances] == [3 * EXACT, 3 * EXACT]
    await harness.restart()
    row = await harness.ledger.reservation(reservation_id)
    assert (row.amounts, row.charged) == (grant.amounts, settled.charged)
    (*_, entry) = await harness.ledger.journal("dev", after_seq=0, limit=10)
    assert [posting.change.spent for posting in entry.postings] == [EXACT, EXACT]
    assert (await harness.ledger.verify()).differences == ()


async def test_windows_and_funds_are_exact_where_doubles_are_not(harness: Harness) -> None:
    ledger = harness.ledger
    rolling = Period(Step.ROLLING, rolling_ms=HOUR_MS)
    day = line(DEV, EXACT, period=Period.DAY, rollover_max=INT64_MAX)
    await declare(ledger, day, line(DEV, 3 * EXACT, period=rolling))
    await spend(ledger, 2)
    harness.advance_ms(24 * HOUR_MS)
    grant = await ledger.reserve(ask(EXACT))
    assert [b.remaining for b in grant.balances] == [EXACT - 2, 2 * EXACT]
    await commit(ledger, grant.reservation_id, EXACT)
    balance = await fund(ledger, DEV, EXACT, FundOperation.DEBIT, period=rolling)
    assert balance.remaining == EXACT
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    (_, balance) = await ledger.balances([DEV], USD)
    assert (balance.spent, balance.remaining) == (0, 2 * EXACT)
    assert (await ledger.verify()).differences == ()


async def test_a_sum_beyond_int64_is_named_and_changes_nothing(ledger: Home) -> None:
    await declare(ledger, line(DEV, INT64_MAX))
    await hold(ledger, INT64_MAX)
    before = await ledger.journal("dev", after_seq=0, limit=100)
    for amount, operation in ((1, FundOperation.CREDIT), (INT64_MAX, FundOperation.CREDIT)):
        with pytest.raises(AmountOutOfRange):
            await fund(ledger, DEV, amount, operation)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    with pytest.raises(AmountOutOfRange):
        await declare(ledger, line(DEV, INT64_MAX + 1))
    assert await ledger.journal("dev", after_seq=0, limit=100) == before


async def test_what_many_calls_cost_together_may_be_more_than_any_budget_holds(
    ledger: Home,
) -> None:
    """Nobody limits the unit: each cost is an amount, and their sum need not be one."""
    await declare(ledger, line(DEV, 100))
    await declare(ledger, line(DEV, 100), line(CLI, 100, unit=TOKENS))
    for _ in range(3):
        stranger = event(INT64_MAX, subject=Subject(tenant="stranger"), is_spent=True)
        await ledger.apply(stranger)
    audit = await ledger.verify()
    assert (audit.charged, audit.differences) == (3 * INT64_MAX, ())


async def test_a_rollover_ends_at_the_largest_amount(harness: Harness) -> None:
    """Else the budget could not begin another day, and no configuration could be declared."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, INT64_MAX - 5, period=Period.DAY, rollover_max=INT64_MAX))
    harness.advance_ms(3 * 24 * HOUR_MS)
    assert (await ledger.reserve(ask(INT64_MAX))).amounts == usd(INT64_MAX)
    assert (await ledger.verify()).differences == ()


async def exactly_as_many_as_fit(harness: Harness, fit: int) -> None:
    """So many calls hold at once, all are swept in batches, and the books agree."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, fit), line("tenant:dev/agent:*", fit))
    granted = 0
    for batch in range(fit // 500 + 1):
        asked = [ledger.reserve(ask(1, key=f"{batch} {number}")) for number in range(500)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        granted += sum(isinstance(answer, Grant) for answer in answers)
    assert granted == fit
    assert (await balance_of(ledger, DEV)).remaining == 0
    assert len(await ledger.reservations(states=OPEN, limit=fit + 1)) == fit
    harness.advance_ms(MINUTE_MS + 1)
    swept = 0
    while released := (await ledger.expire(limit=500)).released:
        assert len(released) == 500
        swept += len(released)
    assert swept == fit
    assert (await balance_of(ledger, DEV)).remaining == fit
    audit = await ledger.verify()
    assert (audit.reservations, audit.differences) == (fit, ())


@pytest.mark.parametrize("harness", HOMES, indirect=True)
async def test_very_many_holds_are_open_at_once(harness: Harness) -> None:
    await exactly_as_many_as_fit(harness, 2_000)


@pytest.mark.soak
@pytest.mark.parametrize("harness", HOMES, indirect=True)
async def test_a_hundred_thousand_holds_are_open_at_once(harness: Harness) -> None:
    await exactly_as_many_as_fit(harness, 100_000)
