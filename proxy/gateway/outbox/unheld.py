"""Calls that leave without a hold while the ledger is away (`when_unavailable: allow`).

That a call leaves is on the disk before it does: should this process die, the next charges
it what it could cost at most. Source: docs/semantics.md, "While the ledger is away".
"""

from collections.abc import Mapping
from functools import partial

from msgspec.structs import replace

from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.gateway.ending import Charged, GivenBack, LeftUncertain, Sentence
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.record import Ended
from proxy.ledger.records import Event, Grant, ReserveRequest, Settlement
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics


class Unheld(Grant, frozen=True, kw_only=True):
    """What a call leaves with where nothing could be held: `event` is charged later.

    It has no reservation, no lease and no balances; `amounts` is what it can cost.
    """

    event: Event


class UnheldCalls:
    """Lets calls leave without a hold, and has them charged when the ledger is back."""

    def __init__(self, outbox: Outbox, metrics: Metrics, log: Log) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._log = log

    async def let_leave(
        self, request: ReserveRequest, *, rung: int, amounts: Mapping[Unit, int], why: str
    ) -> Unheld:
        """Write down that the call of this request leaves and can cost so much.

        `why` it could not be held. Its key is not that of the hold: the ledger may have
        made one whose answer was lost.

        Raises:
            Refused: AUTHORITY_UNAVAILABLE, it could not be written down.
        """
        key = f"{request.key}/unheld"
        event = Event(
            key=key,
            # Whoever charges it first, by its bill or by its estimate, is right.
            payload_hash=key,
            subject=request.subject,
            actual=amounts,
            overage=request.overage,
            is_spent=True,
            estimated=True,
            action_kind=request.action_kind,
            action_name=request.action_name,
            trace_id=request.trace_id,
            price_version=request.price_version,
            metadata=request.metadata,
        )
        if not await self._outbox.let_leave(event, why=why):
            raise Refused(
                Reason.AUTHORITY_UNAVAILABLE,
                "The budget ledger cannot be reached, and that this call leaves could not be "
                "written down, so nothing was sent. Retry shortly.",
            )
        self._metrics.unheld.inc()
        return Unheld("", rung, amounts, 0, 0, (), (), event=event)

    async def charge(self, call: Unheld, sentence: Sentence) -> None:
        """Have it charged what it cost, or what it could cost where nobody knows."""
        event: Event | None
        match sentence:
            case Charged():
                event = replace(
                    call.event,
                    actual=sentence.actual,
                    estimated=sentence.estimated,
                    metadata={**call.event.metadata, **sentence.metadata},
                )
            case GivenBack():
                event = None
            case LeftUncertain():
                event = call.event
        key = call.event.key
        await self._outbox.keep(Ended(key, event), partial(self._charged, key), why=None)

    def _charged(self, key: str, settlement: Settlement | None) -> None:
        if settlement is not None and any(settlement.uncovered.values()):
            self._log.line(
                "uncovered",
                key=key,
                uncovered_microcents=settlement.uncovered.get(Unit.USD_MICROCENTS, 0),
                uncovered_tokens=settlement.uncovered.get(Unit.TOKENS, 0),
                uncovered_risk_points=settlement.uncovered.get(Unit.RISK_POINTS, 0),
            )
