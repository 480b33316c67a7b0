"""Which rung is held, and which refusal comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetStatus, Rung
from proxy.ledger.rules import Granted, covers, grant
from tests.ledger.builders import CALLS, POINTS, TOKENS, USD, in_full, rung, usd
from tests.ledger.rules.balances import balance

ROOM = balance()
FROZEN = balance(status=BudgetStatus.FROZEN)
CLOSED = balance(status=BudgetStatus.CLOSED)
OVER = balance(is_over_limit=True)
DEBT = balance(debt=1)
CREDIT = balance(debt=1, overdraft_limit=5)
EMPTY = balance(spent=100)
HELD = balance(reserved=100)
LOST = balance(reserved=100, uncertain=100)

WANT_10 = (rung(10, 10),)


def worst(status: BudgetStatus) -> Balance:
    """Everything that can be wrong with a budget at once, but for its status."""
    return balance(status=status, is_over_limit=True, debt=1, spent=100)


@pytest.mark.parametrize(
    ("balances", "scope", "reason"),
    [
        # What one scope can be refused for, in descending precedence.
        ([worst(BudgetStatus.FROZEN)], 0, Reason.BUDGET_FROZEN),
        ([worst(BudgetStatus.CLOSED)], 0, Reason.BUDGET_CLOSED),
        ([worst(BudgetStatus.ACTIVE)], 0, Reason.OVERDRAFT_LIMIT_EXCEEDED),
        ([balance(debt=1, spent=100)], 0, Reason.DEBT_OUTSTANDING),
        ([EMPTY], 0, Reason.BUDGET_EXCEEDED),
        ([HELD], 0, Reason.BUDGET_BUSY),
        # Each alone.
        ([FROZEN], 0, Reason.BUDGET_FROZEN),
        ([CLOSED], 0, Reason.BUDGET_CLOSED),
        ([OVER], 0, Reason.OVERDRAFT_LIMIT_EXCEEDED),
        ([DEBT], 0, Reason.DEBT_OUTSTANDING),
        # Root to leaf, the first that fails, whatever fails below it.
        ([ROOM, EMPTY], 1, Reason.BUDGET_EXCEEDED),
        ([EMPTY, FROZEN], 0, Reason.BUDGET_EXCEEDED),
        ([CLOSED, FROZEN], 0, Reason.BUDGET_CLOSED),
        ([OVER, FROZEN], 0, Reason.OVERDRAFT_LIMIT_EXCEEDED),
        ([ROOM, DEBT, FROZEN], 1, Reason.DEBT_OUTSTANDING),
        # Busy only if every failing scope is.
        ([HELD, ROOM], 0, Reason.BUDGET_BUSY),
        ([HELD, HELD], 0, Reason.BUDGET_BUSY),
        ([HELD, EMPTY], 0, Reason.BUDGET_EXCEEDED),
        ([HELD, FROZEN], 0, Reason.BUDGET_EXCEEDED),
        ([HELD, LOST], 0, Reason.BUDGET_EXCEEDED),
        ([LOST], 0, Reason.BUDGET_EXCEEDED),
        ([FROZEN, HELD], 0, Reason.BUDGET_FROZEN),
    ],
)
def test_the_first_failing_scope_names_the_refusal(
    balances: list[Balance], scope: int, reason: Reason
) -> None:
    named = [replace(held, scope=Scope(f"scope:{number}")) for number, held in enumerate(balances)]
    with pytest.raises(BudgetRefused) as refusal:
        grant(named, WANT_10, max_share_pct=100)
    assert refusal.value.reason is reason
    assert refusal.value.shortage.scope == f"scope:{scope}"


def test_a_limit_above_zero_is_the_policy_that_permits_debt() -> None:
    assert grant([CREDIT], WANT_10, max_share_pct=100) == Granted(0, usd(10))


@pytest.mark.parametrize(
    ("remaining", "reserved", "uncertain", "reason"),
    [
        (4, 6, 0, Reason.BUDGET_BUSY),
        (4, 5, 0, Reason.BUDGET_EXCEEDED),
        (4, 7, 1, Reason.BUDGET_BUSY),
        (4, 6, 1, Reason.BUDGET_EXCEEDED),
        (-5, 15, 0, Reason.BUDGET_BUSY),
        (-5, 14, 0, Reason.BUDGET_EXCEEDED),
    ],
)
def test_busy_counts_on_calls_in_flight_and_not_on_lost_ones(
    remaining: int, reserved: int, uncertain: int, reason: Reason
) -> None:
    held = balance(allocated=remaining + reserved, reserved=reserved, uncertain=uncertain)
    with pytest.raises(BudgetRefused) as refusal:
        grant([held], WANT_10, max_share_pct=100)
    assert refusal.value.reason is reason


def test_a_hold_that_grows_does_not_wait_for_itself() -> None:
    held = balance(allocated=100, reserved=100)
    with pytest.raises(BudgetRefused) as refusal:
        grant([held], WANT_10, max_share_pct=100, own=usd(91))
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    with pytest.raises(BudgetRefused) as refusal:
        grant([held], WANT_10, max_share_pct=100, own=usd(90))
    assert refusal.value.reason is Reason.BUDGET_BUSY


@pytest.mark.parametrize(
    ("remaining", "plan", "share_pct", "granted"),
    [
        (10, [rung(10, 10)], 100, Granted(0, usd(10))),
        (0, [rung(0, 0)], 100, Granted(0, usd(0))),
        (9, [rung(10, 10), rung(9, 9)], 100, Granted(1, usd(9))),
        # Shortened to what fits.
        (30, [rung(40, 40), rung(10, 40)], 100, Granted(1, usd(30))),
        (39, [rung(10, 40)], 100, Granted(0, usd(39))),
        (50, [rung(10, 40)], 100, Granted(0, usd(40))),
        # At most its share of what remains, rounded down, unless its minimum needs more.
        (30, [rung(10, 40)], 50, Granted(0, usd(15))),
        (31, [rung(10, 40)], 50, Granted(0, usd(15))),
        (100, [rung(10, 40)], 50, Granted(0, usd(40))),
        (18, [rung(10, 40)], 50, Granted(0, usd(10))),
        (10, [rung(10, 40)], 1, Granted(0, usd(10))),
        # The share is no rule for all or nothing.
        (40, [rung(40, 40)], 1, Granted(0, usd(40))),
        # A cheaper model in full, before the dear one is refused.
        (30, [rung(40, 40), rung(35, 40), rung(20, 20), rung(5, 20)], 50, Granted(2, usd(20))),
        (12, [rung(40, 40), rung(35, 40), rung(20, 20), rung(5, 20)], 50, Granted(3, usd(6))),
    ],
)
def test_the_first_rung_that_fits_is_held(
    remaining: int, plan: list[Rung], share_pct: int, granted: Granted
) -> None:
    tightest = balance(allocated=remaining)
    roomy = balance(allocated=10 * remaining + 1000)
    assert grant([roomy, tightest], plan, max_share_pct=share_pct) == granted
    assert grant([tightest, roomy], plan, max_share_pct=share_pct) == granted


def test_a_refusal_says_what_the_smallest_rung_lacked_and_when_it_resets() -> None:
    with pytest.raises(BudgetRefused) as refusal:
        grant(
            [balance(allocated=4, window_end_ms=86_400_000)],
            [rung(50, 50), rung(5, 20), rung(30, 30)],
            max_share_pct=50,
        )
    shortage = refusal.value.shortage
    assert (shortage.required, shortage.remaining) == (5, 4)
    assert shortage.resets_at_ms == 86_400_000
    assert refusal.value.retry_after_ms is None


@pytest.mark.parametrize("harmless", [ROOM, OVER, DEBT, EMPTY, HELD, LOST])
def test_a_free_call_is_not_stopped_by_a_lack_of_money(harmless: Balance) -> None:
    assert grant([harmless], [rung(0, 0)], max_share_pct=100, free={USD}) == Granted(0, usd(0))


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [(FROZEN, Reason.BUDGET_FROZEN), (CLOSED, Reason.BUDGET_CLOSED)],
)
def test_a_free_call_is_stopped_by_a_frozen_or_closed_budget(
    stopped: Balance, reason: Reason
) -> None:
    with pytest.raises(BudgetRefused) as refusal:
        grant([EMPTY, stopped], [rung(0, 0)], max_share_pct=100, free={USD})
    assert refusal.value.reason is reason
    assert refusal.value.shortage.required == 0


# Several units


def tokens(allocated: int, reserved: int = 0) -> Balance:
    return balance("tenant:dev/agent:bot", allocated=allocated, reserved=reserved, unit=TOKENS)


def test_a_rung_fits_when_each_unit_has_room_for_its_part() -> None:
    plan = [in_full({USD: 60, TOKENS: 500}), in_full({USD: 40, TOKENS: 300})]
    granted = grant([ROOM, tokens(499)], plan, max_share_pct=100)
    assert granted == Granted(1, {USD: 40, TOKENS: 300})


def test_a_shortened_rung_takes_what_each_unit_gives() -> None:
    plan = [{**rung(10, 80), **rung(50, 900, TOKENS)}]
    granted = grant([ROOM, tokens(400)], plan, max_share_pct=50)
    assert granted == Granted(0, {USD: 50, TOKENS: 200})


def test_a_unit_without_a_budget_is_held_as_it_is_wanted() -> None:
    plan = [{**rung(10, 80), **rung(50, 900, TOKENS)}]
    assert grant([ROOM], plan, max_share_pct=50) == Granted(0, {USD: 50, TOKENS: 900})


def test_the_first_balance_that_fails_names_its_unit() -> None:
    with pytest.raises(BudgetRefused) as refusal:
        grant([ROOM, tokens(4)], [in_full({USD: 10, TOKENS: 5})], max_share_pct=100)
    shortage = refusal.value.shortage
    assert (shortage.unit, shortage.required, shortage.remaining) == (TOKENS, 5, 4)


def test_busy_in_one_unit_and_exhausted_in_another_is_exhausted() -> None:
    plan = [in_full({USD: 10, TOKENS: 5})]
    with pytest.raises(BudgetRefused) as refusal:
        grant([HELD, tokens(4)], plan, max_share_pct=100)
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    with pytest.raises(BudgetRefused) as refusal:
        grant([HELD, tokens(9, reserved=5)], plan, max_share_pct=100)
    assert refusal.value.reason is Reason.BUDGET_BUSY


def test_what_the_asker_holds_counts_in_its_own_unit_only() -> None:
    plan = [in_full({USD: 10, TOKENS: 5})]
    with pytest.raises(BudgetRefused) as refusal:
        grant([HELD], plan, max_share_pct=100, own={USD: 0, TOKENS: 100})
    assert refusal.value.reason is Reason.BUDGET_BUSY


@pytest.mark.parametrize(
    ("counted", "reason", "retry_after_ms"),
    [
        (balance(allocated=1, reserved=1, unit=CALLS), Reason.STEPS_EXHAUSTED, None),
        (balance(allocated=1, spent=1, unit=CALLS), Reason.STEPS_EXHAUSTED, None),
        (balance(allocated=1, reserved=1, unit=CALLS, rolling_ms=700), Reason.COOLDOWN, 700),
        (balance(spent=100, rolling_ms=700), Reason.BUDGET_EXCEEDED, None),
    ],
)
def test_a_lack_of_calls_has_a_name_of_its_own_and_is_never_busy(
    counted: Balance, reason: Reason, retry_after_ms: int | None
) -> None:
    with pytest.raises(BudgetRefused) as refused:
        grant([ROOM, counted], [in_full({USD: 10, CALLS: 1})], max_share_pct=100)

    assert refused.value.reason is reason
    assert refused.value.retry_after_ms == retry_after_ms


def test_what_only_counts_calls_pays_for_none() -> None:
    assert not covers([CALLS], [USD, CALLS])
    assert not covers([], [USD])
    assert covers([CALLS, TOKENS], [USD, TOKENS, CALLS])


def test_risk_points_pay_for_what_asks_for_nothing_else() -> None:
    assert covers([POINTS], [POINTS])
    assert covers([POINTS], [POINTS, CALLS])
    assert not covers([POINTS], [USD, TOKENS, POINTS])
    assert covers([POINTS, TOKENS], [USD, TOKENS, POINTS])


def test_a_plan_whose_rungs_each_lack_another_unit_names_what_the_last_one_lacked() -> None:
    """The cheap model is cheap in dollars, the short answer in tokens; neither is in both."""
    plan = [in_full({USD: 10, TOKENS: 900}), in_full({USD: 200, TOKENS: 90})]
    with pytest.raises(BudgetRefused) as refusal:
        grant([ROOM, tokens(100)], plan, max_share_pct=100)
    shortage = refusal.value.shortage
    assert (shortage.unit, shortage.required, shortage.remaining) == (USD, 200, 100)
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED


def test_what_is_free_in_one_unit_is_counted_in_the_others() -> None:
    plan = [in_full({USD: 0, TOKENS: 5, POINTS: 1})]
    granted = grant([EMPTY, tokens(5)], plan, max_share_pct=100, free={USD})
    assert granted == Granted(0, {USD: 0, TOKENS: 5, POINTS: 1})
    with pytest.raises(BudgetRefused) as refusal:
        grant([EMPTY, tokens(4)], plan, max_share_pct=100, free={USD})
    assert refusal.value.shortage.unit is TOKENS


@st.composite
def rungs(draw: st.DrawFn) -> Rung:
    minimum, more = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    return {
        **rung(minimum, draw(st.integers(minimum, 80))),
        **rung(more, draw(st.integers(more, 80)), TOKENS),
    }


@given(
    remainings=st.lists(
        st.tuples(st.sampled_from([USD, TOKENS]), st.integers(-20, 100)), max_size=4
    ),
    plan=st.lists(rungs(), min_size=1, max_size=4),
    share_pct=st.integers(1, 100),
)
def test_whatever_is_granted_fits_everywhere_and_lies_in_its_rung(
    remainings: list[tuple[Unit, int]], plan: list[Rung], share_pct: int
) -> None:
    balances = [balance(allocated=remaining, unit=unit) for unit, remaining in remainings]

    def fits(rung: Rung) -> bool:
        return all(rung[unit].minimum <= remaining for unit, remaining in remainings)

    try:
        number, amounts = grant(balances, plan, max_share_pct=share_pct)
    except BudgetRefused:
        assert not any(map(fits, plan))
        return
    assert all(amounts[unit] <= remaining for unit, remaining in remainings)
    for unit, span in plan[number].items():
        assert span.minimum <= amounts[unit] <= span.want
    assert not any(map(fits, plan[:number])), "an earlier rung would have fitted"
