"""Windows, templates and what configuration declares."""

import pytest

from proxy.domain.errors import AmountOutOfRange, BudgetRefused, Reason, Refused
from proxy.domain.period import Period
from proxy.domain.reservation import Overage
from proxy.domain.scope import ScopePattern
from proxy.ledger.journal import Kind
from proxy.ledger.protocol import BudgetLine, BudgetStatus
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
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
from tests.ledger.harness import DAY_MS, HOUR_MS, NOON_MS, Harness, Home

DAY, MONTH, LIFETIME = Period.DAY, Period.MONTH, Period.LIFETIME
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


# Templates


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


# Declared values


async def test_declaring_again_changes_nothing(harness: Harness) -> None:
    lines = [line(DEV, 100, period=DAY), line("tenant:dev/agent:*", 30)]
    await declare(harness.ledger, *lines)
    await spend(harness.ledger, 10)
    await fund(harness.ledger, DEV, 5, period=DAY)
    before = await harness.ledger.all_balances()
    entries = await harness.ledger.journal("dev", after_seq=0, limit=100)
    await harness.restart()
    await declare(harness.ledger, *lines)
    assert await harness.ledger.all_balances() == before
    assert await harness.ledger.journal("dev", after_seq=0, limit=100) == entries


@pytest.mark.parametrize(("new", "remaining"), [(150, 145), (60, 55), (100, 95), (0, -5)])
async def test_only_the_difference_moves_the_allocation(
    ledger: Home, new: int, remaining: int
) -> None:
    """Funds made by hand survive, and a budget lowered below its spend is negative."""
    await declare(ledger, line(DEV, 100))
    await spend(ledger, 10)
    await fund(ledger, DEV, 5)
    await declare(ledger, line(DEV, new))
    assert (await balance_of(ledger, DEV)).remaining == remaining


async def test_nothing_is_admitted_below_zero(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await spend(ledger, 50)
    await declare(ledger, line(DEV, 40))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.shortage.remaining == -10


async def test_what_operators_set_survives_until_its_line_changes(ledger: Home) -> None:
    frozen, active = BudgetStatus.FROZEN, BudgetStatus.ACTIVE
    await declare(ledger, line(DEV, 100, overdraft_limit=5))
    await ledger.set_status(DEV, USD, frozen, actor="ops")
    await declare(ledger, line(DEV, 120, overdraft_limit=6))
    balance = await balance_of(ledger, DEV)
    assert (balance.status, balance.overdraft_limit, balance.allocated) == (frozen, 6, 120)
    await declare(ledger, line(DEV, 120, overdraft_limit=6, status=BudgetStatus.CLOSED))
    assert (await balance_of(ledger, DEV)).status is BudgetStatus.CLOSED
    await declare(ledger, line(DEV, 120, overdraft_limit=6, status=active))
    assert (await balance_of(ledger, DEV)).status is active


async def test_a_line_that_is_gone_leaves_its_budget_undeclared(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30))
    await spend(ledger, 10)
    await declare(ledger)
    balances = await ledger.all_balances()
    assert [(b.scope, b.declared, b.remaining) for b in balances] == [
        (DEV, False, 90),
        (BOT, False, 20),
    ]
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(21))
    assert [b.scope for b in (await ledger.reserve(ask(1, agent="cli"))).balances] == [DEV]
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30))
    assert all(balance.declared for balance in await ledger.all_balances())
    assert (await balance_of(ledger, DEV)).allocated == 100, "it was never taken away"


async def test_a_new_window_starts_from_the_line_not_from_the_funds(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=DAY))
    await fund(ledger, DEV, 50, period=DAY)
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV)).allocated == 100
    await declare(ledger, line(DEV, 70, period=DAY))
    assert (await balance_of(ledger, DEV)).allocated == 70
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV)).allocated == 70


async def test_two_lines_for_one_budget_are_a_mistake(ledger: Home) -> None:
    with pytest.raises(ValueError, match="twice"):
        await declare(ledger, line(DEV, 100), line(DEV, 200))
    assert await ledger.all_balances() == ()


async def test_a_budget_of_a_whole_subtree_is_a_mistake(ledger: Home) -> None:
    subtree = BudgetLine(ScopePattern("tenant:dev/*"), USD, LIFETIME, 100)
    with pytest.raises(ValueError, match="policies"):
        await declare(ledger, subtree)


async def test_a_declared_amount_is_an_amount(ledger: Home) -> None:
    with pytest.raises(AmountOutOfRange):
        await declare(ledger, line(DEV, -1))


async def test_a_configuration_that_fails_changes_nothing(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await fund(ledger, DEV, 2**63 - 101)
    before = await ledger.all_balances()
    with pytest.raises(AmountOutOfRange):
        await declare(ledger, line("tenant:dev/agent:*", 5), line(BOT, 7), line(DEV, 101))
    assert await ledger.all_balances() == before
    assert len(await ledger.balances([DEV, CLI], USD)) == 1, "its template is not there either"
