"""Step 3. One atomic hold over every budget of the subject, or a refusal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from proxy.domain.clock import Clock
from proxy.domain.errors import (
    BudgetRefused,
    IdempotencyMismatch,
    LedgerError,
    LedgerUnavailable,
    Reason,
    Refused,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import OnExpiry, Overage
from proxy.domain.scope import budget_scopes
from proxy.domain.subject import Subject
from proxy.gateway.dedupe.calls import answer_gone, mismatch
from proxy.gateway.dedupe.denials import Denials, question_of
from proxy.gateway.estimate import Plan
from proxy.gateway.identify import CallKey
from proxy.gateway.outbox.unheld import Unheld, UnheldCalls
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Patience, Queue
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Grant, ReserveRequest
from proxy.observe.metrics import Metrics


@dataclass(frozen=True, slots=True)
class HoldRules:
    """How holds of calls are made. `patience` None: no call waits for a busy budget.

    A grant whose caps leave less than `min_output_tokens` is worth less than a stand-in.
    """

    ttl_ms: int
    max_share_pct: int
    overage: Overage
    patience: Patience | None
    min_output_tokens: int = 0


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
        unheld: UnheldCalls | None = None,
    ) -> None:
        """`unheld` None: no call leaves without a hold."""
        self._ledger = ledger
        self._leases = leases
        self._denials = denials
        self._queue = queue
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._unheld = unheld

    @property
    def lets_leave(self) -> bool:
        """Whether a call may leave without a hold while the ledger is away."""
        return self._unheld is not None

    async def reserve(
        self,
        subject: Subject,
        plan: Plan,
        *,
        name: str,
        key: CallKey | None = None,
        trace_id: str,
        door: Door,
        on_waited: Callable[[int], None],
    ) -> Grant:
        """Hold the first rung that fits.

        Every upstream attempt is a hold of its own, under a `name` that nobody else can know, or
        one that is made of `key`, by which it is held once however often it is asked for. While
        the ledger is away the call may be let leave without one: `Unheld`; not with a key, since
        nobody can tell whether it was made before.
        `on_waited` hears for how many nanoseconds the call stood in line for a busy budget.

        Raises:
            Refused: what the budgets say, or AUTHORITY_UNAVAILABLE; with a key
                IDEMPOTENCY_ANSWER_GONE or IDEMPOTENCY_MISMATCH.
            ClientGone: the caller left while the call stood in line.
        """
        rungs, free = plan.rungs, plan.free
        question = question_of(budget_scopes(subject), rungs, free)
        self._denials.check(question)
        request = self._request(subject, plan, trace_id, name, key)
        patience = self._rules.patience
        try:
            if patience is None:
                grant = await self._attempt(request)
            else:
                attempt = partial(self._attempt, request)
                grant = await self._queue.hold(
                    request, attempt, patience, door=door, on_waited=on_waited
                )
            grant = await self._wide_enough(request, plan, grant)
        except BudgetRefused as refusal:
            self._denials.remember(question, refusal)
            raise
        except IdempotencyMismatch:
            raise mismatch() from None
        except LedgerUnavailable as failure:
            if key is not None:
                raise ledger_away() from None
            wish = {unit: span.want for unit, span in rungs[0].items()}
            return await self._let_leave(request, plan, rung=0, amounts=wish, why=str(failure))
        except UnitMismatch:
            raise Refused(
                Reason.BUDGET_NOT_FOUND,
                "The budgets of this subject count neither US dollars nor tokens.",
            ) from None
        except LedgerError as error:
            raise Refused(
                Reason.INVALID_REQUEST, f"The ledger cannot hold this call: {type(error).__name__}."
            ) from None
        if grant.annotation != request.annotation:
            raise answer_gone()
        self._leases.keep(grant.reservation_id)
        return grant

    async def let_leave(
        self, subject: Subject, plan: Plan, grant: Grant, *, name: str, trace_id: str, why: str
    ) -> Unheld:
        """Let a call leave without its hold, which the ledger cannot be told about any more.

        Raises:
            Refused: AUTHORITY_UNAVAILABLE.
        """
        request = self._request(subject, plan, trace_id, name)
        amounts = grant.amounts
        return await self._let_leave(request, plan, rung=grant.rung, amounts=amounts, why=why)

    async def _let_leave(
        self,
        request: ReserveRequest,
        plan: Plan,
        *,
        rung: int,
        amounts: Mapping[Unit, int],
        why: str,
    ) -> Unheld:
        if self._unheld is None:
            raise ledger_away()
        most = plan.ways[rung].most_of(amounts)
        return await self._unheld.let_leave(request, rung=rung, amounts=most, why=why)

    def _request(
        self,
        subject: Subject,
        plan: Plan,
        trace_id: str,
        name: str,
        call: CallKey | None = None,
    ) -> ReserveRequest:
        first = plan.ways[0]
        return ReserveRequest(
            key=name,
            payload_hash=call.payload_hash if call is not None else name,
            subject=subject,
            plan=plan.rungs,
            ttl_ms=self._rules.ttl_ms,
            max_share_pct=self._rules.max_share_pct,
            overage=self._rules.overage,
            on_expiry=OnExpiry.UNCERTAIN,
            free=plan.free,
            action_kind="llm.completion",
            action_name=first.model.name,
            trace_id=trace_id,
            price_version=first.model.card.source,
            metadata=_told_of(plan),
            annotation=call.nonce if call is not None else "",
        )

    async def _wide_enough(self, request: ReserveRequest, plan: Plan, grant: Grant) -> Grant:
        """The grant, or that of a stand-in where an authority caps it below what is worth it."""
        if not self._is_narrow(plan, grant):
            return grant
        for first in _stand_ins(plan, grant.rung):
            key = f"{request.key}/{first}"
            again = replace(request, key=key, payload_hash=key, plan=plan.rungs[first:])
            try:
                other = await self._attempt(again)
            except (Refused, LedgerError):
                return grant
            other = replace(other, rung=first + other.rung)
            if not self._is_narrow(plan, other):
                await self._give_back(grant)
                return other
            await self._give_back(other)
        return grant

    def _is_narrow(self, plan: Plan, grant: Grant) -> bool:
        if not grant.caps:
            return False
        asked = plan.ways[grant.rung].output_tokens
        worth_it = min(self._rules.min_output_tokens, asked)
        return any(
            each.max_tokens is not None and each.max_tokens < worth_it for each in grant.caps
        )

    async def _give_back(self, grant: Grant) -> None:
        """At worst its lease ends: nothing was sent."""
        try:
            await self._ledger.release(grant.reservation_id, key=f"{grant.reservation_id}/settle")
        except (Refused, LedgerError):
            return

    async def _attempt(self, request: ReserveRequest) -> Grant:
        started_ns = self._clock.monotonic_ns()
        try:
            return await self._ledger.reserve(request)
        finally:
            elapsed_ns = self._clock.monotonic_ns() - started_ns
            self._metrics.ledger_of("reserve").observe(elapsed_ns / 1e9)


def ledger_away() -> Refused:
    """Nothing leaves that the ledger does not know of."""
    return Refused(
        Reason.AUTHORITY_UNAVAILABLE,
        "The budget ledger cannot be reached, so nothing was sent. Retry shortly.",
    )


def _told_of(plan: Plan) -> dict[str, str]:
    """What the row says of how its amount came about, for `report estimates` and `explain`."""
    way = plan.ways[0]
    metadata = {"api": plan.api, "model": way.model.name, "bound": way.bound.bound_class.value}
    if way.held_tokens is not None:
        metadata["hold"] = "learned"
    if (fees := way.for_tools.get(Unit.USD_MICROCENTS)) is not None:
        metadata["fees"] = str(fees)
    if plan.policy is not None:
        metadata["policy"] = plan.policy
    return metadata


def _stand_ins(plan: Plan, rung: int) -> list[int]:
    """Where the ways of each later model begin."""
    names = [way.model.name for way in plan.ways]
    return [
        number
        for number in range(rung + 1, len(names))
        if names[number] not in (names[rung], names[number - 1])
    ]
