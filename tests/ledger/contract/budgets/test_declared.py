"""What configuration declares, and what operators did meanwhile."""

import pytest

from proxy.domain.errors import AmountOutOfRange, BudgetRefused
from proxy.domain.period import Period
from proxy.domain.scope import ScopePattern
from proxy.ledger.journal import Kind
from proxy.ledger.records import BudgetLine, BudgetStatus, Declared
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    ELSEWHERE,
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

DAY, LIFETIME = Period.DAY, Period.LIFETIME


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


async def test_taking_from_a_budget_in_use_ends_no_call(ledger: Home) -> None:
    """Foundry-security-spec #45: what a reload means for the calls that are running."""
    await declare(ledger, line(DEV, 100))
    first, second = await hold(ledger, 50), await hold(ledger, 30)
    await declare(ledger, line(DEV, 40))
    assert (await balance_of(ledger, DEV)).remaining == -40
    with pytest.raises(BudgetRefused):
        await grow(ledger, first, 1)
    settled = await commit(ledger, first, 50)
    assert (settled.charged, settled.uncovered) == (usd(50), usd(0))
    assert (await commit(ledger, second, 35)).uncovered == usd(5), "only what it had held"
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(0))


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
    await declare(ledger, ELSEWHERE)
    balances = await ledger.balances([DEV, BOT], USD)
    assert [(b.scope, b.declared, b.remaining) for b in balances] == [
        (DEV, False, 90),
        (BOT, False, 20),
    ]
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(21))
    assert [b.scope for b in (await ledger.reserve(ask(1, agent="cli"))).balances] == [DEV]
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 30))
    assert all(balance.declared for balance in await ledger.balances([DEV, BOT, CLI], USD))
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


# Versions


async def test_an_older_configuration_is_ignored(harness: Harness) -> None:
    """A sidecar that was not updated yet must not take back what a newer one declared."""
    ledger = harness.ledger
    new, old = line(DEV, 200), line(DEV, 100)
    assert await ledger.declare([new], templates_max=1, version=3) == Declared(3, False)
    entries = await ledger.journal("dev", after_seq=0, limit=100)
    for _ in range(2):
        ignored = await ledger.declare([old, line(BOT, 1)], templates_max=9, version=2)
        assert ignored == Declared(3, True)
    assert [balance.allocated for balance in await ledger.all_balances()] == [200]
    assert await ledger.journal("dev", after_seq=0, limit=100) == entries
    await harness.restart()
    assert (await harness.ledger.declare([old], templates_max=1, version=2)).is_ignored


async def test_a_configuration_of_the_same_version_is_followed(ledger: Home) -> None:
    await declare(ledger, line(DEV, 200), version=3)
    assert await ledger.declare([line(DEV, 100)], templates_max=1, version=3) == Declared(3, False)
    assert (await balance_of(ledger, DEV)).allocated == 100
    assert await ledger.declare([line(DEV, 70)], templates_max=1, version=7) == Declared(7, False)
    assert (await ledger.declare([line(DEV, 9)], templates_max=1, version=3)).is_ignored


async def test_sidecars_of_two_versions_do_not_take_turns(ledger: Home) -> None:
    """Bifrost #3547, LiteLLM #30460: every restart moved the counter again."""
    for _ in range(3):
        await declare(ledger, line(DEV, 100), version=1)
        await declare(ledger, line(DEV, 150), version=2)
    await fund(ledger, DEV, 5)
    await declare(ledger, line(DEV, 100), version=1)
    assert (await balance_of(ledger, DEV)).allocated == 155
    kinds = [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=100)]
    assert kinds == [Kind.OPEN, Kind.DECLARE, Kind.FUND]


async def test_a_template_that_is_ignored_makes_nothing(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), version=2)
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 5), version=1)
    assert [b.scope for b in (await ledger.reserve(ask(50))).balances] == [DEV]


async def test_a_rollover_follows_its_line(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100, period=DAY))
    entries = len(await ledger.journal("dev", after_seq=0, limit=100))
    await declare(ledger, line(DEV, 100, period=DAY, rollover_max=50))
    *_, entry = await ledger.journal("dev", after_seq=0, limit=100)
    assert (entry.kind, entry.seq) == (Kind.DECLARE, entries + 1)
    assert (await balance_of(ledger, DEV)).allocated == 100


@pytest.mark.parametrize(
    "wrong", [line(DEV, 1, overdraft_limit=-1), line(DEV, 1, rollover_max=2**63)]
)
async def test_every_declared_amount_is_an_amount(ledger: Home, wrong: BudgetLine) -> None:
    with pytest.raises(AmountOutOfRange):
        await declare(ledger, wrong)
