"""Purses: a budget that is made when it is funded, and holds instead of those that filled it.

Rules: docs/decisions/sub-budgets.md.
"""

import pytest

from proxy.domain.errors import BudgetRefused, Reason, Refused
from proxy.domain.period import Period
from proxy.domain.scope import Scope, budget_scopes, purse_of
from proxy.domain.sub_budget import CARVE_PREFIX
from proxy.domain.subject import PURSE, RUN, Subject
from proxy.ledger.records import BudgetStatus
from tests.ledger.builders import (
    BOT,
    DEV,
    TEMPLATES_MAX,
    TOKENS,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    event,
    fund,
    line,
    run_of,
    usd,
)
from tests.ledger.harness import Home

PARENT = Subject(tenant="dev")
PURSE_OF_ONE = purse_of(PARENT, "rsv_1")


def child(
    agent: str | None = "bot", run: str | None = None, purse: Scope = PURSE_OF_ONE
) -> Subject:
    """Who spends from a purse."""
    dimensions: dict[str, str] = {PURSE: purse}
    return Subject(
        tenant="dev", agent=agent, dimensions=dimensions | ({RUN: run} if run is not None else {})
    )


async def test_a_purse_is_made_when_it_is_funded_and_once_for_each_key(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev", 100))
    made = await fund(ledger, PURSE_OF_ONE, 40, key="carve")
    again = await fund(ledger, PURSE_OF_ONE, 40, key="carve")
    assert made == again == await balance_of(ledger, PURSE_OF_ONE)
    assert (made.allocated, made.remaining, made.status) == (40, 40, BudgetStatus.ACTIVE)
    assert (await ledger.verify()).differences == ()


async def test_only_purses_are_made_so_and_only_for_their_lifetime(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev", 100))
    for scope, period in (
        (BOT, Period.LIFETIME),
        (PURSE_OF_ONE, Period.DAY),
        (Scope("purse:rsv_1"), Period.LIFETIME),
        (Scope(f"{PURSE_OF_ONE}/agent:bot"), Period.LIFETIME),
    ):
        with pytest.raises(Refused) as refused:
            await fund(ledger, scope, 1, period=period)
        assert refused.value.reason is Reason.BUDGET_NOT_FOUND
    assert [balance.scope for balance in await ledger.all_balances()] == [DEV]


async def test_a_purse_takes_no_place_of_templates(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 10), templates_max=1)
    await fund(ledger, PURSE_OF_ONE, 5)
    await ledger.reserve(ask(1))
    await fund(ledger, purse_of(PARENT, "rsv_2"), 5)
    assert len(await ledger.all_balances()) == 3


async def test_a_child_is_held_by_its_purse_and_by_what_is_below_it(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev", 100), line("tenant:dev/agent:bot", 30))
    await ledger.reserve(ask(40, subject=PARENT))
    await fund(ledger, PURSE_OF_ONE, 40)
    grant = await ledger.reserve(ask(25, subject=child()))
    assert [balance.scope for balance in grant.balances] == [PURSE_OF_ONE, BOT]
    assert grant.affected_scopes == (DEV, BOT)
    assert (await balance_of(ledger, DEV)).reserved == 40
    with pytest.raises(BudgetRefused) as below:
        await ledger.reserve(ask(6, subject=child()))
    assert below.value.shortage.scope == BOT
    with pytest.raises(BudgetRefused) as spent:
        await ledger.reserve(ask(16, subject=child(agent="cli")))
    assert spent.value.shortage.scope == PURSE_OF_ONE
    await commit(ledger, grant.reservation_id, 20)
    assert (await balance_of(ledger, PURSE_OF_ONE)).spent == 20
    assert (await balance_of(ledger, BOT)).spent == 20
    assert (await balance_of(ledger, DEV)).spent == 0
    assert (await balance_of(ledger, DEV)).reserved == 40
    assert (await ledger.verify()).differences == ()


async def test_a_call_in_units_that_the_purse_does_not_count_is_held_in_the_others(
    ledger: Home,
) -> None:
    await declare(ledger, line("tenant:dev", 100))
    await fund(ledger, PURSE_OF_ONE, 40)
    grant = await ledger.reserve(ask({USD: 5, TOKENS: 900}, subject=child()))
    assert [(b.unit, b.reserved) for b in grant.balances] == [(USD, 5)]


async def test_a_purse_that_is_frozen_or_gone_holds_nothing_new_and_is_charged_what_was_held(
    ledger: Home,
) -> None:
    await declare(ledger, line("tenant:dev", 100))
    with pytest.raises(Refused) as missing:
        await ledger.reserve(ask(1, subject=child(agent=None)))
    assert missing.value.reason is Reason.BUDGET_NOT_FOUND
    await fund(ledger, PURSE_OF_ONE, 40)
    held = await ledger.reserve(ask(10, subject=child()))
    await ledger.set_status(PURSE_OF_ONE, None, BudgetStatus.FROZEN, actor="ops")
    with pytest.raises(BudgetRefused) as frozen:
        await ledger.reserve(ask(1, subject=child()))
    assert frozen.value.reason is Reason.BUDGET_FROZEN
    await commit(ledger, held.reservation_id, 7)
    purse = await balance_of(ledger, PURSE_OF_ONE)
    assert (purse.spent, purse.reserved) == (7, 0)


async def test_events_of_a_child_are_charged_to_its_purse(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev", 100))
    await fund(ledger, PURSE_OF_ONE, 40)
    applied = await ledger.apply(event(15, subject=child()))
    assert applied.settlement.charged == usd(15)
    assert (await balance_of(ledger, PURSE_OF_ONE)).spent == 15
    assert (await balance_of(ledger, DEV)).spent == 0


async def test_a_run_that_the_carve_did_not_hold_in_keeps_its_budgets(ledger: Home) -> None:
    await declare(
        ledger, line("tenant:dev", 100), line("tenant:dev/run:*", 20), templates_max=TEMPLATES_MAX
    )
    await fund(ledger, PURSE_OF_ONE, 40)
    with pytest.raises(BudgetRefused) as refused:
        await ledger.reserve(ask(21, subject=child(run="7")))
    assert refused.value.shortage.scope == run_of(DEV, "7")
    in_the_run = purse_of(Subject(tenant="dev", dimensions={RUN: "7"}), "rsv_2")
    await fund(ledger, in_the_run, 40)
    grant = await ledger.reserve(ask(21, subject=child(run="7", purse=in_the_run)))
    assert [balance.scope for balance in grant.balances] == [in_the_run]


async def test_a_purse_outlives_a_new_configuration_and_counts_when_rows_are_added_up(
    ledger: Home,
) -> None:
    await declare(ledger, line("tenant:dev", 100))
    await fund(ledger, PURSE_OF_ONE, 40)
    grant = await ledger.reserve(ask(9, subject=child()))
    await declare(ledger, line("tenant:dev", 90))
    await declare(ledger, line("tenant:dev", 90))
    await commit(ledger, grant.reservation_id, 9)
    purse = await balance_of(ledger, PURSE_OF_ONE)
    assert (purse.allocated, purse.spent, purse.remaining) == (40, 9, 31)
    assert (await ledger.verify()).differences == ()


async def test_rows_of_a_child_are_below_the_scopes_of_its_subject(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev", 100))
    await fund(ledger, PURSE_OF_ONE, 40)
    grant = await ledger.reserve(ask(9, subject=child()))
    row = await ledger.reservation(grant.reservation_id)
    assert budget_scopes(row.subject) == (PURSE_OF_ONE, BOT)
    for scope in (DEV, BOT):
        rows = await ledger.reservations(states=frozenset({row.state}), limit=9, scope=scope)
        assert rows == (row,)


async def test_an_audit_sums_up_what_was_spent_once(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev", 100))
    carve = await ledger.reserve(ask(40, subject=PARENT, key=f"{CARVE_PREFIX}1"))
    await fund(ledger, PURSE_OF_ONE, 40)
    held = await ledger.reserve(ask(30, subject=child()))
    await commit(ledger, held.reservation_id, 25)
    await commit(ledger, carve.reservation_id, 25)
    audit = await ledger.verify()
    assert (audit.charged, audit.reservations, audit.differences) == (25, 2, ())
    assert (await balance_of(ledger, DEV)).spent == 25
