"""How a record is told to the ledger: the operations that carry it out, once or again.

The same record always has the same keys, so the ledger takes a second time for a replay.
"""

from functools import partial
from typing import Final

from proxy.domain.errors import (
    ActorRequired,
    ReservationExpired,
    ReservationFinalized,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.gateway.ending import Charged, GivenBack, LeftUncertain
from proxy.gateway.estimate import UNITS
from proxy.gateway.outbox.record import Ended, Left, Record, Settle
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Event, Settlement

_BESIDE: Final[tuple[tuple[Unit, ...], ...]] = (
    (),
    (Unit.CALLS,),
    (Unit.RISK_POINTS,),
    (Unit.RISK_POINTS, Unit.CALLS),
)
"""In which other units a call may be held."""


class Landing:
    """Carries records out."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def land(self, record: Record) -> Settlement | None:
        """End a hold as its sentence says, or charge what had none.

        None where nobody may know yet what it cost, and where there is nothing to charge.

        Raises:
            LedgerUnavailable: try again.
            LedgerError: the hold has ended another way, or there is none.
        """
        match record:
            case Settle():
                return await self._settle(record)
            case Left():
                return await self._apply(record.event)
            case Ended():
                return None if record.event is None else await self._apply(record.event)

    async def _apply(self, event: Event) -> Settlement:
        return (await self._ledger.apply(event)).settlement

    async def _settle(self, record: Settle) -> Settlement | None:
        key = f"{record.reservation_id}/settle"
        match record.sentence:
            case Charged() as charged:
                return await self._charge(record.reservation_id, charged, key)
            case GivenBack():
                return await self._give_back(record.reservation_id, key)
            case LeftUncertain():
                await self._ledger.mark_uncertain(record.reservation_id)
                return None

    async def _give_back(self, reservation_id: str, key: str) -> Settlement:
        try:
            return await self._ledger.release(reservation_id, key=key)
        except (ActorRequired, ReservationFinalized):
            # Its lease ran out while the ledger was away. Only a person gives up what is
            # uncertain; we know better what it cost. Or we have said so before.
            return await self._charge_nothing(reservation_id, key)

    async def _charge_nothing(self, reservation_id: str, key: str) -> Settlement:
        """End a hold by the knowledge that its call cost nothing, and was none."""
        commit = partial(self._ledger.commit, reservation_id, key=key, payload_hash="0")
        for more in _BESIDE[:-1]:
            try:
                return await commit(actual=dict.fromkeys((*UNITS, *more), 0))
            except UnitMismatch:
                continue
        return await commit(actual=dict.fromkeys((*UNITS, *_BESIDE[-1]), 0))

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
                metadata=charged.metadata,
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
