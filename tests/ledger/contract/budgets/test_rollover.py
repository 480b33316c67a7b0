"""What a window leaves goes on to the next: once, up to its cap, and after debt."""

import pytest

from proxy.domain.errors import BudgetRefused
from proxy.domain.period import Period
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Kind, replay
from tests.ledger.builders import (
    DEV,
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
from tests.ledger.harness import DAY_MS, Harness

DAY = Period.DAY


@pytest.mark.parametrize(("rollover_max", "allocated"), [(0, 100), (30, 130), (1_000, 160)])
async def test_what_a_day_leaves_goes_on_up_to_its_cap(
    harness: Harness, rollover_max: int, allocated: int
) -> None:
    """LiteLLM #32603."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=rollover_max))
    await spend(ledger, 40)
    harness.advance_ms(DAY_MS)
    (seen,) = await ledger.balances([DEV], USD)
    assert (seen.allocated, seen.remaining) == (allocated, allocated)
    assert (await ledger.reserve(ask(allocated))).balances[0].remaining == 0
    assert (await ledger.verify()).differences == ()


async def test_what_went_over_is_gone_from_the_day_before(harness: Harness) -> None:
    """Nothing counts twice: not for a late cost either."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=1_000))
    early = await hold(ledger, 30)
    harness.advance_ms(DAY_MS)
    grant = await ledger.reserve(ask(1))
    assert grant.balances[0].allocated == 170, "what was held did not go over"
    settled = await commit(ledger, early, 50)
    assert (settled.charged, settled.uncovered) == (usd(30), usd(20))
    assert settled.balances[0].remaining == 0
    *_, (_, windows) = replay(await ledger.journal("dev", after_seq=0, limit=100))
    assert sum(amounts.allocated for amounts in windows.values()) == 200
    assert (await ledger.verify()).differences == ()


async def test_what_comes_back_to_a_day_that_is_over_stays_there(harness: Harness) -> None:
    """Read once, when the next row is made."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=1_000))
    early = await hold(ledger, 30)
    harness.advance_ms(DAY_MS)
    await hold(ledger, 1)
    await ledger.release(early, key="give back")
    assert (await balance_of(ledger, DEV)).allocated == 170


async def test_what_comes_back_before_the_next_day_is_opened_goes_on(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=1_000))
    early = await hold(ledger, 30)
    harness.advance_ms(DAY_MS)
    await ledger.release(early, key="give back")
    assert (await balance_of(ledger, DEV)).allocated == 200


async def test_days_on_which_nobody_came_go_on_as_well(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=250))
    await spend(ledger, 90)
    harness.advance_ms(2 * DAY_MS)
    assert (await balance_of(ledger, DEV)).allocated == 210
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV)).allocated == 310
    harness.advance_ms(300 * DAY_MS)
    await spend(ledger, 350)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))


async def test_a_look_every_day_leaves_the_same_as_none(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=250))
    await spend(ledger, 90)
    for _ in range(2):
        harness.advance_ms(DAY_MS)
        await hold(ledger, 0, dispatched=False)
    assert (await balance_of(ledger, DEV)).allocated == 210


async def test_debt_is_paid_before_anything_goes_over(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=1_000, overdraft_limit=50))
    grant = await ledger.reserve(ask(100, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await commit(ledger, grant.reservation_id, 130)
    harness.advance_ms(2 * DAY_MS)
    balance = await balance_of(ledger, DEV)
    assert (balance.allocated, balance.debt, balance.remaining) == (170, 0, 170)
    assert (await ledger.reserve(ask(170))).amounts == usd(170)
    assert (await ledger.verify()).differences == ()


async def test_funds_made_by_hand_go_over_like_the_rest(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=1_000))
    await fund(ledger, DEV, 50, period=DAY)
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV)).allocated == 250


async def test_the_cap_is_that_of_the_line_as_it_stands_when_the_day_begins(
    harness: Harness,
) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=1_000))
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=5))
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV)).allocated == 105


async def test_the_journal_says_what_went_over(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=30))
    harness.advance_ms(DAY_MS)
    await hold(ledger, 1)
    opened = [
        entry
        for entry in await ledger.journal("dev", after_seq=0, limit=100)
        if entry.kind is Kind.OPEN
    ][-1]
    closing, opening = opened.postings
    assert (closing.change.allocated, opening.change.allocated) == (-30, 130)
    assert closing.window.start_ms + DAY_MS == opening.window.start_ms
