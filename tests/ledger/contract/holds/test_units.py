"""One hold in several units: all of it or none, and each unit by its own budgets."""

import asyncio
from collections.abc import Mapping

import pytest

from proxy.domain.errors import (
    AmountOutOfRange,
    BudgetRefused,
    CommitRejected,
    Reason,
    Refused,
    UnitMismatch,
)
from proxy.domain.money import INT64_MAX, Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.subject import Subject
from proxy.ledger.journal import Kind
from proxy.ledger.records import BudgetStatus, Grant, Span
from tests.ledger.builders import (
    BOT,
    DEV,
    POINTS,
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
    rung,
    spend,
    usd,
)
from tests.ledger.harness import MINUTE_MS, Harness, Home


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """Dollars for the tenant and its agent, tokens for the agent alone."""
    await declare(harness.ledger, line(DEV, 1_000), line(BOT, 500), line(BOT, 9_000, unit=TOKENS))


async def reserved(ledger: Home) -> list[int]:
    return [balance.reserved for balance in await ledger.all_balances()]


async def test_a_hold_is_in_every_budget_of_each_of_its_units(ledger: Home) -> None:
    grant = await ledger.reserve(ask({USD: 100, TOKENS: 4_000}))
    assert grant.amounts == {USD: 100, TOKENS: 4_000}
    assert [(b.scope, b.unit, b.reserved) for b in grant.balances] == [
        (DEV, USD, 100),
        (BOT, USD, 100),
        (BOT, TOKENS, 4_000),
    ]
    row = await ledger.reservation(grant.reservation_id)
    assert (row.amounts, row.charged) == ({USD: 100, TOKENS: 4_000}, None)
    assert row.uncovered == {USD: 0, TOKENS: 0}
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=100)
    assert (entry.kind, len(entry.postings)) == (Kind.RESERVE, 3)


async def test_what_one_unit_lacks_is_held_in_none(ledger: Home) -> None:
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask({USD: 100, TOKENS: 9_001}))
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    assert refusal.value.shortage.unit is TOKENS
    assert "9,000 TOKENS remain" in str(refusal.value)
    assert await reserved(ledger) == [0, 0, 0]


async def test_balances_go_by_scope_then_unit_then_the_longest_period(ledger: Home) -> None:
    await declare(
        ledger,
        line(BOT, 1, period=Period.DAY, unit=POINTS),
        line(BOT, 1, unit=POINTS),
        line(BOT, 1, unit=TOKENS),
        line(BOT, 1, period=Period.HOUR),
        line(BOT, 1, period=Period.MONTH),
        line(DEV, 1, unit=TOKENS),
    )
    grant = await ledger.reserve(ask({POINTS: 1, TOKENS: 1, USD: 1}))
    assert [(b.scope, b.unit, b.period) for b in grant.balances] == [
        (DEV, USD, Period.LIFETIME),
        (DEV, TOKENS, Period.LIFETIME),
        (BOT, USD, Period.LIFETIME),
        (BOT, USD, Period.MONTH),
        (BOT, USD, Period.HOUR),
        (BOT, TOKENS, Period.LIFETIME),
        (BOT, POINTS, Period.LIFETIME),
        (BOT, POINTS, Period.DAY),
    ]


@pytest.mark.parametrize(
    ("asked", "scope", "unit"),
    [
        ({USD: 1_001, TOKENS: 9_001}, DEV, USD),
        ({USD: 501, TOKENS: 9_001}, BOT, USD),
        ({USD: 1, TOKENS: 9_001}, BOT, TOKENS),
    ],
)
async def test_the_first_budget_in_this_order_names_the_refusal(
    ledger: Home, asked: Mapping[Unit, int], scope: str, unit: Unit
) -> None:
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(asked))
    assert (refusal.value.shortage.scope, refusal.value.shortage.unit) == (scope, unit)


async def test_it_is_busy_only_when_every_unit_that_fails_is(ledger: Home) -> None:
    await hold(ledger, {USD: 450, TOKENS: 8_000})
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask({USD: 100, TOKENS: 2_000}))
    assert refusal.value.reason is Reason.BUDGET_BUSY
    await spend(ledger, {TOKENS: 999})
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask({USD: 100, TOKENS: 8_002}))
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED


async def test_a_stop_in_one_unit_stops_the_call(ledger: Home) -> None:
    await ledger.set_status(BOT, TOKENS, BudgetStatus.FROZEN, actor="ops")
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask({USD: 1, TOKENS: 1}))
    assert refusal.value.reason is Reason.BUDGET_FROZEN
    assert (await ledger.reserve(ask(1))).amounts == usd(1)
    stopped = await ledger.set_status(BOT, None, BudgetStatus.FROZEN, actor="ops")
    assert [balance.unit for balance in stopped] == [USD, TOKENS]


async def test_a_shortened_rung_takes_what_each_unit_gives(ledger: Home) -> None:
    plan = [{**rung(100, 800), **rung(1_000, 4_000, TOKENS)}]
    grant = await ledger.reserve(ask(plan=plan, max_share_pct=50))
    assert grant.amounts == {USD: 250, TOKENS: 4_000}


async def test_the_first_rung_that_fits_in_every_unit_is_held(ledger: Home) -> None:
    plan = [
        {**rung(600, 600), **rung(1, 1, TOKENS)},
        {**rung(1, 1), **rung(9_001, 9_001, TOKENS)},
        {**rung(400, 400), **rung(8_000, 8_000, TOKENS)},
    ]
    grant = await ledger.reserve(ask(plan=plan))
    assert (grant.rung, grant.amounts) == (2, {USD: 400, TOKENS: 8_000})


async def test_a_unit_without_a_budget_is_not_limited(ledger: Home) -> None:
    plan = [{**rung(1, 10), **rung(1, INT64_MAX, POINTS)}]
    grant = await ledger.reserve(ask(plan=plan, max_share_pct=1))
    assert grant.amounts == {USD: 5, POINTS: INT64_MAX}
    assert [balance.unit for balance in grant.balances] == [USD, USD]
    settled = await commit(ledger, grant.reservation_id, {USD: 5, POINTS: 7})
    assert settled.charged == {USD: 5, POINTS: 7}
    assert settled.released == {USD: 0, POINTS: INT64_MAX - 7}
    assert settled.uncovered == {USD: 0, POINTS: 0}
    assert (await ledger.verify()).differences == ()


async def test_what_nobody_limits_is_still_an_amount(ledger: Home) -> None:
    with pytest.raises(AmountOutOfRange):
        await ledger.reserve(ask({USD: 1, POINTS: INT64_MAX + 1}))
    reservation_id = await hold(ledger, {USD: 1, POINTS: INT64_MAX})
    with pytest.raises(AmountOutOfRange):
        await grow(ledger, reservation_id, {USD: 1, POINTS: 1})
    with pytest.raises(AmountOutOfRange):
        await commit(ledger, reservation_id, {USD: 1, POINTS: INT64_MAX + 1})
    assert (await ledger.reservation(reservation_id)).amounts == {USD: 1, POINTS: INT64_MAX}
    assert await reserved(ledger) == [1, 0, 1]


async def test_a_call_in_units_without_any_budget_is_a_mismatch(ledger: Home) -> None:
    """A subject without any budget at all is another matter."""
    with pytest.raises(UnitMismatch):
        await ledger.reserve(ask({POINTS: 1}))
    with pytest.raises(Refused) as refusal:
        await ledger.reserve(ask({POINTS: 1}, subject=Subject(tenant="stranger")))
    assert refusal.value.reason is Reason.BUDGET_NOT_FOUND


# Free in one unit


async def test_a_call_that_is_free_in_dollars_is_counted_in_tokens(ledger: Home) -> None:
    """LiteLLM #14004: free local models must still work, within their tokens."""
    await declare(ledger, line(BOT, 0), line(BOT, 100, unit=TOKENS))
    grant = await ledger.reserve(ask({USD: 0, TOKENS: 60}, free=[USD]))
    assert grant.amounts == {USD: 0, TOKENS: 60}
    assert [balance.unit for balance in grant.balances] == [TOKENS]
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask({USD: 0, TOKENS: 60}, free=[USD]))
    assert refusal.value.shortage.unit is TOKENS


async def test_a_stop_in_the_unit_that_is_free_stops_the_call(ledger: Home) -> None:
    await ledger.set_status(DEV, USD, BudgetStatus.CLOSED, actor="ops")
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask({USD: 0, TOKENS: 60}, free=[USD]))
    assert refusal.value.reason is Reason.BUDGET_CLOSED


async def test_a_free_unit_makes_no_budget_and_needs_none(ledger: Home) -> None:
    await declare(
        ledger, line("tenant:dev/agent:*", 5), line("tenant:dev/agent:*", 100, unit=TOKENS)
    )
    grant = await ledger.reserve(ask({USD: 0, TOKENS: 1}, agent="cli", free=[USD]))
    assert [balance.unit for balance in grant.balances] == [TOKENS]
    assert len(await ledger.all_balances()) == 4
    free = ask({POINTS: 0}, agent="third", free=[POINTS])
    assert (await ledger.reserve(free)).balances == ()


async def test_an_amount_in_a_free_unit_is_a_mistake(ledger: Home) -> None:
    with pytest.raises(ValueError, match="free"):
        await ledger.reserve(ask({USD: 1, TOKENS: 1}, free=[USD]))


async def test_rungs_in_different_units_are_a_mistake(ledger: Home) -> None:
    with pytest.raises(ValueError, match="units"):
        await ledger.reserve(ask(plan=[{USD: Span(1, 1)}, {TOKENS: Span(1, 1)}]))


# Ends


async def test_each_unit_is_charged_its_own_actual(ledger: Home) -> None:
    reservation_id = await hold(ledger, {USD: 100, TOKENS: 4_000})
    settled = await commit(ledger, reservation_id, {USD: 30, TOKENS: 4_000})
    assert settled.charged == {USD: 30, TOKENS: 4_000}
    assert settled.released == {USD: 70, TOKENS: 0}
    assert [(b.unit, b.spent) for b in settled.balances] == [(USD, 30), (USD, 30), (TOKENS, 4_000)]
    row = await ledger.reservation(reservation_id)
    assert row.charged == {USD: 30, TOKENS: 4_000}


async def test_an_overage_in_one_unit_touches_no_other(ledger: Home) -> None:
    reservation_id = await hold(ledger, {USD: 500, TOKENS: 4_000})
    settled = await commit(ledger, reservation_id, {USD: 520, TOKENS: 3_000})
    assert settled.charged == {USD: 500, TOKENS: 3_000}
    assert settled.uncovered == {USD: 20, TOKENS: 0}
    assert settled.released == {USD: 0, TOKENS: 1_000}
    dollars = await balance_of(ledger, BOT, unit=USD)
    tokens = await balance_of(ledger, BOT, unit=TOKENS)
    assert (dollars.uncovered, dollars.is_over_limit) == (20, True)
    assert (tokens.uncovered, tokens.is_over_limit) == (0, False)

    await fund(ledger, BOT, 10_000, unit=TOKENS)
    assert (await ledger.reservation(reservation_id)).uncovered == {USD: 20, TOKENS: 0}
    await fund(ledger, BOT, 20)
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.uncovered) == ({USD: 520, TOKENS: 3_000}, {USD: 0, TOKENS: 0})
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=100)
    assert entry.kind is Kind.REPAY
    assert {posting.window.unit for posting in entry.postings} == {USD}


async def test_what_two_units_owe_is_paid_each_when_it_can_be(ledger: Home) -> None:
    reservation_id = await hold(ledger, {USD: 500, TOKENS: 9_000})
    await commit(ledger, reservation_id, {USD: 520, TOKENS: 9_300})
    await fund(ledger, BOT, 300, unit=TOKENS)
    row = await ledger.reservation(reservation_id)
    assert row.uncovered == {USD: 20, TOKENS: 0}
    await fund(ledger, BOT, 20)
    assert (await ledger.reservation(reservation_id)).uncovered == {USD: 0, TOKENS: 0}
    assert (await ledger.verify()).differences == ()


async def test_one_unit_that_refuses_a_commit_refuses_all_of_it(ledger: Home) -> None:
    request = ask({USD: 10, TOKENS: 10}, overage=Overage.REJECT, on_expiry=OnExpiry.RELEASE)
    reservation_id = (await ledger.reserve(request)).reservation_id
    with pytest.raises(CommitRejected):
        await commit(ledger, reservation_id, {USD: 10, TOKENS: 11})
    assert (await ledger.reservation(reservation_id)).state is State.ACTIVE
    assert await reserved(ledger) == [10, 10, 10]


async def test_a_hold_comes_back_in_every_unit(ledger: Home) -> None:
    reservation_id = await hold(ledger, {USD: 100, TOKENS: 4_000})
    settled = await ledger.release(reservation_id, key="give back")
    assert settled.released == {USD: 100, TOKENS: 4_000}
    assert settled.charged == settled.uncovered == {USD: 0, TOKENS: 0}
    assert await reserved(ledger) == [0, 0, 0]


async def test_what_is_uncertain_is_so_in_every_unit(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, {USD: 100, TOKENS: 4_000})
    await ledger.mark_uncertain(reservation_id)
    assert [b.uncertain for b in await ledger.all_balances()] == [100, 4_000, 100]
    harness.advance_ms(15 * MINUTE_MS)
    assert (await ledger.expire(limit=10)).committed == (reservation_id,)
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.estimated) == ({USD: 100, TOKENS: 4_000}, True)
    late = await charge_late(ledger, reservation_id, {USD: 90, TOKENS: 4_100})
    assert late.charged == {USD: 100, TOKENS: 4_100}
    assert (await ledger.reservation(reservation_id)).estimated, "one unit is still too high"


async def test_a_hold_grows_in_the_units_that_are_named(ledger: Home) -> None:
    reservation_id = await hold(ledger, {USD: 100, TOKENS: 4_000})
    grant = await grow(ledger, reservation_id, {TOKENS: 5_000})
    assert grant.amounts == {USD: 100, TOKENS: 9_000}
    assert [balance.reserved for balance in grant.balances] == [100, 100, 9_000]
    with pytest.raises(BudgetRefused) as refusal:
        await grow(ledger, reservation_id, {USD: 1, TOKENS: 1}, key="again")
    assert refusal.value.shortage.unit is TOKENS
    assert await reserved(ledger) == [100, 9_000, 100]
    await ledger.set_status(BOT, TOKENS, BudgetStatus.FROZEN, actor="ops")
    assert (await grow(ledger, reservation_id, {USD: 1}, key="other")).amounts[USD] == 101


@pytest.mark.parametrize("wrong", [{USD: 1}, {TOKENS: 1}, {USD: 1, TOKENS: 1, POINTS: 1}, {}])
async def test_a_cost_is_in_the_units_of_its_hold(ledger: Home, wrong: Mapping[Unit, int]) -> None:
    reservation_id = await hold(ledger, {USD: 100, TOKENS: 4_000})
    with pytest.raises(UnitMismatch):
        await commit(ledger, reservation_id, wrong)
    if POINTS in wrong:
        with pytest.raises(UnitMismatch):
            await grow(ledger, reservation_id, wrong)
    assert (await ledger.reservation(reservation_id)).state is State.ACTIVE
    await ledger.release(reservation_id, key="give back")
    with pytest.raises(UnitMismatch):
        await charge_late(ledger, reservation_id, wrong)
    assert await reserved(ledger) == [0, 0, 0]


async def test_exactly_as_many_calls_at_once_fit_as_the_tightest_unit_holds(ledger: Home) -> None:
    """Semantics: the promise holds in each unit, whatever the others have left."""
    asked = [ledger.reserve(ask({USD: 1, TOKENS: 700})) for _ in range(50)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Grant) for answer in answers) == 12
    assert await reserved(ledger) == [12, 8_400, 12]
