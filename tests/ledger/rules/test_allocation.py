"""What windows begin with, and what time, funding and configuration move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import INT64_MAX
from proxy.ledger.journal import Amounts
from proxy.ledger.records import Balance, BudgetStatus, FundOperation
from proxy.ledger.rules import adjust, fund, open_window, post, roll
from tests.ledger.rules.balances import balance

CREDIT = FundOperation.CREDIT
DEBIT = FundOperation.DEBIT
RESET = FundOperation.RESET
RESET_SPENT = FundOperation.RESET_SPENT
REPAY_DEBT = FundOperation.REPAY_DEBT


def owing(debt: int) -> Balance:
    """A window that is used up, with this debt."""
    return balance(spent=100, debt=debt)


# A new window


def test_the_first_window_begins_with_its_allocation() -> None:
    assert open_window(100).opening == Amounts(allocated=100)


@pytest.mark.parametrize(
    ("allocation", "debt", "spent", "left"),
    [(100, 0, 0, 0), (100, 30, 30, 0), (100, 100, 100, 0), (20, 30, 20, 10), (0, 30, 0, 30)],
)
def test_a_new_window_pays_the_debt_of_the_last_one_first(
    allocation: int, debt: int, spent: int, left: int
) -> None:
    begins = open_window(allocation, owing(debt))
    assert begins.closing == Amounts(debt=-debt)
    assert begins.opening == Amounts(allocated=allocation, spent=spent, debt=left)
    assert begins.opening.remaining == allocation - debt
    assert begins.carried == debt


@pytest.mark.parametrize(
    ("skipped", "paid_between", "spent", "left"),
    [(0, 0, 20, 30), (1, 20, 20, 10), (2, 40, 10, 0), (3, 50, 0, 0), (9, 50, 0, 0)],
)
def test_windows_that_nobody_opened_pay_debt_too(
    skipped: int, paid_between: int, spent: int, left: int
) -> None:
    begins = open_window(20, owing(50), skipped=skipped)
    assert begins.closing == Amounts(allocated=paid_between, spent=paid_between, debt=-50)
    assert begins.opening == Amounts(allocated=20, spent=spent, debt=left)
    assert begins.carried == 50 - paid_between == spent + left


@pytest.mark.parametrize(
    "before", [balance(allocated=INT64_MAX - 3, debt=50), balance(debt=50, spent=INT64_MAX - 3)]
)
def test_windows_in_between_pay_no_more_than_int64_can_tell(before: Balance) -> None:
    """What they cannot pay the new window owes: a budget must not be stuck at the edge."""
    begins = open_window(20, before, skipped=9, rollover_max=5)
    assert (begins.closing.spent, begins.carried) == (3, 47)
    assert post(before, begins.closing).debt == 0


def test_an_allocation_below_zero_pays_nothing() -> None:
    assert open_window(-5, owing(3)).opening == Amounts(allocated=-5, debt=3)


@pytest.mark.parametrize(
    ("before", "rollover_max", "moved"),
    [
        (balance(), 0, 0),
        (balance(), 1_000, 100),
        (balance(), 30, 30),
        (balance(spent=50, reserved=20), 1_000, 30),
        (balance(spent=50, reserved=20, uncertain=20), 1_000, 30),
        (balance(spent=100), 1_000, 0),
        (balance(spent=120), 1_000, 0),
        (balance(reserved=100), 1_000, 0),
    ],
)
def test_what_nobody_held_or_spent_rolls_over_up_to_its_cap(
    before: Balance, rollover_max: int, moved: int
) -> None:
    begins = open_window(40, before, rollover_max=rollover_max)
    assert begins.closing == Amounts(allocated=-moved)
    assert begins.opening == Amounts(allocated=40 + moved)


@pytest.mark.parametrize(("skipped", "rolled"), [(0, 10), (1, 50), (2, 90), (3, 95), (900, 95)])
def test_windows_that_nobody_opened_roll_over_as_well(skipped: int, rolled: int) -> None:
    before = balance(spent=90)
    begins = open_window(40, before, skipped=skipped, rollover_max=95)
    assert begins.closing == Amounts(allocated=-10)
    assert begins.opening == Amounts(allocated=40 + rolled)


@pytest.mark.parametrize(("skipped", "rolled"), [(0, 0), (1, 20), (2, 60)])
def test_what_skipped_windows_pay_of_a_debt_does_not_roll_over(skipped: int, rolled: int) -> None:
    begins = open_window(40, owing(20), skipped=skipped, rollover_max=1_000)
    assert begins.opening.remaining == 40 + rolled - (20 if skipped == 0 else 0)
    assert begins.opening.debt == 0


def test_a_rollover_goes_no_further_than_int64() -> None:
    """Else a budget as good as unlimited could never begin another window."""
    before = balance(allocated=INT64_MAX)
    begins = open_window(INT64_MAX - 5, before, skipped=3, rollover_max=INT64_MAX)
    assert begins.closing == Amounts(allocated=-5)
    assert post(balance(allocated=0), begins.opening).remaining == INT64_MAX


windows = st.builds(
    balance,
    allocated=st.integers(-20, 100),
    reserved=st.integers(0, 30),
    spent=st.integers(0, 120),
    debt=st.integers(0, 90),
)


@given(before=windows, allocation=st.integers(0, 60), rollover_max=st.sampled_from([0, 25, 1_000]))
def test_nothing_is_lost_or_doubled_between_two_windows(
    before: Balance, allocation: int, rollover_max: int
) -> None:
    begins = open_window(allocation, before, rollover_max=rollover_max)
    after, new = post(before, begins.closing), post(balance(allocated=0), begins.opening)
    assert after.remaining + new.remaining == before.remaining + allocation
    assert after.debt == 0
    assert new.spent + new.debt == before.debt
    assert new.allocated <= allocation + rollover_max
    assert after.remaining >= min(before.remaining, 0)


@given(
    before=windows,
    allocation=st.integers(0, 60),
    skipped=st.integers(1, 5),
    rollover_max=st.sampled_from([0, 25, 60, 1_000]),
)
def test_windows_skipped_end_as_if_each_had_been_opened(
    before: Balance, allocation: int, skipped: int, rollover_max: int
) -> None:
    """So it is no matter whether somebody looked in between."""
    at_once = open_window(allocation, before, skipped=skipped, rollover_max=rollover_max).opening
    window = before
    for _ in range(skipped + 1):
        begins = open_window(allocation, window, rollover_max=rollover_max)
        window = post(balance(allocated=0), begins.opening)
    assert (at_once.remaining, at_once.debt) == (window.remaining, window.debt)


# A rolling window


@pytest.mark.parametrize(
    ("before", "left", "change"),
    [
        (balance(spent=60), 25, Amounts(spent=-25)),
        (balance(spent=60, debt=10), 25, Amounts(spent=-15, debt=-10)),
        (balance(spent=60, debt=40), 25, Amounts(debt=-25)),
        (balance(spent=60, debt=25), 25, Amounts(debt=-25)),
    ],
)
def test_what_leaves_a_rolling_window_makes_room_for_its_debt_first(
    before: Balance, left: int, change: Amounts
) -> None:
    assert roll(before, left) == change
    assert post(before, change).remaining == before.remaining + left


# Operators


@pytest.mark.parametrize(
    ("before", "amount", "change"),
    [
        (balance(), 50, Amounts(allocated=50)),
        (balance(debt=30), 50, Amounts(allocated=50, spent=30, debt=-30)),
        (balance(debt=30), 20, Amounts(allocated=20, spent=20, debt=-20)),
        (balance(is_over_limit=True), 1, Amounts(allocated=1, over_limit=-1)),
        (balance(is_over_limit=True), 0, Amounts()),
        # Paid in part, the debt is still above the limit.
        (balance(debt=30, is_over_limit=True), 20, Amounts(allocated=20, spent=20, debt=-20)),
        (
            balance(debt=30, overdraft_limit=10, is_over_limit=True),
            20,
            Amounts(allocated=20, spent=20, debt=-20, over_limit=-1),
        ),
    ],
)
def test_a_credit_repays_debt_first_and_ends_being_over_the_limit(
    before: Balance, amount: int, change: Amounts
) -> None:
    assert fund(before, CREDIT, amount) == change
    assert post(before, change).remaining == before.remaining + amount


def test_a_debit_takes_what_remains_and_no_more() -> None:
    assert fund(balance(spent=60), DEBIT, 40) == Amounts(allocated=-40)
    assert fund(balance(is_over_limit=True), DEBIT, 1) == Amounts(allocated=-1)
    with pytest.raises(BudgetRefused) as refusal:
        fund(balance(spent=60), DEBIT, 41)
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    assert (refusal.value.shortage.required, refusal.value.shortage.remaining) == (41, 40)


@pytest.mark.parametrize(
    ("before", "amount", "change"),
    [
        (balance(spent=60), 130, Amounts(allocated=30)),
        (balance(spent=60), 20, Amounts(allocated=-80)),
        (balance(debt=30), 120, Amounts(allocated=20, spent=20, debt=-20)),
        (balance(debt=5, is_over_limit=True), 105, Amounts(5, 0, 5, -5, 0, 0, -1)),
        (balance(is_over_limit=True), 90, Amounts(allocated=-10)),
    ],
)
def test_a_reset_makes_the_allocation_what_it_says(
    before: Balance, amount: int, change: Amounts
) -> None:
    assert fund(before, RESET, amount) == change
    assert post(before, change).allocated == amount


@pytest.mark.parametrize(
    ("before", "spent", "change"),
    [
        (balance(spent=60, reserved=10), 0, Amounts(allocated=-20, spent=-60)),
        (balance(spent=60), 15, Amounts(allocated=-20, spent=-45)),
        (balance(spent=60), 90, Amounts(allocated=-20, spent=30)),
        # Debt is not what was spent: it stays, and blocks where it is above the limit.
        (balance(debt=30), 0, Amounts(allocated=-20)),
        (balance(spent=9, is_over_limit=True), 0, Amounts(-20, 0, -9, 0, 0, 0, -1)),
        (balance(spent=9, debt=3, is_over_limit=True), 0, Amounts(-20, 0, -9)),
    ],
)
def test_what_was_spent_can_be_set_with_the_allocation(
    before: Balance, spent: int, change: Amounts
) -> None:
    assert fund(before, RESET_SPENT, 80, spent=spent) == change
    after = post(before, change)
    assert (after.allocated, after.spent, after.debt) == (80, spent, before.debt)
    assert after.reserved == before.reserved


@pytest.mark.parametrize(
    ("before", "amount", "change"),
    [
        (balance(debt=30), 20, Amounts(debt=-20)),
        (balance(debt=30), 30, Amounts(debt=-30)),
        (balance(debt=30), 50, Amounts(allocated=20, debt=-30)),
        (balance(debt=30, is_over_limit=True), 29, Amounts(debt=-29)),
        (balance(debt=30, is_over_limit=True), 30, Amounts(debt=-30, over_limit=-1)),
        (
            balance(debt=30, overdraft_limit=12, is_over_limit=True),
            18,
            Amounts(debt=-18, over_limit=-1),
        ),
    ],
)
def test_debt_is_repaid_from_outside_and_what_is_too_much_is_added(
    before: Balance, amount: int, change: Amounts
) -> None:
    assert fund(before, REPAY_DEBT, amount) == change
    assert post(before, change).remaining == before.remaining + amount


@pytest.mark.parametrize("operation", FundOperation)
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (BudgetStatus.FROZEN, Reason.BUDGET_FROZEN),
        (BudgetStatus.CLOSED, Reason.BUDGET_CLOSED),
    ],
)
def test_a_stopped_budget_is_not_funded(
    operation: FundOperation, status: BudgetStatus, reason: Reason
) -> None:
    with pytest.raises(BudgetRefused) as refusal:
        fund(balance(status=status), operation, 1)
    assert refusal.value.reason is reason


# Configuration


@pytest.mark.parametrize(
    ("before", "by", "limit", "over_limit"),
    [
        # A limit below the debt blocks; one above it, or an allocation that pays it, unblocks.
        (balance(debt=5, overdraft_limit=9), 0, 4, 1),
        (balance(debt=5, overdraft_limit=9), 0, 5, 0),
        (balance(debt=5, overdraft_limit=0, is_over_limit=True), 0, 5, -1),
        (balance(debt=5, overdraft_limit=0, is_over_limit=True), 5, 0, -1),
        (balance(debt=5, overdraft_limit=0, is_over_limit=True), 4, 0, 0),
        # Taking away never unblocks.
        (balance(overdraft_limit=9, is_over_limit=True), 0, 4, 0),
        (balance(is_over_limit=True), -5, 0, 0),
        (balance(is_over_limit=True), 5, 0, -1),
    ],
)
def test_being_over_the_limit_follows_what_configuration_gives_and_takes(
    before: Balance, by: int, limit: int, over_limit: int
) -> None:
    assert adjust(before, by=by, overdraft_limit=limit).over_limit == over_limit


def test_an_allocation_may_fall_below_what_is_spent() -> None:
    after = post(balance(spent=60), adjust(balance(spent=60), by=-90, overdraft_limit=0))
    assert after.remaining == -50
