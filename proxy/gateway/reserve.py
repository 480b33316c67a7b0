"""Step 3. One atomic hold over every budget of the subject, or a refusal."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from proxy.domain.clock import Clock
from proxy.domain.errors import (
    BudgetRefused,
    LedgerError,
    LedgerUnavailable,
    Reason,
    Refused,
    UnitMismatch,
)
from proxy.domain.reservation import OnExpiry, Overage
from proxy.domain.scope import budget_scopes
from proxy.domain.subject import Subject
from proxy.gateway.denials import Denials, question_of
from proxy.gateway.estimate import Plan
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Patience, Queue
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Grant, ReserveRequest
from proxy.observe.metrics import Metrics


@dataclass(frozen=True, slots=True)
class HoldRules:
    """How holds of calls are made. `patience` None: no call waits for a busy budget."""

    ttl_ms: int
    max_share_pct: int
    overage: Overage
    patience: Patience | None


class Reserver:
    """Holds money for calls."""

    def __init__(
        self,
        ledger: Ledger,
        leases: Leases,
        denials: Denials,
        queue: Queue,
        rules: HoldRules,
        metrics: Metrics,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._ledger = ledger
        self._leases = leases
        self._denials = denials
        self._queue = queue
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id

    async def reserve(
        self,
        subject: Subject,
        plan: Plan,
        *,
        trace_id: str,
        door: Door,
        on_waited: Callable[[int], None],
    ) -> Grant:
        """Hold the first rung that fits.

        Every upstream attempt is a hold of its own, under a key nobody else can know.
        `on_waited` hears for how many nanoseconds the call stood in line for a busy budget.

        Raises:
            Refused: what the budgets say, or AUTHORITY_UNAVAILABLE.
            ClientGone: the caller left while the call stood in line.
        """
        rungs, free = plan.rungs, plan.free
        question = question_of(budget_scopes(subject), rungs, free)
        self._denials.check(question)
        key = f"{self._new_id()}/1"
        first = plan.ways[0]
        request = ReserveRequest(
            key=key,
            payload_hash=key,
            subject=subject,
            plan=rungs,
            ttl_ms=self._rules.ttl_ms,
            max_share_pct=self._rules.max_share_pct,
            overage=self._rules.overage,
            on_expiry=OnExpiry.UNCERTAIN,
            free=free,
            action_kind="llm.completion",
            action_name=first.model.name,
            trace_id=trace_id,
            price_version=first.model.card.source,
            metadata={"api": "chat", "model": first.model.name},
        )
        patience = self._rules.patience
        try:
            if patience is None:
                grant = await self._attempt(request)
            else:
                attempt = partial(self._attempt, request)
                grant = await self._queue.hold(
                    request, attempt, patience, door=door, on_waited=on_waited
                )
        except BudgetRefused as refusal:
            self._denials.remember(question, refusal)
            raise
        except LedgerUnavailable:
            raise Refused(
                Reason.AUTHORITY_UNAVAILABLE,
                "The budget ledger cannot be reached, so nothing was sent. Retry shortly.",
            ) from None
        except UnitMismatch:
            raise Refused(
                Reason.BUDGET_NOT_FOUND,
                "The budgets of this subject count neither US dollars nor tokens.",
            ) from None
        except LedgerError as error:
            raise Refused(
                Reason.INVALID_REQUEST, f"The ledger cannot hold this call: {type(error).__name__}."
            ) from None
        self._leases.keep(grant.reservation_id)
        return grant

    async def _attempt(self, request: ReserveRequest) -> Grant:
        started_ns = self._clock.monotonic_ns()
        try:
            return await self._ledger.reserve(request)
        finally:
            elapsed_ns = self._clock.monotonic_ns() - started_ns
            self._metrics.ledger_of("reserve").observe(elapsed_ns / 1e9)
