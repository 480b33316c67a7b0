"""Every refusal of a hold, through a home: what it says, and that it changes nothing."""

from collections.abc import Awaitable, Callable

import pytest

from proxy.domain.errors import (
    AmountOutOfRange,
    BudgetRefused,
    Reason,
    Refused,
    UnitMismatch,
)
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.domain.reservation import Overage
from proxy.domain.scope import Scope
from proxy.domain.subject import Subject
from proxy.ledger.records import BudgetStatus, ReserveRequest, Rung
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
    rung,
    spend,
    usd,
)
from tests.ledger.harness import DAY_MS, NOON_MS, SECOND_MS, Harness, Home

Arrange = Callable[[Home], Awaitable[object]]


async def fund_both(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 100))


async def freeze(ledger: Home, scope: Scope) -> None:
    await ledger.set_status(scope, USD, BudgetStatus.FROZEN, actor="ops")


async def close(ledger: Home, scope: Scope) -> None:
    await ledger.set_status(scope, USD, BudgetStatus.CLOSED, actor="ops")


async def freeze_tenant(ledger: Home) -> None:
    await freeze(ledger, DEV)


async def close_tenant(ledger: Home) -> None:
    await close(ledger, DEV)


async def freeze_agent(ledger: Home) -> None:
    await freeze(ledger, BOT)


async def close_agent(ledger: Home) -> None:
    await close(ledger, BOT)


async def push_tenant_over(ledger: Home) -> None:
    """The tenant cannot cover a call that its agent could."""
    await declare(ledger, line(DEV, 100), line(BOT, 500))
    await spend(ledger, 105, held=100)


async def exhaust_both(ledger: Home) -> None:
    await spend(ledger, 95)


async def hold_both(ledger: Home) -> None:
    await hold(ledger, 95)


async def exhaust_tenant(ledger: Home) -> None:
    await declare(ledger, line(DEV, 9), line(BOT, 100))


async def exhaust_agent(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 9))


@pytest.mark.parametrize(
    ("steps", "reason", "scope", "remaining"),
    [
        # One budget at fault.
        ([freeze_tenant], Reason.BUDGET_FROZEN, DEV, 100),
        ([close_tenant], Reason.BUDGET_CLOSED, DEV, 100),
        ([freeze_agent], Reason.BUDGET_FROZEN, BOT, 100),
        ([close_agent], Reason.BUDGET_CLOSED, BOT, 100),
        ([push_tenant_over], Reason.OVERDRAFT_LIMIT_EXCEEDED, DEV, 0),
        ([exhaust_tenant], Reason.BUDGET_EXCEEDED, DEV, 9),
        ([exhaust_agent], Reason.BUDGET_EXCEEDED, BOT, 9),
        ([exhaust_both], Reason.BUDGET_EXCEEDED, DEV, 5),
        ([hold_both], Reason.BUDGET_BUSY, DEV, 5),
        # Root to leaf, the first that fails.
        ([freeze_agent, exhaust_tenant], Reason.BUDGET_EXCEEDED, DEV, 9),
        ([freeze_agent, close_tenant], Reason.BUDGET_CLOSED, DEV, 100),
        ([hold_both, freeze_agent], Reason.BUDGET_EXCEEDED, DEV, 5),
        # On one scope: the status, then the limit, then the money.
        ([push_tenant_over, freeze_tenant], Reason.BUDGET_FROZEN, DEV, 0),
        ([push_tenant_over, close_tenant], Reason.BUDGET_CLOSED, DEV, 0),
        ([exhaust_both, close_tenant], Reason.BUDGET_CLOSED, DEV, 5),
    ],
)
async def test_the_first_failing_scope_names_the_refusal(
    ledger: Home, steps: list[Arrange], reason: Reason, scope: Scope, remaining: int
) -> None:
    await fund_both(ledger)
    for step in steps:
        await step(ledger)
    before = await ledger.all_balances()
    entries = await ledger.journal("dev", after_seq=0, limit=1000)

    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(10))

    assert refusal.value.reason is reason
    assert refusal.value.shortage.scope == scope
    assert refusal.value.shortage.required == 10
    assert refusal.value.shortage.remaining == remaining
    assert (refusal.value.retry_after_ms is None) == (reason is not Reason.BUDGET_BUSY)
    assert await ledger.all_balances() == before
    assert await ledger.journal("dev", after_seq=0, limit=1000) == entries


async def test_a_budget_of_nothing_denies_whatever_costs_something(ledger: Home) -> None:
    """LiteLLM #27381: a limiter that was there, and never asked."""
    await declare(ledger, line(DEV, 0), line(BOT, 100))
    for _ in range(3):
        with pytest.raises(BudgetRefused) as refusal:
            await ledger.reserve(ask(1))
        assert refusal.value.shortage.scope == DEV
    assert (await ledger.reserve(ask(0))).amounts == usd(0)


async def test_a_refusal_changes_no_scope(ledger: Home) -> None:
    """The tenant could pay and the agent could not: the tenant keeps its money."""
    await declare(ledger, line(DEV, 500), line(BOT, 99))
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(100))
    assert [balance.remaining for balance in await ledger.all_balances()] == [500, 99]


async def test_debt_of_the_last_window_blocks_until_it_is_paid(harness: Harness) -> None:
    """Nothing can be borrowed any more, and the new day does not pay all that was."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 10, period=Period.DAY, overdraft_limit=30))
    grant = await ledger.reserve(ask(10, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await commit(ledger, grant.reservation_id, 35)
    await declare(ledger, line(DEV, 10, period=Period.DAY, overdraft_limit=0))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED

    harness.advance_ms(DAY_MS)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.reason is Reason.DEBT_OUTSTANDING

    await fund(ledger, DEV, 15, period=Period.DAY)
    assert (await ledger.reserve(ask(0))).amounts == usd(0)


async def test_busy_says_when_to_come_back(harness: Harness) -> None:
    """The mean of what calls took lately: 200 ms and 400 ms here."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100))
    await hold(ledger, 60)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(60))
    assert refusal.value.retry_after_ms == 1_000, "nothing settled yet"

    for took_ms in (200, 400):
        reservation_id = await hold(ledger, 1)
        harness.advance_ms(took_ms)
        await ledger.release(reservation_id, key="give back")
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(60))
    assert refusal.value.retry_after_ms == 300

    slow = await hold(ledger, 1)
    harness.advance_ms(59 * SECOND_MS)
    await commit(ledger, slow, 1)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(60))
    assert refusal.value.retry_after_ms == 5_000, "never longer than that"


async def test_a_busy_call_that_is_immediate_still_waits(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    await spend(ledger, 1)
    await hold(ledger, 60)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(60))
    assert refusal.value.retry_after_ms == 1


async def test_a_subject_without_a_budget_is_refused(ledger: Home) -> None:
    await declare(ledger, line("tenant:other", 100))
    with pytest.raises(Refused, match="tenant:dev/agent:bot") as refusal:
        await ledger.reserve(ask(1))
    assert refusal.value.reason is Reason.BUDGET_NOT_FOUND


async def test_a_subject_without_a_level_is_refused(ledger: Home) -> None:
    with pytest.raises(Refused) as refusal:
        await ledger.reserve(ask(1, subject=Subject(dimensions={"run": "7"})))
    assert refusal.value.reason is Reason.BUDGET_NOT_FOUND


async def test_a_unit_that_no_budget_has_is_a_mismatch(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100, unit=TOKENS))
    with pytest.raises(UnitMismatch):
        await ledger.reserve(ask(1))


async def test_a_template_counts_as_a_budget_of_its_unit(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 100, unit=TOKENS))
    with pytest.raises(UnitMismatch):
        await ledger.reserve(ask(1))
    assert (await ledger.reserve(ask({TOKENS: 1}))).amounts == {TOKENS: 1}


async def test_other_budgets_of_the_subject_are_skipped_by_unit(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 0, unit=TOKENS))
    grant = await ledger.reserve(ask(60))
    assert [balance.scope for balance in grant.balances] == [DEV]
    assert grant.affected_scopes == (DEV, BOT)


@pytest.mark.parametrize("plan", [[rung(-1, 5)], [rung(0, INT64_MAX + 1)]])
async def test_an_estimate_beyond_int64_is_out_of_range(ledger: Home, plan: list[Rung]) -> None:
    await declare(ledger, line(DEV, 100))
    with pytest.raises(AmountOutOfRange):
        await ledger.reserve(ask(plan=plan))


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (ask(plan=[]), "rung"),
        (ask(plan=[rung(6, 5)]), "minimum"),
        (ask(1, max_share_pct=0), "max_share_pct"),
        (ask(1, max_share_pct=101), "max_share_pct"),
        (ask(1, ttl_ms=0), "lease"),
        (ask(1, ttl_ms=DAY_MS + 1), "lease"),
        (ask(1, grace_ms=-1), "lease"),
    ],
)
async def test_a_request_that_makes_no_sense_is_a_mistake_of_the_caller(
    ledger: Home, request_: ReserveRequest, what: str
) -> None:
    await declare(ledger, line(DEV, 100))
    with pytest.raises(ValueError, match=what):
        await ledger.reserve(request_)


async def test_a_free_call_goes_through_when_the_money_is_gone(ledger: Home) -> None:
    """LiteLLM #14004: free local models must still work."""
    await declare(ledger, line(DEV, 0), line("tenant:dev/agent:*", 0), templates_max=0)
    grant = await ledger.reserve(ask(0, free=[USD]))
    assert grant.amounts == usd(0)
    settled = await commit(ledger, grant.reservation_id, 0)
    assert (settled.charged, settled.uncovered) == (usd(0), usd(0))


async def test_a_free_call_needs_no_budget(ledger: Home) -> None:
    assert (await ledger.reserve(ask(0, free=[USD]))).amounts == usd(0)


@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_free_call_is_stopped_by_the_status_even_of_a_template(
    ledger: Home, status: BudgetStatus
) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 5, status=status))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0, free=[USD]))
    assert refusal.value.reason.value == f"budget_{status.value.lower()}"


async def test_what_was_billed_for_a_free_call_is_shown(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    grant = await ledger.reserve(ask(0, free=[USD]))
    settled = await commit(ledger, grant.reservation_id, 7)
    assert (settled.charged, settled.uncovered) == (usd(7), usd(0))
    assert (await ledger.verify()).charged == 7
    assert (await balance_of(ledger, DEV)).spent == 0


async def test_a_message_names_scope_amounts_and_reset(harness: Harness) -> None:
    await declare(harness.ledger, line(DEV, 1_000_000, period=Period.DAY))
    with pytest.raises(BudgetRefused) as refusal:
        await harness.ledger.reserve(ask(4_210_000))
    assert refusal.value.shortage.resets_at_ms == NOON_MS + DAY_MS // 2
    assert str(refusal.value) == (
        "Budget exhausted for tenant:dev: this call needs $0.0421, $0.01 remains, "
        "resets 2026-11-22T00:00:00Z. Do not retry."
    )
