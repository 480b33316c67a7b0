"""What is remembered of a call for its log line and the figures: ids, amounts, times."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.dialects.dialect import Request
from proxy.domain.clock import Clock
from proxy.domain.decision import Decision
from proxy.domain.money import Unit
from proxy.gateway.ending import Charged, Ending, Sentence
from proxy.gateway.estimate import Plan
from proxy.gateway.outbox.unheld import Unheld
from proxy.gateway.shape import Shaped
from proxy.ledger.records import Grant, Settlement
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics
from proxy.policies import Wish


@dataclass(slots=True)
class CallRecord:
    """One call as it went. Times are monotonic nanoseconds, amounts microcents or tokens."""

    trace_id: str
    api: str
    started_ns: int
    decision: Decision = Decision.DENY
    reason: str | None = None
    tenant: str | None = None
    scope: str | None = None
    model: str | None = None
    served_model: str | None = None
    status: int = 0
    streamed: bool = False
    attempts: int = 0
    upstream: str | None = None
    reservation_id: str | None = None
    is_unheld: bool = False
    policy: str | None = None
    caps: str | None = None
    bound: str | None = None
    estimate: int | None = None
    held: int | None = None
    charged: int | None = None
    uncovered: int | None = None
    held_tokens: int | None = None
    charged_tokens: int | None = None
    uncovered_tokens: int | None = None
    held_fees: int = 0
    charged_fees: int = 0
    held_risk_points: int | None = None
    charged_risk_points: int | None = None
    estimated: bool | None = None
    outcome: str | None = None
    client_left: bool | None = None
    affordable_max_tokens: int | None = None
    waited_ns: int | None = None
    earlier_attempts_ns: int = 0
    sent_ns: int | None = None
    first_byte_at_ns: int | None = None
    answered_ns: int | None = None

    def caller(self, tenant: str | None, scope: str) -> None:
        """It is known who calls."""
        self.tenant = tenant
        self.scope = scope

    def free(self) -> None:
        """The request passes and costs nothing."""
        self.decision = Decision.ALLOW

    def replayed(self, status: int) -> None:
        """The answer is that of an earlier call, which paid for it."""
        self.free()
        self.reason = "replayed"
        self.status = status

    def refused(self, reason: str, status: int) -> None:
        """The answer is ours: a refusal, or an upstream that could not be reached."""
        self.reason = reason
        self.status = status

    def heard(self, request: Request) -> None:
        """The body was read."""
        self.model = request.model
        self.streamed = request.stream

    def planned(self, plan: Plan, wish: Wish) -> None:
        """There is a plan."""
        self.policy = wish.policy
        self.estimate = plan.estimate
        self.held_fees = plan.ways[0].for_tools.get(Unit.USD_MICROCENTS, 0)
        self.bound = plan.ways[0].bound.bound_class

    def waited(self, duration_ns: int) -> None:
        """It stood in line for a busy budget."""
        self.waited_ns = (self.waited_ns or 0) + duration_ns

    def attempted(self, number: int, upstream: str) -> None:
        """An attempt begins: something is held for it. What came of an earlier one is history."""
        self.attempts, self.upstream = number, upstream
        self.outcome = self.served_model = self.estimated = None
        self.charged = self.uncovered = self.charged_tokens = self.uncovered_tokens = None
        self.charged_risk_points, self.charged_fees = None, 0

    def paused(self, from_ns: int, to_ns: int) -> None:
        """The upstream failed, and was given a pause: from when it was asked until now."""
        self.earlier_attempts_ns += to_ns - from_ns
        self.sent_ns = self.first_byte_at_ns = self.answered_ns = None

    def allowed(self, grant: Grant, shaped: Shaped) -> None:
        """The call may leave."""
        capped = bool(shaped.caps) or grant.rung > 0
        self.decision = Decision.ALLOW_WITH_CAPS if capped else Decision.ALLOW
        self.caps = ",".join(shaped.caps)
        self.is_unheld = isinstance(grant, Unheld)
        self.reservation_id = None if self.is_unheld else grant.reservation_id
        self.held = None if self.is_unheld else grant.amounts[Unit.USD_MICROCENTS]
        self.held_tokens = None if self.is_unheld else grant.amounts[Unit.TOKENS]
        self.held_risk_points = grant.amounts.get(Unit.RISK_POINTS)

    def grown(self, amounts: Mapping[Unit, int]) -> None:
        """The hold is so large by now."""
        self.held = amounts[Unit.USD_MICROCENTS]
        self.held_tokens = amounts[Unit.TOKENS]

    @property
    def is_swapped(self) -> bool:
        """Whether the call left for another model than the one that was asked for."""
        return "model" in (self.caps or "").split(",")

    def answered(self, status: int, at_ns: int) -> None:
        """The upstream has sent a status."""
        self.status = status
        self.answered_ns = at_ns

    def first_byte(self, at_ns: int) -> None:
        """The answer has begun; one that is no stream has also ended."""
        self.first_byte_at_ns = self.answered_ns = at_ns

    @property
    def cost(self) -> int | None:
        """What the call came to, in microcents; None where nothing was charged by now."""
        return None if self.charged is None else self.charged + (self.uncovered or 0)

    @property
    def bound_microcents(self) -> int:
        """What was held for what the provider bills; 0 where nothing was."""
        return self.held - self.held_fees if self.held else 0

    @property
    def breaks_its_bound(self) -> bool:
        """Whether the call came to more than was held for it, by the provider's own count.

        Calls of tools are not the provider's: of them no bound says how many there are.
        """
        if not self.bound_microcents or self.estimated:
            return False
        return (self.cost or 0) - self.charged_fees > self.bound_microcents

    def settled(self, ending: Ending, sentence: Sentence, settlement: Settlement | None) -> None:
        """The hold has ended, or waits to."""
        self.outcome = ending.outcome
        if isinstance(sentence, Charged):
            self.served_model = sentence.model
            self.charged = sentence.actual[Unit.USD_MICROCENTS]
            self.charged_tokens = sentence.actual[Unit.TOKENS]
            self.charged_risk_points = sentence.actual.get(Unit.RISK_POINTS)
            self.charged_fees = sentence.fees
            self.estimated = sentence.estimated
        if settlement is not None:
            self.charged = settlement.charged[Unit.USD_MICROCENTS]
            self.charged_tokens = settlement.charged[Unit.TOKENS]
            self.uncovered = settlement.uncovered[Unit.USD_MICROCENTS]
            self.uncovered_tokens = settlement.uncovered[Unit.TOKENS]


class Recorder:
    """Writes records down when their calls are over."""

    def __init__(self, metrics: Metrics, log: Log, clock: Clock) -> None:
        self._metrics = metrics
        self._log = log
        self._clock = clock

    def close(self, record: CallRecord) -> None:
        """One log line, and every figure the call moves."""
        finished_ns = self._clock.monotonic_ns()
        ours_ns = _our_time_ns(record, finished_ns)
        self._count(record, ours_ns)
        if record.breaks_its_bound:
            self._log.line(
                "bound_broken",
                trace_id=record.trace_id,
                api=record.api,
                model=record.model,
                bound=record.bound,
                held_microcents=record.held,
                cost_microcents=record.cost,
            )
        self._log.line(
            "call",
            trace_id=record.trace_id,
            api=record.api,
            decision=record.decision,
            reason=record.reason,
            status=record.status,
            scope=record.scope,
            model=record.model,
            served_model=record.served_model if record.served_model != record.model else None,
            streamed=record.streamed or None,
            upstream=record.upstream,
            attempts=record.attempts if record.attempts > 1 else None,
            policy=record.policy,
            caps=record.caps or None,
            bound=record.bound,
            reservation_id=record.reservation_id,
            unheld=record.is_unheld or None,
            estimate_microcents=record.estimate,
            held_microcents=record.held,
            charged_microcents=record.charged,
            uncovered_microcents=record.uncovered or None,
            held_tokens=record.held_tokens,
            charged_tokens=record.charged_tokens,
            uncovered_tokens=record.uncovered_tokens or None,
            held_risk_points=record.held_risk_points,
            charged_risk_points=record.charged_risk_points,
            estimated=record.estimated or None,
            outcome=record.outcome,
            client_left=record.client_left or None,
            waited_us=record.waited_ns // 1000 if record.waited_ns is not None else None,
            added_us=ours_ns // 1000,
            total_us=(finished_ns - record.started_ns) // 1000,
        )

    def _count(self, record: CallRecord, ours_ns: int) -> None:
        metrics = self._metrics
        model = metrics.model_label(record.model or "none")
        metrics.calls_of(record.decision, record.api, model, str(record.status)).inc()
        metrics.added_latency.observe(ours_ns / 1e9)
        if record.waited_ns is not None:
            metrics.queue_of(record.decision).observe(record.waited_ns / 1e9)
        if record.first_byte_at_ns is not None:
            metrics.first_byte.observe((record.first_byte_at_ns - record.started_ns) / 1e9)
        if record.charged is None:
            return
        tenant = metrics.tenant_label(record.tenant or "none")
        metrics.cost_usd_of(tenant, model).inc(record.charged / 1e8)
        if record.uncovered:
            metrics.uncovered_usd.inc(record.uncovered / 1e8)
        if bound := record.bound_microcents:
            actual = record.charged + (record.uncovered or 0) - record.charged_fees
            metrics.estimate_ratio.observe(actual / bound)
            if actual > bound:
                metrics.estimate_exceeded.labels(model, record.api, record.bound).inc()


def _our_time_ns(record: CallRecord, finished_ns: int) -> int:
    """Our own time: all but the waiting for budgets and the upstream.

    Of a stream, what came before it.
    """
    waited_ns = (record.waited_ns or 0) + record.earlier_attempts_ns
    if record.sent_ns is None:
        return finished_ns - record.started_ns - waited_ns
    before = record.sent_ns - record.started_ns - waited_ns
    if record.streamed or record.answered_ns is None:
        return before
    return before + finished_ns - record.answered_ns
