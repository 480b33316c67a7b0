"""Which rung of a plan is held, or why none is."""

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.domain.money import INT64_MAX, Unit
from proxy.ledger.records import Balance, BudgetStatus, Rung, Span

NOTHING: Final[Mapping[Unit, int]] = MappingProxyType({})


class Granted(NamedTuple):
    """The first rung that fits, and the amount to hold in every scope, by unit."""

    rung: int
    amounts: Mapping[Unit, int]


def grant(
    balances: Sequence[Balance],
    plan: Sequence[Rung],
    *,
    max_share_pct: int,
    free: Container[Unit] = (),
    own: Mapping[Unit, int] = NOTHING,
) -> Granted:
    """The first rung that every balance can hold.

    `balances` go root to leaf, in any unit of the plan; a unit without any is limited by
    nothing. A shortened rung gets at most `max_share_pct` of what the tightest balance
    of a unit has left, unless its minimum is more. In a `free` unit the call costs
    nothing: there only a frozen or a closed budget stops it. `own` is what the asker
    holds already: it cannot wait for itself.

    Raises:
        BudgetRefused: for the first balance that cannot hold the smallest rung. It is
            BUDGET_BUSY when every balance that cannot would, once the calls in flight
            whose outcome is known to come have settled.
    """
    least = {unit: min([rung[unit].minimum for rung in plan]) for unit in plan[0]}
    failing, tightest = _look_at(balances, least, free)
    if failing:
        raise _refusal(failing, least, own)
    for number, rung in enumerate(plan):
        amounts = {
            unit: _wanted(span, tightest, unit, max_share_pct) for unit, span in rung.items()
        }
        if all([amounts[unit] <= remaining for unit, remaining in tightest.items()]):
            return Granted(number, amounts)
    # Each unit has room for its own smallest rung, and they are not the same rung.
    last = {unit: span.minimum for unit, span in plan[-1].items()}
    failing, _ = _look_at(balances, last, free)
    raise _refusal(failing, last, own)


def _wanted(span: Span, tightest: Mapping[Unit, int], unit: Unit, max_share_pct: int) -> int:
    if span.minimum == span.want or unit not in tightest:
        return span.want
    return min(span.want, max(span.minimum, tightest[unit] * max_share_pct // 100))


_Failing = Sequence[tuple[Balance, Reason]]


def _look_at(
    balances: Iterable[Balance], required: Mapping[Unit, int], free: Container[Unit]
) -> tuple[_Failing, Mapping[Unit, int]]:
    """Root to leaf, the balances that cannot hold so much; and what each unit has left."""
    failing = []
    tightest: dict[Unit, int] = {}
    for balance in balances:
        unit = balance.unit
        if unit in free:
            reason = stopped(balance)
        else:
            remaining = balance.remaining
            reason = _obstacle(balance, remaining, required[unit])
            if remaining < tightest.get(unit, INT64_MAX + 1):
                tightest[unit] = remaining
        if reason is not None:
            failing.append((balance, reason))
    return failing, tightest


def _refusal(
    failing: _Failing, required: Mapping[Unit, int], own: Mapping[Unit, int]
) -> BudgetRefused:
    """The first that fails names the reason."""
    balance, reason = failing[0]
    if all(
        other is Reason.BUDGET_EXCEEDED
        and _has_room_once_settled(held, required[held.unit], own.get(held.unit, 0))
        for held, other in failing
    ):
        reason = Reason.BUDGET_BUSY
    return BudgetRefused(reason, shortage(balance, required[balance.unit]))


def _obstacle(balance: Balance, remaining: int, required: int) -> Reason | None:
    """Why this balance cannot hold so much; in the order of the protocol."""
    if balance.status is not BudgetStatus.ACTIVE:
        return stopped(balance)
    if balance.is_over_limit:
        return Reason.OVERDRAFT_LIMIT_EXCEEDED
    if balance.debt > 0 and balance.overdraft_limit == 0:
        return Reason.DEBT_OUTSTANDING
    if remaining < required:
        return _lack(balance)
    return None


def _lack(balance: Balance) -> Reason:
    """What it is called that there is not enough. A call that runs gives no count of it back."""
    if balance.unit is not Unit.CALLS:
        return Reason.BUDGET_EXCEEDED
    return Reason.COOLDOWN if balance.period.rolling_ms else Reason.STEPS_EXHAUSTED


def covers(units: Iterable[Unit], asked: Iterable[Unit]) -> bool:
    """Whether budgets in these units pay for what is asked for in those.

    Those that only count calls do not; and what costs money or tokens is not paid in risk points.
    """
    limiting = {Unit.CALLS}
    if not {*asked} <= {Unit.CALLS, Unit.RISK_POINTS}:
        limiting.add(Unit.RISK_POINTS)
    return any(unit not in limiting for unit in units)


def stopped(balance: Balance) -> Reason | None:
    """Why a budget takes nothing new at all, if it does not."""
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
        rolling_ms=balance.period.rolling_ms,
    )
