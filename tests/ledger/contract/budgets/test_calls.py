"""Budgets that count calls: the steps of a run, how fast they come, and the counts of policies."""

import pytest

from proxy.domain.errors import BudgetRefused, Reason, UnitMismatch
from proxy.domain.money import Unit
from proxy.domain.period import Period, Step
from proxy.domain.scope import ScopePattern, derive, steps_patterns, steps_scope
from proxy.domain.subject import RUN, STEPS, Subject
from proxy.ledger.records import BudgetLine
from tests.ledger.builders import BOT, DEV, USD, ask, commit, declare, hold, line, subject_of
from tests.ledger.harness import SECOND_MS, Harness, Home

CALLS = Unit.CALLS
ONE_CALL = {USD: 1, CALLS: 1}
COOLDOWN_MS = 10 * SECOND_MS
ROLLING = Period(Step.ROLLING, rolling_ms=COOLDOWN_MS)
PER_RUN, PER_DAY = steps_patterns("thrift-80")


def steps(pattern: ScopePattern, calls: int, period: Period = Period.LIFETIME) -> BudgetLine:
    return BudgetLine(pattern, CALLS, period, allocated=calls, idle_ttl_ms=3_600_000)


def paced(run: str | None, agent: str = "bot") -> Subject:
    """Who calls while the policy `thrift-80` decides for the whole tenant."""
    levels = derive(subject_of(agent, run))
    scopes = levels if run is None else (*levels, *(type(s)(f"{s}/{RUN}:{run}") for s in levels))
    counted = steps_scope(scopes, ScopePattern("tenant:dev/*"), "thrift-80")
    dimensions = {} if run is None else {RUN: run}
    return Subject(tenant="dev", agent=agent, dimensions={**dimensions, STEPS: counted})


async def refusal(ledger: Home, subject: Subject | None = None) -> BudgetRefused:
    with pytest.raises(BudgetRefused) as refused:
        await ledger.reserve(ask(ONE_CALL, subject=subject))
    return refused.value


async def test_a_run_makes_as_many_calls_as_it_has_steps(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line("tenant:dev/run:*", 2, unit=CALLS))
    for _ in range(2):
        await ledger.reserve(ask(ONE_CALL, run="7"))

    refused = await refusal(ledger, subject_of(run="7"))

    assert refused.reason is Reason.STEPS_EXHAUSTED
    assert refused.shortage.unit is CALLS
    assert refused.retry_after_ms is None
    await ledger.reserve(ask(ONE_CALL, run="8"))


async def test_a_step_in_flight_is_no_reason_to_wait(harness: Harness) -> None:
    """A call that ends well gives no step back, so nobody is told that it is merely busy."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(BOT, 1, unit=CALLS))
    await ledger.reserve(ask(ONE_CALL))

    assert (await refusal(ledger)).reason is Reason.STEPS_EXHAUSTED


async def test_a_call_that_was_given_back_is_no_step(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(BOT, 1, unit=CALLS))
    grant = await ledger.reserve(ask(ONE_CALL))
    await ledger.release(grant.reservation_id, key="gone")

    assert (await ledger.reserve(ask(ONE_CALL))).amounts[CALLS] == 1


async def test_calls_come_no_faster_than_a_rolling_count_lets_them(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(BOT, 1, unit=CALLS, period=ROLLING))
    grant = await ledger.reserve(ask(ONE_CALL))
    during = await refusal(ledger)
    await commit(ledger, grant.reservation_id, ONE_CALL)
    harness.advance_ms(COOLDOWN_MS - 1)
    after = await refusal(ledger)
    harness.advance_ms(SECOND_MS)

    assert (await ledger.reserve(ask(ONE_CALL))).amounts[CALLS] == 1
    assert {during.reason, after.reason} == {Reason.COOLDOWN}
    assert after.retry_after_ms == COOLDOWN_MS


async def test_a_count_of_calls_pays_for_none(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, unit=CALLS))

    with pytest.raises(UnitMismatch):
        await ledger.reserve(ask(ONE_CALL))
    assert (await ledger.reserve(ask({USD: 0, CALLS: 1}, free={USD}))).amounts[CALLS] == 1


async def test_the_calls_of_a_run_are_counted_together_whoever_makes_them(
    harness: Harness,
) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), steps(PER_RUN, 2), steps(PER_DAY, 1, Period.DAY))
    await ledger.reserve(ask(ONE_CALL, subject=paced("7")))
    await ledger.reserve(ask(ONE_CALL, subject=paced("7", agent="cli")))

    refused = await refusal(ledger, paced("7"))

    assert refused.reason is Reason.STEPS_EXHAUSTED
    assert refused.shortage.scope == "tenant:dev/run:7/steps:thrift-80-run"
    await ledger.reserve(ask(ONE_CALL, subject=paced("8")))


async def test_without_a_run_each_caller_has_a_count_of_its_own(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), steps(PER_RUN, 2), steps(PER_DAY, 1, Period.DAY))
    await ledger.reserve(ask(ONE_CALL, subject=paced(None)))

    refused = await refusal(ledger, paced(None))

    assert refused.shortage.scope == "tenant:dev/agent:bot/steps:thrift-80-day"
    await ledger.reserve(ask(ONE_CALL, subject=paced(None, agent="cli")))


async def test_a_count_is_made_by_its_policy_alone(harness: Harness) -> None:
    """Calls about which another band decides are counted by no one."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), steps(PER_RUN, 1))
    for _ in range(3):
        await hold(ledger, 1)

    assert {balance.scope for balance in await ledger.all_balances()} == {DEV}
