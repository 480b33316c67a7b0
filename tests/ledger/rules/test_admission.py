"""Which rung is held, and which refusal comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.scope import Scope
from proxy.ledger.protocol import Balance, BudgetStatus, Rung
from proxy.ledger.rules import Granted, check_free, grant
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

WANT_10 = (Rung(10, 10),)


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
    assert grant([CREDIT], WANT_10, max_share_pct=100) == Granted(0, 10)


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
        grant([held], WANT_10, max_share_pct=100, own=91)
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    with pytest.raises(BudgetRefused) as refusal:
        grant([held], WANT_10, max_share_pct=100, own=90)
    assert refusal.value.reason is Reason.BUDGET_BUSY


@pytest.mark.parametrize(
    ("remaining", "plan", "share_pct", "granted"),
    [
        (10, [Rung(10, 10)], 100, Granted(0, 10)),
        (0, [Rung(0, 0)], 100, Granted(0, 0)),
        (9, [Rung(10, 10), Rung(9, 9)], 100, Granted(1, 9)),
        # Shortened to what fits.
        (30, [Rung(40, 40), Rung(10, 40)], 100, Granted(1, 30)),
        (39, [Rung(10, 40)], 100, Granted(0, 39)),
        (50, [Rung(10, 40)], 100, Granted(0, 40)),
        # At most its share of what remains, rounded down, unless its minimum needs more.
        (30, [Rung(10, 40)], 50, Granted(0, 15)),
        (31, [Rung(10, 40)], 50, Granted(0, 15)),
        (100, [Rung(10, 40)], 50, Granted(0, 40)),
        (18, [Rung(10, 40)], 50, Granted(0, 10)),
        (10, [Rung(10, 40)], 1, Granted(0, 10)),
        # The share is no rule for all or nothing.
        (40, [Rung(40, 40)], 1, Granted(0, 40)),
        # A cheaper model in full, before the dear one is refused.
        (30, [Rung(40, 40), Rung(35, 40), Rung(20, 20), Rung(5, 20)], 50, Granted(2, 20)),
        (12, [Rung(40, 40), Rung(35, 40), Rung(20, 20), Rung(5, 20)], 50, Granted(3, 6)),
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
            [Rung(50, 50), Rung(5, 20), Rung(30, 30)],
            max_share_pct=50,
        )
    shortage = refusal.value.shortage
    assert (shortage.required, shortage.remaining) == (5, 4)
    assert shortage.resets_at_ms == 86_400_000
    assert refusal.value.retry_after_ms is None


@pytest.mark.parametrize("harmless", [ROOM, OVER, DEBT, EMPTY, HELD, LOST])
def test_a_free_call_is_not_stopped_by_a_lack_of_money(harmless: Balance) -> None:
    check_free([harmless])


@pytest.mark.parametrize(
    ("stopped", "reason"),
    [(FROZEN, Reason.BUDGET_FROZEN), (CLOSED, Reason.BUDGET_CLOSED)],
)
def test_a_free_call_is_stopped_by_a_frozen_or_closed_budget(
    stopped: Balance, reason: Reason
) -> None:
    with pytest.raises(BudgetRefused) as refusal:
        check_free([EMPTY, stopped])
    assert refusal.value.reason is reason
    assert refusal.value.shortage.required == 0


@st.composite
def rungs(draw: st.DrawFn) -> Rung:
    minimum = draw(st.integers(0, 60))
    return Rung(minimum, draw(st.integers(minimum, 80)))


@given(
    remainings=st.lists(st.integers(-20, 100), min_size=1, max_size=4),
    plan=st.lists(rungs(), min_size=1, max_size=4),
    share_pct=st.integers(1, 100),
)
def test_whatever_is_granted_fits_everywhere_and_lies_in_its_rung(
    remainings: list[int], plan: list[Rung], share_pct: int
) -> None:
    balances = [balance(allocated=remaining) for remaining in remainings]
    try:
        rung, amount = grant(balances, plan, max_share_pct=share_pct)
    except BudgetRefused:
        assert min(remainings) < min(rung.minimum for rung in plan)
        return
    assert amount <= min(remainings)
    assert plan[rung].minimum <= amount <= plan[rung].want
    assert all(earlier.minimum > min(remainings) for earlier in plan[:rung])
