"""Leases of a ledger elsewhere: when each is to be extended is its own affair.

Stands before such a ledger where `Leases` extends holds, and asks it every second whether
it is time to.
"""

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.cycles.ledger import CyclesLedger
from proxy.ledger.records import Lease
from proxy.observe.logs import Log


class Heartbeats:
    """Extends what is due, and tells of every extension that had no answer."""

    def __init__(self, ledger: CyclesLedger, log: Log) -> None:
        self._ledger = ledger
        self._log = log

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        """Extend the hold if it is time to. By how much, and with which key, the ledger knows.

        Raises:
            LedgerUnavailable: it is tried again while the lease lasts.
            LedgerError: it is not.
        """
        try:
            return await self._ledger.keep_alive(reservation_id)
        except LedgerUnavailable as failure:
            self._log.line("heartbeat_failed", reservation_id=reservation_id, why=str(failure))
            raise
