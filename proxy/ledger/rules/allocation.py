"""What windows begin with, and what operators and configuration may move."""

from typing import NamedTuple

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.domain.scope import ScopePattern, carve_of
from proxy.ledger.journal import Amounts
from proxy.ledger.records import Balance, BudgetLine, BudgetName, FundOperation
from proxy.ledger.rules.admission import shortage, stopped


class Opening(NamedTuple):
    """How a window begins: what the one before hands over, and what the new one starts with."""

    closing: Amounts
    opening: Amounts

    @property
    def carried(self) -> int:
        """The debt that the new window takes over."""
        return -self.closing.debt - self.closing.spent


def open_window(
    allocation: int,
    before: Balance | None = None,
    *,
    skipped: int = 0,
    rollover_max: int = 0,
) -> Opening:
    """What a window begins with: its allocation, and what the one before hands over.

    Its debt, which the new allocation pays first; and what nobody held or spent of it, at
    most `rollover_max` and what int64 holds. Both leave the window before, so nothing counts
    twice. Holds stay with the window they were made in; being over the limit ends there as
    well.

    `skipped`: how many windows passed in between that nobody opened. Their allocations
    pay debt too, as far as int64 holds what the window before then says, else a debt above
    one allocation would block until someone funds it; and what they have left rolls over
    like that of any window nobody used.
    """
    debt = before.debt if before is not None else 0
    left = before.remaining if before is not None else 0
    per_window = max(allocation, 0)
    paid_between = min(debt, per_window * skipped, _room_for_payments(before))
    most = min(rollover_max, INT64_MAX - per_window)
    moved = min(max(left, 0), most)
    rolled = min(moved + per_window * skipped - paid_between, most)
    owed = debt - paid_between
    paid = min(owed, per_window + rolled)
    return Opening(
        closing=Amounts(allocated=paid_between - moved, spent=paid_between, debt=-debt),
        opening=Amounts(allocated=allocation + rolled, spent=paid, debt=owed - paid),
    )


def _room_for_payments(before: Balance | None) -> int:
    """How much more the window before may say that it was given and has spent."""
    return INT64_MAX - max(before.allocated, before.spent) if before is not None else 0


def roll(balance: Balance, left: int) -> Amounts:
    """What leaves a rolling window by time, `left` of its `spent`, makes room: for its debt first.

    Debt that is paid so counts as spent from now on.
    """
    paid = min(balance.debt, left)
    return Amounts(spent=paid - left, debt=-paid)


def fund(balance: Balance, operation: FundOperation, amount: int, *, spent: int = 0) -> Amounts:
    """What an operator does to the current window.

    CREDIT adds `amount`, DEBIT takes it from what remains, RESET makes it the allocation,
    RESET_SPENT does so too and puts `spent` in place of what was spent, REPAY_DEBT pays
    debt with it from outside and adds what is too much. What adds repays debt first.

    Raises:
        BudgetRefused: BUDGET_EXCEEDED, a DEBIT of more than remains; BUDGET_FROZEN or
            BUDGET_CLOSED.

    Source: cycles-governance-admin-v0.1.25.yaml, fundBudget; cycles-protocol-v0.yaml,
    schema Balance ("debt MUST be repaid first").
    """
    reason = stopped(balance)
    if reason is not None:
        raise BudgetRefused(reason, shortage(balance, amount))
    limit = balance.overdraft_limit
    match operation:
        case FundOperation.CREDIT:
            return adjust(balance, by=amount, overdraft_limit=limit)
        case FundOperation.DEBIT:
            if balance.remaining < amount:
                raise BudgetRefused(Reason.BUDGET_EXCEEDED, shortage(balance, amount))
            return adjust(balance, by=-amount, overdraft_limit=limit)
        case FundOperation.RESET:
            return adjust(balance, by=amount - balance.allocated, overdraft_limit=limit)
        case FundOperation.RESET_SPENT:
            return _with_relief(
                balance, Amounts(allocated=amount - balance.allocated, spent=spent - balance.spent)
            )
        case FundOperation.REPAY_DEBT:
            paid = min(balance.debt, amount)
            return _with_relief(balance, Amounts(allocated=amount - paid, debt=-paid))


def purse_line(name: BudgetName) -> BudgetLine | None:
    """What makes the budget of a purse when it is first funded; None for any other budget.

    Source: docs/decisions/sub-budgets.md.
    """
    if name.period != Period.LIFETIME or carve_of(name.scope) is None:
        return None
    return BudgetLine(ScopePattern(name.scope), name.unit, name.period, allocated=0)


def _with_relief(balance: Balance, change: Amounts) -> Amounts:
    """Whatever an operator does ends being over the limit, unless the debt is still above it."""
    is_over = balance.is_over_limit and balance.debt + change.debt > balance.overdraft_limit
    return change._replace(over_limit=int(is_over) - int(balance.is_over_limit))


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
