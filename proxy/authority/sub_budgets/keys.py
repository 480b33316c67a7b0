"""Whose key it is that a request comes with, while its sub-budget is open.

The ledger is asked at most twice a second for each key. What this process closes is closed here
at once, and what another closes within that time; a purse that is closed holds nothing anyway.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from proxy.authority.sub_budgets.credential import is_secret_of, parse
from proxy.authority.sub_budgets.terms import (
    SubBudgetLedger,
    is_carve,
    outer_carve,
    purse_filled_by,
    terms_of,
)
from proxy.domain.clock import Clock
from proxy.domain.errors import Reason, ReservationNotFound
from proxy.domain.key import Key
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, ScopePattern, budget_scopes
from proxy.domain.sub_budget import Child
from proxy.domain.subject import PURSE, RUN
from proxy.ledger.records import Balance, BudgetStatus, Reservation

_BELIEVED_NS: Final = 500_000_000
_REMEMBERED: Final = 4_096

_STOPPED: Final = {
    BudgetStatus.FROZEN: (Reason.BUDGET_FROZEN, "frozen"),
    BudgetStatus.CLOSED: (Reason.BUDGET_CLOSED, "closed"),
}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the ledger last said of an id, and when."""

    child: Child | None
    at_ns: int


class SubBudgetKeys:
    """The keys of the sub-budgets of one ledger."""

    def __init__(self, ledger: SubBudgetLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._forgotten = 0

    async def find(self, secret: str) -> Child | None:
        """Whose key this is; None for one that is unknown, closed or expired.

        Raises:
            LedgerError: the ledger cannot say.
        """
        key = parse(secret)
        if key is None:
            return None
        known = self._known.get(key.reservation_id)
        if known is None or self._clock.monotonic_ns() - known.at_ns > _BELIEVED_NS:
            known = await self._look(key.reservation_id)
        child = known.child
        if child is None or not is_secret_of(key.secret, child.key.sha256):
            return None
        return child if self._clock.now_ms() < child.expires_at_ms else None

    def forget(self) -> None:
        """Something was closed: believe nothing that was said before."""
        self._forgotten += 1
        self._known.clear()

    async def _look(self, reservation_id: str) -> _Known:
        forgotten = self._forgotten
        known = _Known(await self._load(reservation_id), self._clock.monotonic_ns())
        if forgotten == self._forgotten:
            self._known[reservation_id] = known
            self._known.move_to_end(reservation_id)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    async def _load(self, reservation_id: str) -> Child | None:
        carves = await self._with_outer(reservation_id)
        if not carves or any(row.state is not State.ACTIVE for row in carves):
            return None
        purses = [purse_filled_by(row) for row in carves]
        held = [scope for row in carves for scope in budget_scopes(row.subject)]
        balances = await self._ledger.balances(tuple(dict.fromkeys([*held, *purses])), *Unit)
        if not all(_is_open(purse, balances) for purse in purses):
            return None
        return _child(carves, _stopped(balances))

    async def _with_outer(self, reservation_id: str) -> list[Reservation]:
        """The carve of this id and those around it, innermost first; none if it is no carve."""
        found: list[Reservation] = []
        wanted: str | None = reservation_id
        while wanted is not None:
            try:
                row = await self._ledger.reservation(wanted)
            except ReservationNotFound:
                return []
            if not is_carve(row):
                return []
            found.append(row)
            wanted = outer_carve(row)
        return found


def _is_open(purse: Scope, balances: tuple[Balance, ...]) -> bool:
    statuses = {balance.status for balance in balances if balance.scope == purse}
    return statuses == {BudgetStatus.ACTIVE}


def _stopped(balances: tuple[Balance, ...]) -> tuple[Reason, str] | None:
    """How to refuse what is new, while a budget that the carves hold in is stopped.

    The purse alone would go on: whoever freezes a scope means those below it as well.
    """
    for balance in balances:
        if balance.status in _STOPPED:
            reason, word = _STOPPED[balance.status]
            return reason, (
                f"Budget is {word} for {balance.scope}, which the sub-budget was carved from. "
                "Do not retry."
            )
    return None


def _child(carves: list[Reservation], stopped: tuple[Reason, str] | None) -> Child:
    row, terms = carves[0], terms_of(carves[0])
    dimensions: dict[str, str] = {PURSE: purse_filled_by(row)}
    if RUN in row.subject.dimensions:
        dimensions[RUN] = row.subject.dimensions[RUN]
    return Child(
        key=Key(
            name=row.reservation_id,
            sha256=terms.secret_sha256,
            subject=dict(row.subject.levels()),
            permissions=frozenset(terms.permissions),
            scope_filter=tuple(map(ScopePattern, terms.reach)),
        ),
        dimensions=dimensions,
        limits=terms.limits,
        expires_at_ms=min(carve.expires_at_ms for carve in carves),
        depth=terms.depth,
        stopped=stopped,
    )
