"""A balance after a change. Nothing leaves int64, and nothing that counts goes below zero."""

from proxy.domain.errors import AmountOutOfRange
from proxy.domain.money import INT64_MAX, INT64_MIN
from proxy.ledger.journal import Amounts
from proxy.ledger.records import Balance


def post(balance: Balance, change: Amounts) -> Balance:
    """The balance after the change.

    Raises:
        AmountOutOfRange: an amount, or what remains, would leave int64.
    """
    allocated = balance.allocated + change.allocated
    reserved = balance.reserved + change.reserved
    spent = balance.spent + change.spent
    debt = balance.debt + change.debt
    uncertain = balance.uncertain + change.uncertain
    uncovered = balance.uncovered + change.uncovered
    assert 0 <= uncertain <= reserved, "a hold ends once"
    assert spent >= 0, "nothing is paid twice"
    assert debt >= 0, "nothing is paid twice"
    assert uncovered >= 0, "nothing is paid twice"
    remaining = allocated - spent - reserved - debt
    if not (
        INT64_MIN <= allocated <= INT64_MAX
        and INT64_MIN <= remaining <= INT64_MAX
        and reserved <= INT64_MAX
        and spent <= INT64_MAX
        and debt <= INT64_MAX
        and uncovered <= INT64_MAX
    ):
        raise AmountOutOfRange(f"{balance.scope}: an amount would leave int64")
    return Balance(
        balance.scope,
        balance.unit,
        balance.period,
        balance.window_start_ms,
        balance.window_end_ms,
        allocated,
        reserved,
        spent,
        debt,
        uncertain,
        uncovered,
        balance.overdraft_limit,
        bool(balance.is_over_limit + change.over_limit),
        balance.status,
        balance.declared,
    )


def check_amount(amount: int) -> None:
    """An amount that a caller names.

    Raises:
        AmountOutOfRange: it is negative or beyond int64.
    """
    if not 0 <= amount <= INT64_MAX:
        raise AmountOutOfRange(f"{amount} is not an amount between 0 and 2**63 - 1")
