"""Nothing leaves int64, and nothing that counts goes below zero."""

import pytest
from msgspec.structs import asdict

from proxy.domain.errors import AmountOutOfRange
from proxy.domain.money import INT64_MAX, INT64_MIN
from proxy.ledger.journal import Amounts
from proxy.ledger.records import Balance
from proxy.ledger.rules import check_amount, post
from tests.ledger.rules.balances import balance


def test_every_amount_of_a_posting_lands_in_its_place() -> None:
    before = balance(
        allocated=1_000_000,
        reserved=100_000,
        spent=20_000,
        debt=3_000,
        uncertain=400,
        uncovered=50,
    )
    after = post(before, Amounts(1, 20, 300, 4_000, 50_000, 600_000, 1))
    changed = {
        "allocated": 1_000_001,
        "reserved": 100_020,
        "spent": 20_300,
        "debt": 7_000,
        "uncertain": 50_400,
        "uncovered": 600_050,
        "is_over_limit": True,
    }
    assert asdict(after) == {**asdict(before), **changed}
    assert post(after, Amounts(over_limit=-1)).is_over_limit is False


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (balance(allocated=INT64_MAX), Amounts(allocated=1)),
        (balance(allocated=INT64_MAX, spent=INT64_MAX), Amounts(spent=1)),
        (balance(allocated=INT64_MAX, reserved=INT64_MAX), Amounts(reserved=1)),
        (balance(allocated=INT64_MAX, debt=INT64_MAX), Amounts(debt=1)),
        (balance(uncovered=INT64_MAX), Amounts(uncovered=1)),
        (balance(allocated=INT64_MIN), Amounts(allocated=-1)),
        (balance(allocated=-1, spent=INT64_MAX), Amounts(reserved=1)),
    ],
)
def test_an_amount_beyond_int64_is_a_named_error(before: Balance, change: Amounts) -> None:
    with pytest.raises(AmountOutOfRange, match="tenant:dev"):
        post(before, change)


@pytest.mark.parametrize(
    "change",
    [
        Amounts(reserved=-1),
        Amounts(spent=-1),
        Amounts(debt=-1),
        Amounts(uncovered=-1),
        Amounts(uncertain=1),
        Amounts(uncertain=-1),
    ],
)
def test_a_hold_that_ends_twice_trips_over_an_assertion(change: Amounts) -> None:
    with pytest.raises(AssertionError):
        post(balance(), change)


def test_the_largest_amounts_fit_exactly() -> None:
    after = post(balance(allocated=0), Amounts(allocated=INT64_MAX, reserved=INT64_MAX))
    assert (after.reserved, after.remaining) == (INT64_MAX, 0)


@pytest.mark.parametrize("amount", [-1, INT64_MAX + 1])
def test_an_amount_that_a_caller_names_is_checked(amount: int) -> None:
    with pytest.raises(AmountOutOfRange):
        check_amount(amount)


@pytest.mark.parametrize("amount", [0, INT64_MAX])
def test_the_edges_are_amounts(amount: int) -> None:
    check_amount(amount)
