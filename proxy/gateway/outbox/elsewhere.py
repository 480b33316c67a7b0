"""Settlements of a ledger elsewhere: every one is on the disk before it is told.

That ledger answers slowly or not at all, lets holds go by its own clock, and forgets
nothing that it was told under a key. So nobody waits for it, and a settlement is told with
the same key until it is understood, as an event once the hold is gone.
Source: client-recovery-scenarios.yaml (cycles-sdk-recovery 0.3), profile durable.
"""

from functools import partial
from typing import Final

from msgspec.structs import replace

from proxy.domain.errors import ReservationExpired, ReservationFinalized, ReservationNotFound
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.ending import Charged, GivenBack, LeftUncertain, Sentence
from proxy.gateway.outbox.landing import Landing
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.record import Amended, Record, Settle
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.settle import Settler
from proxy.ledger.cycles.ledger import CyclesLedger, Left
from proxy.ledger.records import Event, Settlement
from proxy.observe.logs import Log

LANES: Final = 16
"""Settlements under way at a time: an answer takes as long as the way there and back."""


class SettlerElsewhere(Settler):
    """Writes settlements down, and has them told."""

    def __init__(
        self,
        ledger: CyclesLedger,
        outbox: Outbox,
        leases: Leases,
        denials: Denials,
        queue: Queue,
        log: Log,
    ) -> None:
        super().__init__(Landing(ledger), outbox, leases, denials, queue, log)
        self._ledger = ledger

    async def settle(self, reservation_id: str, sentence: Sentence) -> Settlement | None:
        """Have the hold ended; None, as nobody waits for what the ledger says.

        One whose cost nobody knows is kept, extended and listed, while it can be.
        """
        if isinstance(sentence, LeftUncertain):
            await self._ledger.mark_uncertain(reservation_id)
            self._log.line("became_uncertain", reservation_id=reservation_id)
            return None
        self._leases.drop(reservation_id)
        for left in self._ledger.leave_to_journal(reservation_id):
            ended = partial(self._ended, left.reservation_id)
            await self._outbox.keep(_record(left, sentence), ended, why=None)
        return None


class LandingElsewhere(Landing):
    """Tells a ledger elsewhere how its holds have ended."""

    async def land(self, record: Record) -> Settlement | None:
        """As `Landing.land`.

        Raises:
            Amended: the hold is gone, so its cost is to be an event.
        """
        if not isinstance(record, Settle) or record.event is None:
            return await super().land(record)
        if record.as_event:
            return await self._apply(record.event)
        return await self._end(record, record.event)

    async def _end(self, record: Settle, event: Event) -> Settlement | None:
        match record.sentence:
            case Charged() as charged:
                try:
                    return await self._ledger.commit(
                        record.reservation_id,
                        actual=charged.actual,
                        key=event.key,
                        payload_hash=event.payload_hash,
                        estimated=charged.estimated,
                        metadata=charged.metadata,
                    )
                except (ReservationExpired, ReservationNotFound):
                    raise Amended(replace(record, as_event=True)) from None
            case GivenBack():
                try:
                    return await self._ledger.release(record.reservation_id, key=event.key)
                except (ReservationExpired, ReservationFinalized, ReservationNotFound):
                    return None  # nothing is held there any more, which is all that was wanted
            case LeftUncertain():
                return None


def _record(left: Left, sentence: Sentence) -> Settle:
    """What is written down of one unit of a hold."""
    event = left.event
    if isinstance(sentence, Charged):
        actual = {left.unit: sentence.actual[left.unit]}
        sentence = replace(sentence, actual=actual)
        event = replace(
            event,
            actual=actual,
            estimated=sentence.estimated,
            metadata={**event.metadata, **sentence.metadata},
        )
    return Settle(left.reservation_id, sentence, event)
