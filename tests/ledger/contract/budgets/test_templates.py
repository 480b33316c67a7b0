"""Budgets that are made for whoever comes: by templates over any levels, and for each run."""

import asyncio

import pytest

from proxy.domain.errors import BudgetRefused, Reason, Refused
from proxy.domain.period import Period
from proxy.domain.subject import Subject
from proxy.ledger.records import BudgetStatus, Grant
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    ELSEWHERE,
    TOKENS,
    USD,
    ask,
    balance_of,
    declare,
    fund,
    hold,
    line,
    run_of,
    spend,
    usd,
)
from tests.ledger.harness import Home

DAY, LIFETIME = Period.DAY, Period.LIFETIME


async def test_a_template_makes_a_budget_for_the_call_that_needs_it(ledger: Home) -> None:
    """LiteLLM #40095: the first burst of an unknown agent must not bypass its budget."""
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30))
    assert [balance.scope for balance in await ledger.all_balances()] == [DEV]
    grant = await ledger.reserve(ask(20))
    assert [(b.scope, b.remaining) for b in grant.balances] == [(DEV, 80), (BOT, 10)]
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(20))
    assert refusal.value.shortage.scope == BOT
    assert (await ledger.reserve(ask(30, agent="cli"))).amounts == usd(30)


async def test_a_refused_call_makes_no_budget(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(31))
    assert refusal.value.shortage.scope == BOT
    assert [balance.scope for balance in await ledger.all_balances()] == [DEV]


async def test_a_look_shows_what_a_template_would_make(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30))
    tenant, agent = await ledger.balances([DEV, BOT], USD)
    assert (tenant.scope, agent.scope, agent.remaining) == (DEV, BOT, 30)
    assert len(await ledger.all_balances()) == 1


async def test_a_template_matches_its_own_depth_only(ledger: Home) -> None:
    await declare(ledger, line("tenant:*", 100), line("tenant:dev/agent:*", 30))
    grant = await ledger.reserve(ask(1, agent=None))
    assert [balance.scope for balance in grant.balances] == [DEV]


async def test_an_exact_line_wins_over_a_template_of_its_period(ledger: Home) -> None:
    await declare(
        ledger,
        line("tenant:dev/agent:*", 30),
        line(BOT, 50),
        line("tenant:dev/agent:*", 20, period=DAY),
    )
    grant = await ledger.reserve(ask(5))
    assert [(b.period, b.allocated) for b in grant.balances] == [(LIFETIME, 50), (DAY, 20)]


async def test_templates_make_no_more_than_they_may(ledger: Home) -> None:
    """The next is refused, not let through."""
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30), templates_max=1)
    await hold(ledger, 1)
    with pytest.raises(Refused, match="templates_max is 1") as refusal:
        await hold(ledger, 1, agent="cli")
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    assert (await balance_of(ledger, DEV)).reserved == 1
    await hold(ledger, 1)
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30), templates_max=2)
    await hold(ledger, 1, agent="cli")


async def test_an_agent_of_its_own_line_is_not_counted(ledger: Home) -> None:
    template = line("tenant:dev/agent:*", 30)
    await declare(ledger, template, templates_max=1)
    await hold(ledger, 1)
    await declare(ledger, template, line(BOT, 30), templates_max=1)
    await hold(ledger, 1, agent="cli")


async def test_a_money_refusal_comes_before_the_limit_of_templates(ledger: Home) -> None:
    await declare(ledger, line(DEV, 5), line("tenant:dev/agent:*", 30), templates_max=0)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(6))
    with pytest.raises(Refused) as refusal:
        await ledger.reserve(ask(5))
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT


async def test_a_template_that_changes_moves_every_budget_it_made(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 30))
    await hold(ledger, 10)
    await hold(ledger, 10, agent="cli")
    await declare(ledger, line("tenant:dev/agent:*", 25), line(CLI, 40))
    assert (await balance_of(ledger, BOT)).remaining == 15
    assert (await balance_of(ledger, CLI)).remaining == 30


async def test_a_burst_of_an_unknown_agent_finds_one_budget(ledger: Home) -> None:
    """LiteLLM #40095: all of the burst asks at once."""
    await declare(ledger, line("tenant:dev/agent:*", 30))
    asked = [ledger.reserve(ask(10)) for _ in range(50)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Grant) for answer in answers) == 3
    assert sum(isinstance(answer, BudgetRefused) for answer in answers) == 47
    assert (await balance_of(ledger, BOT)).remaining == 0
    assert (await ledger.verify()).differences == ()


# Over any levels


async def test_a_template_over_any_levels_meets_the_agent_wherever_it_works(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/**/agent:*", 30))
    deep = Subject(tenant="dev", workspace="w", app="a", agent="bot", toolset="t")
    grant = await ledger.reserve(ask(5, subject=deep))
    assert [balance.scope for balance in grant.balances] == [
        "tenant:dev/workspace:w/app:a/agent:bot"
    ]
    grant = await ledger.reserve(ask(5))
    assert [(b.scope, b.remaining) for b in grant.balances] == [(BOT, 25)]


async def test_a_wildcard_stands_for_any_value_of_any_level(ledger: Home) -> None:
    await declare(ledger, line("tenant:*/agent:bot", 30), line("tenant:*", 50))
    grant = await ledger.reserve(ask(5, subject=Subject(tenant="new", agent="bot")))
    assert [b.scope for b in grant.balances] == ["tenant:new", "tenant:new/agent:bot"]
    grant = await ledger.reserve(ask(5, subject=Subject(tenant="new", agent="cli")))
    assert [b.scope for b in grant.balances] == ["tenant:new"]


@pytest.mark.parametrize("in_file_order", [1, -1])
async def test_of_two_templates_the_more_specific_one_governs(
    ledger: Home, in_file_order: int
) -> None:
    lines = [line("tenant:dev/**/agent:*", 10), line("tenant:dev/agent:*", 30)]
    await declare(ledger, *lines[::in_file_order])
    assert (await ledger.reserve(ask(20))).balances[0].allocated == 30
    deep = Subject(tenant="dev", app="a", agent="bot")
    assert (await ledger.reserve(ask(5, subject=deep))).balances[0].allocated == 10


async def test_a_budget_follows_the_template_that_comes_to_govern_it(ledger: Home) -> None:
    wide, narrow = line("tenant:dev/**/agent:*", 10), line("tenant:dev/agent:*", 30)
    await declare(ledger, wide)
    await spend(ledger, 8)
    await declare(ledger, wide, narrow)
    assert (await balance_of(ledger, BOT)).remaining == 22
    await declare(ledger, wide)
    assert (await balance_of(ledger, BOT)).remaining == 2
    await declare(ledger, ELSEWHERE)
    assert (await balance_of(ledger, BOT)).declared is False


async def test_templates_of_other_periods_and_units_make_budgets_beside_each_other(
    ledger: Home,
) -> None:
    await declare(
        ledger,
        line("tenant:dev/agent:*", 30),
        line("tenant:dev/**/agent:*", 20, period=DAY),
        line("tenant:dev/agent:*", 500, unit=TOKENS),
    )
    grant = await ledger.reserve(ask({USD: 5, TOKENS: 400}))
    assert [(b.unit, b.period, b.allocated) for b in grant.balances] == [
        (USD, LIFETIME, 30),
        (USD, DAY, 20),
        (TOKENS, LIFETIME, 500),
    ]


# Runs


async def test_each_run_has_a_budget_of_its_own(ledger: Home) -> None:
    """Vigil #593, Portkey #1169: a ceiling per run, without a key for each."""
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*/run:*", 30))
    grant = await ledger.reserve(ask(20, run="1"))
    assert [(b.scope, b.remaining) for b in grant.balances] == [
        (DEV, 80),
        (run_of(BOT, "1"), 10),
    ]
    assert grant.affected_scopes == (DEV, BOT), "a run is nothing of the protocol's"
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(20, run="1"))
    assert refusal.value.shortage.scope == run_of(BOT, "1")
    assert (await ledger.reserve(ask(30, run="2"))).amounts == usd(30)
    assert [b.scope for b in (await ledger.reserve(ask(50))).balances] == [DEV]


async def test_a_run_is_named_in_one_way_whatever_its_name(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/run:*", 30))
    await spend(ledger, 20, run="Nightly Build #7")
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(20, run="Nightly Build #7"))
    assert (await ledger.reserve(ask(20, run="nightly build #7"))).amounts == usd(20)
    assert len(await ledger.all_balances()) == 2


async def test_a_run_comes_right_after_its_scope(ledger: Home) -> None:
    await declare(
        ledger,
        line(DEV, 100),
        line("tenant:dev/run:*", 100),
        line(BOT, 100),
        line("tenant:dev/agent:*/run:*", 100),
    )
    grant = await ledger.reserve(ask(1, run="1"))
    in_order = [DEV, run_of(DEV, "1"), BOT, run_of(BOT, "1")]
    assert [balance.scope for balance in grant.balances] == in_order
    assert [b.scope for b in await ledger.balances(in_order, USD)] == in_order


async def test_parallel_turns_of_one_run_stay_within_it(ledger: Home) -> None:
    """LiteLLM #34732: N parallel turns all passed the check of their session."""
    await declare(ledger, line(DEV, 10_000), line("tenant:dev/agent:*/run:*", 100))
    asked = [ledger.reserve(ask(7, run="1")) for _ in range(50)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Grant) for answer in answers) == 14
    assert (await balance_of(ledger, run_of(BOT, "1"))).remaining == 2
    assert (await balance_of(ledger, DEV)).reserved == 98


async def test_one_run_can_have_a_line_of_its_own(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/run:*", 30), line("tenant:dev/run:big", 500))
    assert (await ledger.reserve(ask(400, run="big"))).amounts == usd(400)
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(31, run="small"))


async def test_runs_count_among_the_budgets_that_templates_make(ledger: Home) -> None:
    await declare(
        ledger, line("tenant:dev/run:*", 30), line("tenant:dev/agent:*/run:*", 30), templates_max=3
    )
    await hold(ledger, 1, run="1")
    with pytest.raises(Refused) as refusal:
        await hold(ledger, 1, run="2")
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    await hold(ledger, 1, run="2", agent=None)


# What operators find


async def test_an_operator_may_fund_or_stop_a_budget_before_its_first_call(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 30))
    assert (await fund(ledger, BOT, 5)).allocated == 35
    (stopped,) = await ledger.set_status(CLI, None, BudgetStatus.FROZEN, actor="ops")
    assert (stopped.scope, stopped.allocated) == (CLI, 30)
    with pytest.raises(BudgetRefused) as frozen:
        await hold(ledger, 1, agent="cli")
    assert frozen.value.reason is Reason.BUDGET_FROZEN
    assert [balance.scope for balance in await ledger.all_balances()] == [BOT, CLI]


async def test_operators_make_no_more_budgets_than_calls_may(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 30), templates_max=1)
    await fund(ledger, BOT, 5)
    with pytest.raises(Refused) as refusal:
        await fund(ledger, CLI, 5)
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    with pytest.raises(Refused) as refusal:
        await ledger.set_status(CLI, None, BudgetStatus.FROZEN, actor="ops")
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    assert [balance.scope for balance in await ledger.all_balances()] == [BOT]
