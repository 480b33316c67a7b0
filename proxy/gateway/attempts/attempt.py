"""One attempt at a call: one request to an upstream, under a hold of its own.

    reserve ─▶ shape ─▶ connect ─▶ dispatch ─▶ send ─▶ meter ─▶ settle

An attempt that got a hold settles it on every way out of here. Source: docs/semantics.md,
"The life of a hold".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace
from multidict import CIMultiDict

from proxy.domain.errors import BudgetRefused, LedgerError, LedgerUnavailable, Refused
from proxy.gateway.attempts.call import Call, Steps
from proxy.gateway.ending import Ending, GivenBack, LeftUncertain, Outcome, Sentence
from proxy.gateway.estimate import Plan, Way
from proxy.gateway.forward import Line, UpstreamAnswer
from proxy.gateway.metered import Metered
from proxy.gateway.outbox.unheld import Unheld
from proxy.gateway.reserve import ledger_away
from proxy.gateway.respond import budget_headers
from proxy.gateway.runtime.door import ClientGone
from proxy.gateway.runtime.headers import client_headers
from proxy.gateway.runtime.tasks import off_the_loop
from proxy.gateway.shape import Shaped, shape
from proxy.gateway.tools.listed import calls_in
from proxy.ledger.records import Grant

_NOT_SENT = Metered(Ending(Outcome.NOT_SENT))
_NO_STATUS = Metered(Ending(Outcome.NO_STATUS))
_FAILURES = frozenset({Outcome.REFUSED, Outcome.FAILED})


@dataclass(slots=True)
class Attempt:
    """A request that holds money, or may leave without, and how far it came.

    `metered` starts as if nothing had been sent; from the moment the request may have
    left, silence means that nobody knows. `refused`: what the caller is told where the upstream
    said nothing. `headers` are those of its answer, and about the budget; `cost` is what it came
    to, in microcents, where that is known.
    """

    number: int
    plan: Plan
    grant: Grant
    metered: Metered = _NOT_SENT
    refused: Refused | None = None
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    cost: int | None = None

    @property
    def way(self) -> Way:
        """The way that the hold pays for."""
        return self.plan.ways[self.grant.rung]

    @property
    def may_grow(self) -> bool:
        """Whether the answer may be longer than the hold pays for."""
        return self.way.held_tokens is not None

    @property
    def has_failed(self) -> bool:
        """Whether nothing of an answer came, or an error; of either nothing has gone on."""
        return self.refused is not None or self.metered.ending.outcome in _FAILURES

    @contextmanager
    def hearing_the_upstream(self) -> Iterator[None]:
        """What is refused in here is a word about the upstream."""
        try:
            yield
        except Refused as refused:
            self.refused = refused
            raise


class Attempts:
    """Makes attempts."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def make(self, call: Call, plan: Plan, number: int = 1) -> Attempt:
        """Live one attempt from its hold to its settlement. A stream is answered on the way.

        Raises:
            Refused: the request did not leave; nobody asked an upstream.
            ClientGone: the caller left before the request did.
        """
        attempt = Attempt(number, plan, await self._reserve(call, plan, number))
        call.record.attempted(number, attempt.way.route.name)
        try:
            shaped = await self._shape(call, attempt)
            answer = await self._forward(call, attempt, shaped)
            try:
                await self._meter(call, attempt, shaped, answer)
            finally:
                answer.abort()
        except Refused:
            if attempt.refused is None:
                raise
        finally:
            await self._settle(call, attempt)
        return attempt

    async def _reserve(self, call: Call, plan: Plan, number: int) -> Grant:
        record = call.record
        try:
            return await self._steps.reserver.reserve(
                call.subject,
                plan,
                name=call.name_of_hold(number),
                key=call.caller.key,
                trace_id=record.trace_id,
                door=call.door,
                on_waited=record.waited,
            )
        except BudgetRefused as refused:
            short = refused.shortage
            record.affordable_max_tokens = plan.affordable_max_tokens(short.unit, short.remaining)
            raise

    async def _shape(self, call: Call, attempt: Attempt) -> Shaped:
        """The body that the grant pays for."""
        grant = attempt.grant
        fill = partial(shape, call.dialect, call.wish, attempt.way)
        work = partial(fill, rung=grant.rung, amounts=grant.amounts, caps=grant.caps)
        shaped = await off_the_loop(work, size_bytes=len(call.request.body))
        call.record.allowed(grant, shaped)
        return shaped

    async def _forward(self, call: Call, attempt: Attempt, shaped: Shaped) -> UpstreamAnswer:
        """Send the request, recorded as dispatched before its first byte leaves."""
        steps, record = self._steps, call.record
        forwarder = call.forwarders[attempt.way.route.name]
        with attempt.hearing_the_upstream():
            line = await forwarder.connect()
        await self._dispatch(call, attempt, shaped, line)
        attempt.metered = _NO_STATUS
        record.sent_ns = steps.clock.monotonic_ns()
        with attempt.hearing_the_upstream():
            answer = await forwarder.send(
                line,
                call.door,
                call.caller,
                body=shaped.body,
                model=shaped.name,
                rest=call.rest,
                reads_plain=shaped.strips_usage or steps.meter.exposes_cost or attempt.may_grow,
                patience_ms=steps.meter.disconnects.patience_ms(streamed=call.request.stream),
            )
        record.answered(answer.status, steps.clock.monotonic_ns())
        return answer

    async def _dispatch(self, call: Call, attempt: Attempt, shaped: Shaped, line: Line) -> None:
        """Record that the request is about to leave; `line` is free again where it may not."""
        try:
            await self._record_dispatch(call, attempt, shaped)
            if call.door.gone:
                raise ClientGone
        except LedgerError:
            line.release()
            raise ledger_away() from None
        except BaseException:
            line.release()
            raise

    async def _record_dispatch(self, call: Call, attempt: Attempt, shaped: Shaped) -> None:
        """Record it in the ledger, or without it."""
        steps, held = self._steps, attempt.grant
        if isinstance(held, Unheld):
            return
        try:
            await steps.ledger.dispatch(held.reservation_id)
        except LedgerUnavailable as failure:
            if not steps.reserver.lets_leave or call.caller.key is not None:
                raise
            attempt.grant = await steps.reserver.let_leave(
                call.subject,
                attempt.plan,
                held,
                name=call.name_of_hold(attempt.number),
                trace_id=call.record.trace_id,
                why=str(failure),
            )
            call.record.allowed(attempt.grant, shaped)
            await steps.settler.settle(held.reservation_id, GivenBack())

    async def _meter(
        self, call: Call, attempt: Attempt, shaped: Shaped, answer: UpstreamAnswer
    ) -> None:
        """Read the answer to its end, on its way to the caller where it is a stream."""
        steps, record = self._steps, call.record
        attempt.headers = client_headers(answer.headers)
        attempt.headers.update(
            budget_headers(
                attempt.grant,
                shaped,
                record.decision,
                requested_model=call.request.model,
                trace_id=record.trace_id,
                attempts=attempt.number,
            )
        )
        growing = steps.fitting.hold_of(attempt.grant, attempt.way)
        try:
            attempt.metered = await steps.meter.read(
                call.dialect,
                answer,
                call.door,
                attempt.headers,
                attempt.way,
                strips_usage=shaped.strips_usage,
                on_first_byte=lambda: record.first_byte(steps.clock.monotonic_ns()),
                growing=growing,
            )
        finally:
            if growing is not None:
                attempt.grant = replace(attempt.grant, amounts=growing.amounts)
                record.grown(growing.amounts)
        steps.fitting.learn(
            attempt.plan, attempt.way, call.request, call.caller.subject, attempt.metered.answer
        )

    async def _settle(self, call: Call, attempt: Attempt) -> None:
        """End the hold as the ending of the attempt demands."""
        metered, steps = attempt.metered, self._steps
        sentence: Sentence = LeftUncertain()  # for good, should pricing fail
        try:
            sentence = await steps.pricer.sentence(
                call.dialect,
                metered.ending,
                metered.answer,
                way=attempt.way,
                held=attempt.grant.amounts,
            )
        finally:
            settlement = None
            if isinstance(attempt.grant, Unheld):
                await steps.unheld.charge(attempt.grant, sentence)
            else:
                settlement = await steps.settler.settle(attempt.grant.reservation_id, sentence)
            call.record.settled(metered.ending, sentence, settlement)
            await self._count_tools(call, attempt)
            attempt.cost = call.record.cost
            outcome = metered.ending.outcome
            steps.metrics.attempts_of(attempt.way.route.name, outcome).inc()

    async def _count_tools(self, call: Call, attempt: Attempt) -> None:
        """Count the calls of tools that its answer makes, where a run may make only so many."""
        tools = attempt.way.tools
        if any(tool.rule.max_calls_per_run is not None for tool in tools):
            calls = calls_in(tools, attempt.metered.answer)
            name = call.name_of_hold(attempt.number)
            await self._steps.counts.count(tools, calls, call.caller.subject, name=name)
