"""What windows begin with, and what operators and configuration may move."""

from typing import NamedTuple

from proxy.domain.errors import BudgetRefused, Reason
from proxy.ledger.journal import Amounts
from proxy.ledger.protocol import Balance
from proxy.ledger.rules.admission import shortage


class Opening(NamedTuple):
    """How a window begins: what the one before hands over, and what the new one starts with."""

    closing: Amounts
    opening: Amounts

    @property
    def carried(self) -> int:
        """The debt that the new window takes over."""
        return -self.closing.debt - self.closing.spent


def open_window(allocation: int, *, debt: int, skipped: int = 0) -> Opening:
    """A new window takes over the debt and pays it from its allocation first.

    `skipped`: how many windows passed in between that nobody opened. Their allocations
    were nobody's to spend, but they pay debt too: else a debt above one allocation would
    block until someone funds it. Holds stay with the window they were made in; being over
    the limit ends there as well.
    """
    per_window = max(allocation, 0)
    paid_between = min(debt, per_window * skipped)
    carried = debt - paid_between
    paid = min(carried, per_window)
    return Opening(
        closing=Amounts(allocated=paid_between, spent=paid_between, debt=-debt),
        opening=Amounts(allocated=allocation, spent=paid, debt=carried - paid),
    )


def fund(balance: Balance, amount: int) -> Amounts:
    """Add to an allocation, or take from what remains. Debt is repaid first.

    Raises:
        BudgetRefused: BUDGET_EXCEEDED, taking more than remains.

    Source: cycles-protocol-v0.yaml, schema Balance ("debt MUST be repaid first").
    """
    if amount < 0 and balance.remaining < -amount:
        raise BudgetRefused(Reason.BUDGET_EXCEEDED, shortage(balance, -amount))
    return adjust(balance, by=amount, overdraft_limit=balance.overdraft_limit)


def adjust(balance: Balance, *, by: int, overdraft_limit: int) -> Amounts:
    """Move an allocation, perhaps below what is spent, under a new overdraft limit.

    A limit lowered below the debt is exceeded. Giving more ends being over the limit,
    unless the debt is still above it; taking away never does.
    """
    repaid = min(balance.debt, max(by, 0))
    is_above = balance.debt - repaid > overdraft_limit
    gives = by > 0 or overdraft_limit > balance.overdraft_limit
    falls_over = is_above and overdraft_limit < balance.overdraft_limit
    is_over_limit = falls_over or (balance.is_over_limit and (is_above or not gives))
    return Amounts(
        allocated=by,
        spent=repaid,
        debt=-repaid,
        over_limit=int(is_over_limit) - int(balance.is_over_limit),
    )
