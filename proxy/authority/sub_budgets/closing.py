"""A sub-budget ends: nothing new is held from its purse, and the parent is charged what was.

    purse ACTIVE ──▶ FROZEN: it drains ──▶ the carve is settled ──▶ CLOSED

The status of the purse says how far it came, so any process can go on where another stopped:
every step is done once however often it is done. A purse that is not CLOSED is still to be.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from proxy.authority.sub_budgets.carving import ACTOR
from proxy.authority.sub_budgets.terms import (
    SubBudgetLedger,
    is_carve,
    outer_carve,
    purse_filled_by,
    terms_of,
)
from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerError, Refused, ReservationExpired, ReservationNotFound
from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope, carve_of
from proxy.ledger.records import Balance, BudgetStatus, Reservation

LOOK_PAUSE_NS: Final = 30_000_000_000
"""How often to look for purses that this process has not met."""

_SETTLE_KEY: Final = "sub-budget:close"


class Closer:
    """Closes the sub-budgets of one ledger when they are done or their time is over."""

    def __init__(self, ledger: SubBudgetLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._expires_at_ms: dict[str, int] = {}
        self._ending: set[str] = set()
        self._looked_at_ns: int | None = None

    def watch(self, row: Reservation) -> None:
        """A sub-budget was carved here: it ends when its time is over."""
        self._expires_at_ms[row.reservation_id] = row.expires_at_ms

    async def close(self, row: Reservation) -> None:
        """Begin to close it, and finish if nothing is held from it."""
        self._ending.add(row.reservation_id)
        await self._look()
        await self._go_on()

    async def tend(self) -> None:
        """Go on with what is ending. To be called every second or so."""
        now_ms, now_ns = self._clock.now_ms(), self._clock.monotonic_ns()
        self._ending |= {name for name, end in self._expires_at_ms.items() if end <= now_ms}
        if self._looked_at_ns is None or now_ns - self._looked_at_ns >= LOOK_PAUSE_NS:
            await self._look()
            self._looked_at_ns = now_ns
        await self._go_on()

    async def _look(self) -> None:
        """Meet the purses that are not closed, whoever made them."""
        for purse, statuses in (await self._open_purses()).items():
            row = await self._carve_of(purse)
            if row is None:
                continue
            self.watch(row)
            if statuses != {BudgetStatus.ACTIVE} or not await self._lives(row):
                self._ending.add(row.reservation_id)

    async def _open_purses(self) -> dict[Scope, set[BudgetStatus]]:
        found: dict[Scope, set[BudgetStatus]] = {}
        for balance in await self._ledger.all_balances():
            if carve_of(balance.scope) is not None:
                found.setdefault(balance.scope, set()).add(balance.status)
        return {purse: all_of for purse, all_of in found.items() if all_of != {BudgetStatus.CLOSED}}

    async def _carve_of(self, purse: Scope) -> Reservation | None:
        """The hold that fills a purse; None where an operator funded one that has none."""
        reservation_id = carve_of(purse)
        try:
            row = await self._ledger.reservation(reservation_id or "")
        except ReservationNotFound:
            return None
        return row if is_carve(row) and purse_filled_by(row) == purse else None

    async def _lives(self, row: Reservation) -> bool:
        """Whether the carve and those around it still hold, and none of them is ending."""
        around: Reservation | None = row
        while around is not None:
            is_over = around.expires_at_ms <= self._clock.now_ms()
            if around.state is not State.ACTIVE or is_over or around.reservation_id in self._ending:
                return False
            outer = outer_carve(around)
            around = None if outer is None else await self._ledger.reservation(outer)
        return True

    async def _go_on(self) -> None:
        """One step further with each that is ending, the inner ones of nested ones first."""
        rows = [await self._ledger.reservation(name) for name in tuple(self._ending)]
        for row in sorted(rows, key=lambda row: terms_of(row).depth, reverse=True):
            if await self._finish(row):
                self._ending.discard(row.reservation_id)
                self._expires_at_ms.pop(row.reservation_id, None)

    async def _finish(self, row: Reservation) -> bool:
        """Freeze, wait until it is drained, settle; whether it is closed now."""
        purse = purse_filled_by(row)
        balances = await self._ledger.balances([purse], *Unit)
        if any(balance.status is BudgetStatus.ACTIVE for balance in balances):
            balances = await self._set(purse, BudgetStatus.FROZEN)
        if any(balance.reserved for balance in balances):
            return False
        if not await settle(self._ledger, row, _spent(row, balances)):
            return False
        if any(balance.status is not BudgetStatus.CLOSED for balance in balances):
            await self._set(purse, BudgetStatus.CLOSED)
        return True

    async def _set(self, purse: Scope, status: BudgetStatus) -> tuple[Balance, ...]:
        return await self._ledger.set_status(purse, None, status, actor=ACTOR)


def _spent(row: Reservation, balances: tuple[Balance, ...]) -> Mapping[Unit, int]:
    """What the child's calls cost, whether or not the purse could pay it."""
    used = {b.unit: b.spent + b.debt + b.uncovered for b in balances}
    return {unit: used.get(unit, 0) for unit in row.amounts}


async def settle(ledger: SubBudgetLedger, row: Reservation, spent: Mapping[Unit, int]) -> bool:
    """Charge the parent once; whether that is done.

    A carve that expired, or that an operator released, is charged late: the child's calls are
    billed all the same. One that an operator committed was charged what they said.
    """
    hash_of_spent = _written(spent)
    try:
        if row.state in OPEN:
            with suppress(ReservationExpired):
                await ledger.commit(
                    row.reservation_id, actual=spent, key=_SETTLE_KEY, payload_hash=hash_of_spent
                )
                return True
        if row.state is not State.COMMITTED and any(spent.values()):
            await ledger.charge_late(
                row.reservation_id, actual=spent, key=_SETTLE_KEY, payload_hash=hash_of_spent
            )
    except (LedgerError, Refused):
        # The ledger is away, another hand was faster, or the tenant is closed: then the hold
        # has to expire first. Look again.
        return False
    return True


def _written(spent: Mapping[Unit, int]) -> str:
    return " ".join(f"{unit}={spent[unit]}" for unit in Unit if unit in spent)
