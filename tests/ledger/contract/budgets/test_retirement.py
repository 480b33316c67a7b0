"""Budgets that a template made go when nobody uses them, and leave all they stood for."""

import pytest

from proxy.domain.errors import BudgetRefused, Reason, Refused
from proxy.domain.period import Period, Step
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Amounts, Kind, replay
from proxy.ledger.records import BudgetName, BudgetStatus, Swept
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    ELSEWHERE,
    TOKENS,
    USD,
    ask,
    balance_of,
    charge_late,
    commit,
    declare,
    fund,
    grow,
    hold,
    line,
    run_of,
    spend,
    usd,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, MINUTE_MS, Harness, Home

RUN = run_of(BOT, "1")
RUNS = line("tenant:dev/agent:*/run:*", 100, idle_ttl_ms=HOUR_MS)


async def retired(ledger: Home, limit: int = 100) -> list[str]:
    return [name.scope for name in (await ledger.expire(limit=limit)).retired]


async def test_a_run_that_nobody_uses_for_its_time_goes(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 500), RUNS)
    await spend(ledger, 30, run="1")
    harness.advance_ms(HOUR_MS)
    assert await ledger.expire(limit=100) == Swept()
    harness.advance_ms(1)
    name = BudgetName(RUN, USD, Period.LIFETIME)
    assert await ledger.expire(limit=100) == Swept(retired=(name,))
    assert [balance.scope for balance in await ledger.all_balances()] == [DEV]
    assert await ledger.expire(limit=100) == Swept()
    assert (await ledger.verify()).differences == ()


async def test_any_use_keeps_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, RUNS)
    reservation_id = await hold(ledger, 30, run="1")
    harness.advance_ms(50 * MINUTE_MS)
    await commit(ledger, reservation_id, 30)
    harness.advance_ms(HOUR_MS)
    assert await retired(ledger) == []
    harness.advance_ms(1)
    assert await retired(ledger) == [RUN]


async def test_whoever_comes_next_gets_a_new_one(harness: Harness) -> None:
    """Of the same name and window: what the old one spent is not held against it."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 500), RUNS)
    await spend(ledger, 90, run="1")
    harness.advance_ms(HOUR_MS + 1)
    await retired(ledger)
    grant = await ledger.reserve(ask(100, run="1"))
    assert [(b.scope, b.remaining) for b in grant.balances] == [(DEV, 310), (RUN, 0)]
    assert (await ledger.verify()).differences == ()
    *_, (_, windows) = replay(await ledger.journal("dev", after_seq=0, limit=100))
    (amounts,) = (a for window, a in windows.items() if window.scope == RUN)
    assert amounts == Amounts(allocated=100, reserved=100)


async def test_what_it_spent_stays_in_the_journal_and_above_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 500), RUNS)
    await spend(ledger, 90, run="1")
    harness.advance_ms(HOUR_MS + 1)
    await retired(ledger)
    *before, entry = await ledger.journal("dev", after_seq=0, limit=100)
    assert (entry.kind, entry.scope) == (Kind.RETIRE, RUN)
    (posting,) = entry.postings
    assert posting.change == Amounts(allocated=-100, spent=-90)
    *_, (_, windows) = replay(before)
    assert windows[posting.window].spent == 90
    assert (await balance_of(ledger, DEV)).spent == 90
    assert (await ledger.verify()).charged == 90


async def test_an_open_hold_keeps_it(harness: Harness) -> None:
    """Also one that a day before the current one holds."""
    ledger = harness.ledger
    template = line("tenant:dev/agent:*/run:*", 100, period=Period.DAY, idle_ttl_ms=HOUR_MS)
    await declare(ledger, template)
    reservation_id = await hold(ledger, 30, run="1")
    await ledger.mark_uncertain(reservation_id)
    harness.advance_ms(10 * MINUTE_MS)
    await spend(ledger, 5, run="2")
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    swept = await ledger.expire(limit=100)
    assert swept.committed == (reservation_id,)
    assert [name.scope for name in swept.retired] == [run_of(BOT, "2")]


async def test_what_it_owes_keeps_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(
        ledger,
        line("tenant:dev/agent:*", 100, idle_ttl_ms=HOUR_MS),
        line("tenant:dev/agent:*", 900, unit=TOKENS, overdraft_limit=50, idle_ttl_ms=HOUR_MS),
    )
    await spend(ledger, 130, held=100)
    grant = await ledger.reserve(
        ask({TOKENS: 900}, agent="cli", overage=Overage.ALLOW_WITH_OVERDRAFT)
    )
    await commit(ledger, grant.reservation_id, {TOKENS: 930})
    harness.advance_ms(DAY_MS)
    assert await retired(ledger) == []
    await fund(ledger, BOT, 30)
    await fund(ledger, CLI, 30, unit=TOKENS)
    harness.advance_ms(HOUR_MS + 1)
    assert await retired(ledger) == [BOT, CLI]


@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_what_an_operator_stopped_stays_stopped(
    harness: Harness, status: BudgetStatus
) -> None:
    """Else a frozen agent could spend again after an hour of silence."""
    ledger = harness.ledger
    await declare(ledger, line("tenant:dev/agent:*", 100, idle_ttl_ms=HOUR_MS))
    await ledger.set_status(BOT, None, status, actor="ops")
    harness.advance_ms(DAY_MS)
    assert await retired(ledger) == []
    with pytest.raises(BudgetRefused):
        await hold(ledger, 1)
    await ledger.set_status(BOT, None, BudgetStatus.ACTIVE, actor="ops")
    assert await retired(ledger) == [BOT]


async def test_only_what_a_template_made_goes(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(
        ledger,
        line(BOT, 100, idle_ttl_ms=HOUR_MS),
        line("tenant:dev/agent:*", 100, idle_ttl_ms=HOUR_MS),
        line("tenant:dev/run:*", 100),
    )
    for agent in ("bot", "cli"):
        await spend(ledger, 1, agent=agent, run="1")
    harness.advance_ms(DAY_MS)
    assert await retired(ledger) == [CLI]
    assert [b.scope for b in await ledger.all_balances()] == [BOT, run_of(DEV, "1")]


async def test_a_template_that_is_gone_retires_nothing(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, RUNS)
    await spend(ledger, 30, run="1")
    await declare(ledger, ELSEWHERE)
    harness.advance_ms(DAY_MS)
    assert await retired(ledger) == []
    await declare(ledger, line("tenant:dev/agent:*/run:*", 100, idle_ttl_ms=2 * DAY_MS))
    harness.advance_ms(2 * DAY_MS)
    assert await retired(ledger) == []
    harness.advance_ms(1)
    assert await retired(ledger) == [RUN]


async def test_the_place_of_what_went_is_free(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, RUNS, templates_max=1)
    await spend(ledger, 1, run="1")
    with pytest.raises(Refused) as refusal:
        await spend(ledger, 1, run="2")
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    harness.advance_ms(HOUR_MS + 1)
    await retired(ledger)
    await spend(ledger, 1, run="2")
    with pytest.raises(Refused):
        await spend(ledger, 1, run="1")


async def test_a_sweep_retires_no_more_than_it_may_and_the_longest_idle_first(
    harness: Harness,
) -> None:
    ledger = harness.ledger
    await declare(ledger, RUNS)
    for run in ("c", "a", "b"):
        await spend(ledger, 1, run=run)
        harness.advance_ms(1)
    await hold(ledger, 1, run="d", dispatched=False)
    harness.advance_ms(HOUR_MS)
    swept = await ledger.expire(limit=3)
    assert len(swept.released) == 1
    assert [name.scope for name in swept.retired] == [run_of(BOT, "c"), run_of(BOT, "a")]
    assert await retired(ledger, limit=3) == [run_of(BOT, "b")]


async def test_those_go_first_whose_time_was_up_first(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(
        ledger,
        line("tenant:dev/agent:*", 100, idle_ttl_ms=2 * HOUR_MS),
        line("tenant:dev/run:*", 100, idle_ttl_ms=HOUR_MS),
    )
    await hold(ledger, 0)
    harness.advance_ms(MINUTE_MS)
    await hold(ledger, 0, agent=None, run="1")
    harness.advance_ms(DAY_MS)
    assert await retired(ledger, limit=1) == [run_of(DEV, "1")]
    assert await retired(ledger, limit=1) == [BOT]


async def test_a_hold_of_nothing_keeps_nothing_and_ends_as_any(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 500), RUNS)
    grant = await ledger.reserve(ask(0, run="1", ttl_ms=DAY_MS))
    harness.advance_ms(HOUR_MS + 1)
    assert await retired(ledger) == [RUN]
    grown = await grow(ledger, grant.reservation_id, 200)
    assert [(b.scope, b.reserved) for b in grown.balances] == [(DEV, 200)]
    settled = await commit(ledger, grant.reservation_id, 150)
    assert [(b.scope, b.spent) for b in settled.balances] == [(DEV, 150)]
    assert (await ledger.verify()).differences == ()


async def test_a_cost_that_turns_up_after_it_went_is_charged_above_it(harness: Harness) -> None:
    """It limits nothing any more, and nothing of it is owed."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 500), RUNS)
    reservation_id = await hold(ledger, 90, run="1")
    await ledger.release(reservation_id, key="give up", actor="ops")
    harness.advance_ms(HOUR_MS + 1)
    assert await retired(ledger) == [RUN]
    late = await charge_late(ledger, reservation_id, 120)
    assert (late.charged, late.uncovered) == (usd(120), usd(0))
    assert [balance.scope for balance in late.balances] == [DEV]
    assert (await balance_of(ledger, DEV)).spent == 120
    await hold(ledger, 100, run="1")
    assert (await ledger.verify()).differences == ()


async def test_the_first_answer_survives_the_budgets_it_names(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 500), RUNS)
    reservation_id = await hold(ledger, 90, run="1")
    settled = await commit(ledger, reservation_id, 50)
    harness.advance_ms(HOUR_MS + 1)
    await retired(ledger)
    await hold(ledger, 100, run="1")
    assert await commit(ledger, reservation_id, 50) == settled


async def test_a_rolling_budget_that_went_comes_back_empty(harness: Harness) -> None:
    ledger = harness.ledger
    rolling = Period(Step.ROLLING, rolling_ms=DAY_MS)
    template = line("tenant:dev/agent:*/run:*", 100, period=rolling, idle_ttl_ms=HOUR_MS)
    await declare(ledger, template)
    await spend(ledger, 90, run="1")
    harness.advance_ms(HOUR_MS + 1)
    assert await retired(ledger) == [RUN]
    await spend(ledger, 100, run="1")
    assert (await ledger.verify()).differences == ()
