"""What windows begin with, and what funding and configuration move."""

import pytest

from proxy.domain.errors import BudgetRefused, Reason
from proxy.ledger.journal import Amounts
from proxy.ledger.protocol import Balance
from proxy.ledger.rules import adjust, fund, open_window, post
from tests.ledger.rules.balances import balance


@pytest.mark.parametrize(
    ("allocation", "debt", "spent", "left"),
    [(100, 0, 0, 0), (100, 30, 30, 0), (100, 100, 100, 0), (20, 30, 20, 10), (0, 30, 0, 30)],
)
def test_a_new_window_pays_the_debt_of_the_last_one_first(
    allocation: int, debt: int, spent: int, left: int
) -> None:
    begins = open_window(allocation, debt=debt)
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
    begins = open_window(20, debt=50, skipped=skipped)
    assert begins.closing == Amounts(allocated=paid_between, spent=paid_between, debt=-50)
    assert begins.opening == Amounts(allocated=20, spent=spent, debt=left)
    assert begins.carried == 50 - paid_between == spent + left


def test_an_allocation_below_zero_pays_nothing() -> None:
    assert open_window(-5, debt=3).opening == Amounts(allocated=-5, debt=3)


@pytest.mark.parametrize(
    ("before", "amount", "change"),
    [
        (balance(), 50, Amounts(allocated=50)),
        (balance(debt=30), 50, Amounts(allocated=50, spent=30, debt=-30)),
        (balance(debt=30), 20, Amounts(allocated=20, spent=20, debt=-20)),
        (balance(is_over_limit=True), 1, Amounts(allocated=1, over_limit=-1)),
        (balance(is_over_limit=True), 0, Amounts()),
        (balance(spent=60), -40, Amounts(allocated=-40)),
        (balance(is_over_limit=True), -1, Amounts(allocated=-1)),
        # Paid in part, the debt is still above the limit.
        (balance(debt=30, is_over_limit=True), 20, Amounts(allocated=20, spent=20, debt=-20)),
        (
            balance(debt=30, overdraft_limit=10, is_over_limit=True),
            20,
            Amounts(allocated=20, spent=20, debt=-20, over_limit=-1),
        ),
    ],
)
def test_funding_repays_debt_first_and_ends_being_over_the_limit(
    before: Balance, amount: int, change: Amounts
) -> None:
    assert fund(before, amount) == change
    assert post(before, change).remaining == before.remaining + amount


def test_no_more_can_be_taken_than_remains() -> None:
    with pytest.raises(BudgetRefused) as refusal:
        fund(balance(spent=60), -41)
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    assert (refusal.value.shortage.required, refusal.value.shortage.remaining) == (41, 40)


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
