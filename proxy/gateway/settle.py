"""Step 7. End each hold exactly once, whatever became of the call.

Settlements belong to the server: the caller may be gone, the handler cancelled. While the
ledger cannot be reached a settlement waits here and is tried again with the same key,
which never charges twice; a process that dies first leaves the hold to `recover`, which
keeps what was dispatched as uncertain.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.domain.errors import (
    ActorRequired,
    LedgerError,
    LedgerUnavailable,
    ReservationExpired,
    ReservationFinalized,
)
from proxy.domain.money import Unit
from proxy.gateway.denials import Denials
from proxy.gateway.estimate import UNITS
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.protocol import Ledger, Settlement
from proxy.observe.logs import Log

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_NOTHING: Final = dict.fromkeys(UNITS, 0)


class Charged(msgspec.Struct, frozen=True):
    """End a hold by charging `actual`, in each of its units."""

    actual: Mapping[Unit, int]
    estimated: bool
    model: str


class GivenBack(msgspec.Struct, frozen=True):
    """End a hold for nothing."""


class LeftUncertain(msgspec.Struct, frozen=True):
    """Keep the hold until someone knows."""


Sentence = Charged | GivenBack | LeftUncertain


class Settler:
    """Ends holds, and keeps trying while the ledger is away."""

    def __init__(
        self,
        ledger: Ledger,
        leases: Leases,
        denials: Denials,
        queue: Queue,
        tasks: TaskSet,
        log: Log,
    ) -> None:
        self._ledger = ledger
        self._leases = leases
        self._denials = denials
        self._queue = queue
        self._tasks = tasks
        self._log = log
        self.pending = 0

    async def settle(self, reservation_id: str, sentence: Sentence) -> Settlement | None:
        """End the hold; None when that has to wait for the ledger, or nobody may know yet.

        Never raises what the ledger says: the answer is on its way to the caller already.
        """
        try:
            settlement = await self._carry_out(reservation_id, sentence)
        except LedgerUnavailable as failure:
            self._log.line("settlement_waits", reservation_id=reservation_id, why=str(failure))
            self._tasks.start(
                self._try_again(reservation_id, sentence), name=f"settle {reservation_id}"
            )
            return None
        self._ended(reservation_id, settlement)
        return settlement

    def _ended(self, reservation_id: str, settlement: Settlement | None) -> None:
        self._leases.drop(reservation_id)
        if settlement is None:
            return
        self._denials.forget(balance.scope for balance in settlement.balances)
        self._queue.made_room(settlement.balances)
        if any(settlement.uncovered.values()):
            self._log.line(
                "uncovered",
                reservation_id=reservation_id,
                uncovered_microcents=settlement.uncovered[Unit.USD_MICROCENTS],
                uncovered_tokens=settlement.uncovered[Unit.TOKENS],
            )

    async def _try_again(self, reservation_id: str, sentence: Sentence) -> None:
        self.pending += 1
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                try:
                    settlement = await self._carry_out(reservation_id, sentence)
                except LedgerUnavailable:
                    continue
                self._ended(reservation_id, settlement)
                self._log.line("settlement_landed", reservation_id=reservation_id)
                return
        finally:
            self.pending -= 1

    async def _carry_out(self, reservation_id: str, sentence: Sentence) -> Settlement | None:
        key = f"{reservation_id}/settle"
        try:
            match sentence:
                case Charged():
                    return await self._charge(reservation_id, sentence, key)
                case GivenBack():
                    return await self._give_back(reservation_id, key)
                case LeftUncertain():
                    await self._ledger.mark_uncertain(reservation_id)
                    return None
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            # The hold has already ended another way; there is nothing left to end.
            self._log.line(
                "settlement_refused", reservation_id=reservation_id, error=type(error).__name__
            )
            return None

    async def _give_back(self, reservation_id: str, key: str) -> Settlement:
        try:
            return await self._ledger.release(reservation_id, key=key)
        except ActorRequired:
            # Its lease ran out while the ledger was away. Only a person gives up what is
            # uncertain; we know better what it cost.
            return await self._ledger.commit(
                reservation_id, actual=_NOTHING, key=key, payload_hash="0"
            )

    async def _charge(self, reservation_id: str, charged: Charged, key: str) -> Settlement:
        amounts = "/".join(f"{amount} {unit}" for unit, amount in charged.actual.items())
        payload_hash = f"{amounts}/{charged.estimated}"
        try:
            return await self._ledger.commit(
                reservation_id,
                actual=charged.actual,
                key=key,
                payload_hash=payload_hash,
                estimated=charged.estimated,
                metadata={"served_model": charged.model},
            )
        except (ReservationFinalized, ReservationExpired):
            # An operator, or the end of its time, ended this hold before its cost was
            # known. The money is spent all the same.
            return await self._ledger.charge_late(
                reservation_id,
                actual=charged.actual,
                key=key,
                payload_hash=payload_hash,
                estimated=charged.estimated,
            )
