"""Holds kept alive: every open hold is extended from one timer, whatever its call waits for.

A proxy that died extends nothing, so its holds end with their leases.
"""

import asyncio
from typing import Final, Protocol

from proxy.domain.errors import LedgerError, LedgerUnavailable
from proxy.ledger.records import Lease
from proxy.observe.logs import Log

_BEATS_PER_TTL: Final = 3
"""A beat may fail twice before a lease is over."""


class Extender(Protocol):
    """What extends a hold: a ledger."""

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        """As `Ledger.extend`."""
        ...


class Leases:
    """The open holds of this process."""

    def __init__(
        self, ledger: Extender, log: Log, *, ttl_ms: int, beat_ms: int | None = None
    ) -> None:
        """`beat_ms`: how often to beat, where that does not follow from the lease."""
        self._ledger = ledger
        self._log = log
        self.beat_ms = beat_ms or ttl_ms // _BEATS_PER_TTL
        self._beats: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._beats)

    def keep(self, reservation_id: str) -> None:
        """Extend this hold from the next beat on."""
        self._beats[reservation_id] = 0

    def drop(self, reservation_id: str) -> None:
        """The hold has ended, or nobody knows its outcome: leave it alone."""
        self._beats.pop(reservation_id, None)

    async def beat(self) -> None:
        """Extend every open hold by the time between two beats."""
        await asyncio.gather(*map(self._extend, list(self._beats)))

    async def _extend(self, reservation_id: str) -> None:
        number = self._beats.get(reservation_id)
        if number is None:
            return
        try:
            await self._ledger.extend(
                reservation_id, by_ms=self.beat_ms, key=f"{reservation_id}/extend/{number}"
            )
        except LedgerUnavailable:
            # The same key goes out with the next beat: an extension that did land
            # without an answer is then not added twice.
            return
        except LedgerError as error:
            # Of one that was settled meanwhile, this is how the ledger says so.
            if reservation_id in self._beats:
                self._log.line(
                    "extend_failed", reservation_id=reservation_id, error=type(error).__name__
                )
                self.drop(reservation_id)
            return
        if reservation_id in self._beats:
            self._beats[reservation_id] = number + 1
