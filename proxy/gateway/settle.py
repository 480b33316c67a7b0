"""Step 7. End each hold exactly once, whatever became of the call.

Settlements belong to the server: the caller may be gone, the handler cancelled. While the
ledger cannot be reached a settlement waits in the outbox, on disk, and lands with the same
key, which never charges twice. A hold of which nobody could say any more how it ended is
left to `recover`, which keeps what was dispatched as uncertain.
"""

from functools import partial

from proxy.domain.errors import LedgerError, LedgerUnavailable, Reason, Refused
from proxy.domain.money import Unit
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.ending import Sentence
from proxy.gateway.outbox.landing import Landing
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.record import Settle
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.ledger.records import Settlement
from proxy.observe.logs import Log


class Settler:
    """Ends holds, and has it done later while the ledger is away."""

    def __init__(
        self,
        landing: Landing,
        outbox: Outbox,
        leases: Leases,
        denials: Denials,
        queue: Queue,
        log: Log,
    ) -> None:
        self._landing = landing
        self._outbox = outbox
        self._leases = leases
        self._denials = denials
        self._queue = queue
        self._log = log

    def check_ready(self) -> None:
        """Refuse early what could not be settled.

        Raises:
            Refused: AUTHORITY_UNAVAILABLE, so much waits for the ledger that no more may.
        """
        if self._outbox.is_full:
            raise Refused(
                Reason.AUTHORITY_UNAVAILABLE,
                "Too many settlements wait for the budget ledger (ledger.journal_max_bytes), so "
                "nothing was sent. Retry shortly.",
            )

    async def settle(self, reservation_id: str, sentence: Sentence) -> Settlement | None:
        """End the hold; None when that has to wait for the ledger, or nobody may know yet.

        Never raises what the ledger says: the answer is on its way to the caller already.
        """
        record = Settle(reservation_id, sentence)
        try:
            settlement = await self._landing.land(record)
        except LedgerUnavailable as failure:
            ended = partial(self._ended, reservation_id)
            await self._outbox.keep(record, ended, why=str(failure))
            return None
        except LedgerError as error:
            # The hold has already ended another way; there is nothing left to end.
            self._log.line(
                "settlement_refused", reservation_id=reservation_id, error=type(error).__name__
            )
            settlement = None
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
                uncovered_microcents=settlement.uncovered.get(Unit.USD_MICROCENTS, 0),
                uncovered_tokens=settlement.uncovered.get(Unit.TOKENS, 0),
                uncovered_risk_points=settlement.uncovered.get(Unit.RISK_POINTS, 0),
            )
