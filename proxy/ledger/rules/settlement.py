"""What a hold becomes when its call ends, and what is charged once there is room again."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from proxy.domain.errors import CommitRejected, Reason
from proxy.domain.money import INT64_MAX, Unit
from proxy.domain.reservation import Overage
from proxy.ledger.journal import Amounts
from proxy.ledger.records import Balance
from proxy.ledger.rules.posting import post

_WindowT = TypeVar("_WindowT", bound=Hashable)


class Charge(msgspec.Struct, frozen=True):
    """What a settlement takes, by unit. charged + uncovered = the actual.

    `changes` stand in the order of the balances that were given.
    """

    charged: Mapping[Unit, int]
    uncovered: Mapping[Unit, int]
    changes: tuple[Amounts, ...]


def charge(
    balances: Sequence[Balance],
    *,
    held: Mapping[Unit, int],
    actual: Mapping[Unit, int],
    overage: Overage,
    refusable: bool,
    uncertain: bool = False,
) -> Charge:
    """Turn a hold of `held` into a charge of `actual`, the same in every balance of a unit.

    What goes beyond the hold is taken as far as every balance of its unit can fund it:
    from what remains and, with ALLOW_WITH_OVERDRAFT, as debt up to the limit. The rest is
    uncovered, and the balances that could not fund all of it are over their limit. A unit
    without a balance is charged as it is.

    `refusable`: a commit over the protocol, which REJECT and a full overdraft refuse.
    Otherwise the money is spent already, and nothing is refused.

    Raises:
        CommitRejected: only when `refusable`.

    Source: cycles-protocol-v0.yaml, CommitOveragePolicy.
    """
    uncovered = {}
    changes: dict[Unit, Iterator[Amounts]] = {}
    for unit, amount in actual.items():
        hold = held[unit]
        ended = Amounts(reserved=-hold, spent=amount, uncertain=-hold if uncertain else 0)
        own = [balance for balance in balances if balance.unit is unit] if amount > hold else ()
        if own:
            excess = amount - hold
            lacking, own_changes = _fund(own, ended, excess, overage, refusable=refusable)
            uncovered[unit], changes[unit] = lacking, iter(own_changes)
        else:
            uncovered[unit], changes[unit] = 0, repeat(ended)
    return Charge(
        {unit: amount - uncovered[unit] for unit, amount in actual.items()},
        uncovered,
        tuple([next(changes[balance.unit]) for balance in balances]),
    )


def _fund(
    balances: Sequence[Balance],
    ended: Amounts,
    excess: int,
    overage: Overage,
    *,
    refusable: bool,
) -> tuple[int, Sequence[Amounts]]:
    """What of an excess stays uncovered, and what the end of the hold becomes, in one unit."""
    if refusable and overage is Overage.REJECT:
        raise _rejected(Reason.BUDGET_EXCEEDED, "the actual is above the hold")
    rooms = [_room(balance, overage, refusable=refusable) for balance in balances]
    funded = min(excess, *rooms)
    changes = []
    for balance, room in zip(balances, rooms, strict=True):
        paid = min(funded, max(balance.remaining, 0))
        debt = funded - paid
        if refusable and debt and balance.debt + debt > balance.overdraft_limit:
            raise _rejected(Reason.OVERDRAFT_LIMIT_EXCEEDED, f"{balance.scope} has no more credit")
        changes.append(
            ended._replace(
                spent=ended.spent - excess + paid,
                debt=debt,
                uncovered=excess - funded,
                over_limit=int(room < excess and not balance.is_over_limit),
            )
        )
    return excess - funded, changes


def _room(balance: Balance, overage: Overage, *, refusable: bool) -> int:
    """How much of an excess this balance can fund."""
    remaining = max(balance.remaining, 0)
    if overage is not Overage.ALLOW_WITH_OVERDRAFT or balance.overdraft_limit == 0:
        return remaining
    if refusable:
        return INT64_MAX  # a full overdraft does not cap the charge, it refuses the commit
    return remaining + max(balance.overdraft_limit - balance.debt, 0)


def _rejected(reason: Reason, why: str) -> CommitRejected:
    rejected = CommitRejected(why)
    rejected.reason = reason
    return rejected


def give_back(held: int, *, uncertain: bool) -> Amounts:
    """The whole hold returns to what remains."""
    return Amounts(reserved=-held, uncertain=-held if uncertain else 0)


def doubt(held: int) -> Amounts:
    """Nobody knows what became of the call: its hold stays, and counts as uncertain."""
    return Amounts(uncertain=held)


ARREARS_MAX: Final = 100
"""How many settled holds one operation looks at to pay what they owe; the next one goes on."""


class Arrear(NamedTuple, Generic[_WindowT]):
    """A settled hold whose windows in this unit still owe `uncovered`."""

    number: int
    unit: Unit
    windows: tuple[_WindowT, ...]
    uncovered: int


def may_repay(balance: Balance) -> bool:
    """Whether a window with this balance may pay what it owes, or be relieved.

    Homes look for what a window owes only then.
    """
    return balance.remaining > 0 if balance.uncovered else balance.is_over_limit


@dataclass(frozen=True, slots=True)
class Repayment(Generic[_WindowT]):
    """What can be charged now, and the windows that are then no longer over their limit."""

    paid: tuple[Arrear[_WindowT], ...]
    relieved: tuple[_WindowT, ...]


def repay(
    balances: Mapping[_WindowT, Balance], arrears: Iterable[Arrear[_WindowT]]
) -> Repayment[_WindowT]:
    """Charge what is owed, oldest first, each as a whole and in all its windows or in none.

    `balances` has every window of every arrear. A window stops being over its limit when
    what remains covers all it still owes: a microcent never blocks it for ever.
    """
    standing = dict(balances)
    paid = []
    for arrear in arrears:
        if all(standing[window].remaining >= arrear.uncovered for window in arrear.windows):
            paid.append(arrear)
            for window in arrear.windows:
                standing[window] = post(standing[window], pay(arrear.uncovered))
    relieved = (window for window, balance in standing.items() if _is_relieved(balance))
    return Repayment(tuple(paid), tuple(relieved))


RELIEF = Amounts(over_limit=-1)
"""A window is no longer over its limit."""


def pay(uncovered: int) -> Amounts:
    """What was owed becomes spent."""
    return Amounts(spent=uncovered, uncovered=-uncovered)


def _is_relieved(balance: Balance) -> bool:
    return (
        balance.is_over_limit
        and balance.remaining >= balance.uncovered
        and balance.debt <= balance.overdraft_limit
    )
