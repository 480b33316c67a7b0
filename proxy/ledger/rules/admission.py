"""Which rung of a plan is held, or why none is."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.ledger.protocol import Balance, BudgetStatus, Rung


class Granted(NamedTuple):
    """The first rung that fits, and the amount to hold in every scope."""

    rung: int
    amount: int


def grant(
    balances: Sequence[Balance], plan: Sequence[Rung], *, max_share_pct: int, own: int = 0
) -> Granted:
    """The first rung that every balance can hold.

    `balances` go root to leaf. A shortened rung gets at most `max_share_pct` of what the
    tightest balance has left, unless its minimum is more. `own` is what the asker holds
    already: it cannot wait for itself.

    Raises:
        BudgetRefused: for the first balance that cannot hold the smallest rung. It is
            BUDGET_BUSY when every balance that cannot would, once the calls in flight
            whose outcome is known to come have settled.
    """
    required = min([rung.minimum for rung in plan])
    _check_each(balances, required, own)
    tightest = min([balance.remaining for balance in balances])
    share = tightest * max_share_pct // 100
    return next(
        Granted(number, amount)
        for number, rung in enumerate(plan)
        if (amount := _wanted(rung, share)) <= tightest
    )


def _wanted(rung: Rung, share: int) -> int:
    if rung.minimum == rung.want:
        return rung.want
    return min(rung.want, max(rung.minimum, share))


def check_free(balances: Iterable[Balance]) -> None:
    """A call that costs nothing is stopped only by a frozen or a closed budget.

    Raises:
        BudgetRefused: BUDGET_FROZEN or BUDGET_CLOSED.
    """
    for balance in balances:
        reason = _stopped(balance)
        if reason is not None:
            raise BudgetRefused(reason, shortage(balance, 0))


def _check_each(balances: Sequence[Balance], required: int, own: int) -> None:
    """Root to leaf, the first balance that fails names the reason."""
    failing = [
        (balance, reason)
        for balance in balances
        if (reason := _obstacle(balance, required)) is not None
    ]
    if not failing:
        return
    balance, reason = failing[0]
    if all(
        other is Reason.BUDGET_EXCEEDED and _has_room_once_settled(held, required, own)
        for held, other in failing
    ):
        reason = Reason.BUDGET_BUSY
    raise BudgetRefused(reason, shortage(balance, required))


def _obstacle(balance: Balance, required: int) -> Reason | None:
    """Why this balance cannot hold so much; in the order of the protocol."""
    if balance.status is not BudgetStatus.ACTIVE:
        return _stopped(balance)
    if balance.is_over_limit:
        return Reason.OVERDRAFT_LIMIT_EXCEEDED
    if balance.debt > 0 and balance.overdraft_limit == 0:
        return Reason.DEBT_OUTSTANDING
    if balance.remaining < required:
        return Reason.BUDGET_EXCEEDED
    return None


def _stopped(balance: Balance) -> Reason | None:
    if balance.status is BudgetStatus.FROZEN:
        return Reason.BUDGET_FROZEN
    if balance.status is BudgetStatus.CLOSED:
        return Reason.BUDGET_CLOSED
    return None


def _has_room_once_settled(balance: Balance, required: int, own: int) -> bool:
    in_flight = balance.reserved - balance.uncertain - own
    return balance.remaining + in_flight >= required


def shortage(balance: Balance, required: int) -> Shortage:
    """What a refusal says: this balance, and how much it would have needed."""
    return Shortage(
        scope=balance.scope,
        unit=balance.unit,
        required=required,
        remaining=balance.remaining,
        resets_at_ms=balance.window_end_ms,
    )
