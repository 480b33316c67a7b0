"""What a settlement charges, in literal numbers."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import CommitRejected, Reason
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Amounts
from proxy.ledger.records import Balance
from proxy.ledger.rules import (
    RELIEF,
    Arrear,
    Repayment,
    charge,
    doubt,
    give_back,
    may_repay,
    pay,
    post,
    repay,
)
from tests.ledger.builders import TOKENS, USD, usd
from tests.ledger.rules.balances import balance

AVAILABLE = Overage.ALLOW_IF_AVAILABLE
OVERDRAFT = Overage.ALLOW_WITH_OVERDRAFT
REJECT = Overage.REJECT


class Budget(NamedTuple):
    """What a budget has beside the hold."""

    remaining: int
    overdraft_limit: int = 0
    debt: int = 0
    is_over_limit: bool = False

    def holding(self, amount: int) -> Balance:
        """As a balance that also holds this."""
        return balance(
            allocated=self.remaining + self.debt + amount,
            reserved=amount,
            debt=self.debt,
            overdraft_limit=self.overdraft_limit,
            is_over_limit=self.is_over_limit,
        )


class Lands(NamedTuple):
    """What becomes of one budget."""

    spent: int
    debt: int = 0
    over_limit: int = 0


# The overage table. A hold of 10; per row: rule, refusable, actual, the budgets root to leaf,
# and then what is charged, what is uncovered and how each budget moves.
TABLE = [
    # At or below the hold every rule is the same, and what else a budget has is no matter.
    (REJECT, True, 10, [Budget(0)], 10, 0, [Lands(10)]),
    (AVAILABLE, False, 7, [Budget(-3), Budget(0)], 7, 0, [Lands(7), Lands(7)]),
    (OVERDRAFT, True, 0, [Budget(5)], 0, 0, [Lands(0)]),
    # ALLOW_IF_AVAILABLE: as far as the tightest can fund it, the same everywhere.
    (AVAILABLE, True, 14, [Budget(9), Budget(4)], 14, 0, [Lands(14), Lands(14)]),
    (AVAILABLE, True, 15, [Budget(9), Budget(4)], 14, 1, [Lands(14), Lands(14, 0, 1)]),
    (AVAILABLE, False, 25, [Budget(9), Budget(4)], 14, 11, [Lands(14, 0, 1), Lands(14, 0, 1)]),
    (AVAILABLE, False, 15, [Budget(-2), Budget(8)], 10, 5, [Lands(10, 0, 1), Lands(10)]),
    (AVAILABLE, False, 15, [Budget(0, 0, 0, True)], 10, 5, [Lands(10)]),
    # It makes no debt, whatever the limit.
    (AVAILABLE, False, 15, [Budget(2, 100)], 12, 3, [Lands(12, 0, 1)]),
    # ALLOW_WITH_OVERDRAFT for the proxy: debt up to the limit, the rest uncovered.
    (OVERDRAFT, False, 15, [Budget(2, 3)], 15, 0, [Lands(12, 3)]),
    (OVERDRAFT, False, 16, [Budget(2, 3)], 15, 1, [Lands(12, 3, 1)]),
    (OVERDRAFT, False, 16, [Budget(2, 9, 6)], 15, 1, [Lands(12, 3, 1)]),
    (OVERDRAFT, False, 14, [Budget(-5, 3)], 13, 1, [Lands(10, 3, 1)]),
    (OVERDRAFT, False, 14, [Budget(0, 3, 8)], 10, 4, [Lands(10, 0, 1)]),
    (OVERDRAFT, False, 20, [Budget(9), Budget(2, 8)], 19, 1, [Lands(19, 0, 1), Lands(12, 7)]),
    (OVERDRAFT, False, 18, [Budget(9), Budget(2, 8)], 18, 0, [Lands(18), Lands(12, 6)]),
    # Over the protocol: budgets without a limit cap the charge, full ones refuse it.
    (OVERDRAFT, True, 15, [Budget(2, 3)], 15, 0, [Lands(12, 3)]),
    (OVERDRAFT, True, 20, [Budget(4), Budget(2, 2)], 14, 6, [Lands(14, 0, 1), Lands(12, 2)]),
    # REJECT is no rule for money that is spent already.
    (REJECT, False, 15, [Budget(2)], 12, 3, [Lands(12, 0, 1)]),
    # Where nothing limits the unit, it is charged as it is.
    (AVAILABLE, False, 12, [], 12, 0, []),
    (REJECT, True, 12, [], 12, 0, []),
]


@pytest.mark.parametrize(
    ("overage", "refusable", "actual", "budgets", "charged", "uncovered", "lands"), TABLE
)
def test_overage(
    overage: Overage,
    refusable: bool,
    actual: int,
    budgets: list[Budget],
    charged: int,
    uncovered: int,
    lands: list[Lands],
) -> None:
    taken = charge(
        [budget.holding(10) for budget in budgets],
        held=usd(10),
        actual=usd(actual),
        overage=overage,
        refusable=refusable,
    )
    assert (taken.charged, taken.uncovered) == (usd(charged), usd(uncovered))
    assert list(taken.changes) == [
        Amounts(
            reserved=-10,
            spent=landed.spent,
            debt=landed.debt,
            uncovered=uncovered,
            over_limit=landed.over_limit,
        )
        for landed in lands
    ]


@pytest.mark.parametrize(
    ("overage", "actual", "budgets", "reason"),
    [
        (REJECT, 11, [Budget(100)], Reason.BUDGET_EXCEEDED),
        (OVERDRAFT, 16, [Budget(2, 3)], Reason.OVERDRAFT_LIMIT_EXCEEDED),
        (OVERDRAFT, 15, [Budget(2, 9, 7)], Reason.OVERDRAFT_LIMIT_EXCEEDED),
        (OVERDRAFT, 20, [Budget(9), Budget(2, 6)], Reason.OVERDRAFT_LIMIT_EXCEEDED),
    ],
)
def test_a_commit_over_the_protocol_can_be_refused(
    overage: Overage, actual: int, budgets: list[Budget], reason: Reason
) -> None:
    with pytest.raises(CommitRejected) as rejection:
        charge(
            [budget.holding(10) for budget in budgets],
            held=usd(10),
            actual=usd(actual),
            overage=overage,
            refusable=True,
        )
    assert rejection.value.reason is reason


@pytest.mark.parametrize("actual", [4, 10, 13])
def test_an_uncertain_hold_is_certain_once_charged(actual: int) -> None:
    held = balance(reserved=10, uncertain=10)
    taken = charge(
        [held], held=usd(10), actual=usd(actual), overage=AVAILABLE, refusable=False, uncertain=True
    )
    after = post(held, taken.changes[0])
    assert (after.reserved, after.uncertain, after.spent) == (0, 0, actual)


def test_an_overage_in_one_unit_is_no_matter_to_another() -> None:
    dollars = balance("tenant:dev", allocated=15, reserved=10)
    points = balance("tenant:dev", allocated=500, reserved=100, unit=TOKENS)
    below = balance("tenant:dev/agent:bot", allocated=100, reserved=10)
    taken = charge(
        [dollars, points, below],
        held={USD: 10, TOKENS: 100},
        actual={USD: 20, TOKENS: 40},
        overage=AVAILABLE,
        refusable=False,
    )
    assert taken.charged == {USD: 15, TOKENS: 40}
    assert taken.uncovered == {USD: 5, TOKENS: 0}
    assert taken.changes == (
        Amounts(reserved=-10, spent=15, uncovered=5, over_limit=1),
        Amounts(reserved=-100, spent=40),
        Amounts(reserved=-10, spent=15, uncovered=5),
    )


def test_one_unit_that_refuses_refuses_all() -> None:
    with pytest.raises(CommitRejected):
        charge(
            [balance(reserved=10), balance(reserved=10, unit=TOKENS)],
            held={USD: 10, TOKENS: 10},
            actual={USD: 10, TOKENS: 11},
            overage=REJECT,
            refusable=True,
        )


def test_what_is_given_back_takes_its_doubt_along() -> None:
    assert give_back(10, uncertain=False) == Amounts(reserved=-10)
    assert give_back(10, uncertain=True) == Amounts(reserved=-10, uncertain=-10)
    assert doubt(10) == Amounts(uncertain=10)


budgets_strategy = st.lists(
    st.builds(
        Budget,
        remaining=st.integers(-20, 60),
        overdraft_limit=st.integers(0, 30),
        debt=st.integers(0, 40),
    ),
    min_size=1,
    max_size=4,
)


@given(
    budgets=budgets_strategy,
    held=st.integers(0, 40),
    actual=st.integers(0, 150),
    overage=st.sampled_from(Overage),
)
def test_the_proxy_always_settles_and_never_beyond_a_limit(
    budgets: list[Budget], held: int, actual: int, overage: Overage
) -> None:
    balances = [budget.holding(held) for budget in budgets]
    taken = charge(balances, held=usd(held), actual=usd(actual), overage=overage, refusable=False)
    charged, uncovered = taken.charged[USD], taken.uncovered[USD]
    assert charged + uncovered == actual
    assert charged >= min(held, actual)
    for before, change in zip(balances, taken.changes, strict=True):
        after = post(before, change)
        assert after.spent + after.debt - before.spent - before.debt == charged
        assert after.reserved == before.reserved - held
        assert after.debt <= max(before.debt, before.overdraft_limit)
        if after.debt == before.debt:
            assert after.remaining >= min(before.remaining, 0)
        if overage is not OVERDRAFT:
            assert after.debt == before.debt
        assert change.over_limit in ((0, 1) if uncovered else (0,))
    flagged = [
        before.is_over_limit or change.over_limit == 1
        for before, change in zip(balances, taken.changes, strict=True)
    ]
    assert any(flagged) or uncovered == 0


# Arrears


def owing(remaining: int, uncovered: int, *, flagged: bool = True, debt: int = 0) -> Balance:
    """A budget with so much left that still owes something."""
    return balance(
        allocated=remaining + debt, uncovered=uncovered, is_over_limit=flagged, debt=debt
    )


def test_the_oldest_is_paid_first_and_a_later_one_may_still_fit() -> None:
    balances = {"tenant": owing(10, 16)}
    arrears = [
        Arrear(1, USD, ("tenant",), 6),
        Arrear(2, USD, ("tenant",), 7),
        Arrear(3, USD, ("tenant",), 3),
    ]
    assert repay(balances, arrears) == Repayment((arrears[0], arrears[2]), ())


def test_a_debt_to_two_budgets_is_paid_by_both_or_by_none() -> None:
    arrear = Arrear(1, USD, ("tenant", "agent"), 5)
    assert repay({"tenant": owing(5, 5), "agent": owing(4, 5)}, [arrear]).paid == ()
    both = repay({"tenant": owing(5, 5), "agent": owing(9, 5)}, [arrear])
    assert both == Repayment((arrear,), ("tenant", "agent"))


@pytest.mark.parametrize(
    ("before", "may"),
    [
        (owing(1, 5), True),
        (owing(0, 5), False),
        (owing(1, 5, flagged=False), True),
        (owing(0, 0), True),
        (owing(-3, 0), True),
        (owing(9, 0, flagged=False), False),
    ],
)
def test_a_window_is_looked_at_when_it_has_room_for_what_it_owes_or_owes_nothing(
    before: Balance, may: bool
) -> None:
    assert may_repay(before) is may


@pytest.mark.parametrize(
    ("before", "relieved"),
    [
        (owing(5, 6), False),
        (owing(5, 5), True),
        (owing(0, 0), True),
        (owing(-1, 0), False),
        (owing(9, 0, debt=1), False),
        (owing(9, 0, flagged=False), False),
    ],
)
def test_a_budget_that_covers_what_it_owes_is_relieved(before: Balance, relieved: bool) -> None:
    """Another budget of the same call may still lack the money: that one stays blocked."""
    elsewhere = {"agent": owing(0, 6)}
    arrear = Arrear(1, USD, ("tenant", "agent"), 6)
    repayment = repay({"tenant": before, **elsewhere}, [arrear])
    assert repayment.paid == ()
    assert repayment.relieved == (("tenant",) if relieved else ())
    assert Amounts(over_limit=-1) == RELIEF


def test_what_is_paid_is_spent() -> None:
    after = post(owing(9, 5), pay(5))
    assert (after.spent, after.uncovered, after.remaining) == (5, 0, 4)
