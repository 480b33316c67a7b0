"""The way of one call. Read this first.

    identify ─▶ estimate ─▶ reserve ─▶ shape ─▶ forward ─▶ meter ─▶ settle

A call that got a hold is settled on every way out of here. The task that runs it belongs
to the server: a caller who hangs up is something the call is told, not something that
stops it between two lines. (`identify` comes before, in `front.py`, for every path alike.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from multidict import CIMultiDict

from proxy.dialects.dialect import Dialect, Request
from proxy.domain.clock import Clock
from proxy.domain.errors import BudgetRefused, LedgerError, LedgerUnavailable, Reason, Refused
from proxy.domain.money import usd
from proxy.domain.scope import all_scopes
from proxy.gateway.charge import Pricer
from proxy.gateway.ending import Ending, GivenBack, LeftUncertain, Outcome, Sentence
from proxy.gateway.estimate import UNITS, Estimator, Plan, Way
from proxy.gateway.forward import Forwarder, UpstreamAnswer
from proxy.gateway.identify import Caller
from proxy.gateway.meter import Meter, Metered
from proxy.gateway.outbox.unheld import Unheld, UnheldCalls
from proxy.gateway.reserve import Reserver
from proxy.gateway.respond import budget_headers
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.runtime.headers import client_headers
from proxy.gateway.runtime.record import CallRecord
from proxy.gateway.runtime.tasks import off_the_loop
from proxy.gateway.settle import Settler
from proxy.gateway.shape import Shaped, shape
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Grant
from proxy.policies import Policies, Wish, limited


@dataclass(slots=True)
class Attempt:
    """A call that holds money, or may leave without, and how far it came.

    `metered` starts as if nothing had been sent; from the moment the request may have
    left, silence means that nobody knows.
    """

    dialect: Dialect
    plan: Plan
    grant: Grant
    way: Way
    metered: Metered


@dataclass(frozen=True, slots=True)
class Steps:
    """What the pipeline is made of; `app.py` puts it together."""

    policies: Policies
    estimator: Estimator
    reserver: Reserver
    ledger: Ledger
    forwarders: Mapping[str, Forwarder]
    meter: Meter
    pricer: Pricer
    settler: Settler
    unheld: UnheldCalls
    clock: Clock


class Pipeline:
    """The steps of a call, in order."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def run(self, dialect: Dialect, door: Door, caller: Caller, record: CallRecord) -> None:
        """Run one call from its body to its settlement.

        Raises:
            Refused: the call did not leave, or its upstream could not be reached.
            ClientGone: the caller left before the call did.
        """
        steps = self._steps
        steps.settler.check_ready()
        body = await door.body()
        request = await off_the_loop(partial(dialect.read_request, body), size_bytes=len(body))
        record.heard(request)

        wish = await self._wish(request, caller)
        plan = await steps.estimator.plan(dialect, request, wish, at_ms=steps.clock.now_ms())
        for way in plan.ways:
            steps.forwarders[way.route.name].check_ready()
        record.planned(plan, wish)
        try:
            grant = await steps.reserver.reserve(
                caller.subject,
                plan,
                key=caller.key,
                trace_id=record.trace_id,
                door=door,
                on_waited=record.waited,
            )
        except BudgetRefused as refused:
            short = refused.shortage
            record.affordable_max_tokens = plan.affordable_max_tokens(short.unit, short.remaining)
            raise
        not_sent = Metered(Ending(Outcome.NOT_SENT))
        attempt = Attempt(dialect, plan, grant, plan.ways[grant.rung], not_sent)
        try:
            fill = partial(shape, dialect, request, wish, attempt.way)
            work = partial(fill, rung=grant.rung, amounts=grant.amounts, caps=grant.caps)
            shaped = await off_the_loop(work, size_bytes=len(body))
            record.allowed(grant, shaped)
            answer = await self._forward(door, caller, shaped, attempt, record)
            headers = client_headers(answer.headers)
            headers.update(
                budget_headers(
                    attempt.grant,
                    shaped,
                    record.decision,
                    requested_model=request.model,
                    trace_id=record.trace_id,
                )
            )
            try:
                attempt.metered = await steps.meter.read(
                    dialect,
                    answer,
                    door,
                    headers,
                    attempt.way,
                    strips_usage=shaped.strips_usage,
                    on_first_byte=lambda: record.first_byte(steps.clock.monotonic_ns()),
                )
            finally:
                answer.abort()
        finally:
            await self._settle(attempt, record)
        if not attempt.metered.ending.streamed:
            self._answer(door, headers, attempt, record)

    async def _wish(self, request: Request, caller: Caller) -> Wish:
        """What policies leave of the caller's wish, and what the sub-budget that pays does."""
        steps, scopes = self._steps, all_scopes(caller.subject)
        watched = steps.policies.watched(scopes)
        try:
            balances = await steps.ledger.balances(watched, *UNITS) if watched else ()
        except LedgerError:
            if not steps.reserver.lets_leave:
                raise _ledger_away() from None
            balances = ()
        wish = steps.policies.wish(request.model, scopes=watched, balances=balances)
        return limited(wish, request.model, caller.limits)

    async def _forward(
        self, door: Door, caller: Caller, shaped: Shaped, attempt: Attempt, record: CallRecord
    ) -> UpstreamAnswer:
        """Send the call, recorded as dispatched before its first byte leaves."""
        steps = self._steps
        forwarder = steps.forwarders[attempt.way.route.name]
        line = await forwarder.connect()
        try:
            await self._dispatch(caller, shaped, attempt, record)
            if door.gone:
                raise ClientGone
        except LedgerError:
            line.release()
            raise _ledger_away() from None
        except BaseException:
            line.release()
            raise
        attempt.metered = Metered(Ending(Outcome.NO_STATUS))
        record.sent_ns = steps.clock.monotonic_ns()
        answer = await forwarder.send(
            line,
            door,
            caller,
            body=shaped.body,
            reads_plain=shaped.strips_usage or steps.meter.exposes_cost,
            patience_ms=steps.meter.disconnects.patience_ms(streamed=record.streamed),
        )
        record.answered(answer.status, self._steps.clock.monotonic_ns())
        return answer

    async def _dispatch(
        self, caller: Caller, shaped: Shaped, attempt: Attempt, record: CallRecord
    ) -> None:
        """Record that the call is about to leave: in the ledger, or without it."""
        steps, held = self._steps, attempt.grant
        if isinstance(held, Unheld):
            return
        try:
            await steps.ledger.dispatch(held.reservation_id)
        except LedgerUnavailable as failure:
            if not steps.reserver.lets_leave or caller.key is not None:
                raise
            attempt.grant = await steps.reserver.let_leave(
                caller.subject, attempt.plan, held, trace_id=record.trace_id, why=str(failure)
            )
            record.allowed(attempt.grant, shaped)
            await steps.settler.settle(held.reservation_id, GivenBack())

    async def _settle(self, attempt: Attempt, record: CallRecord) -> None:
        """End the hold as the ending of the call demands."""
        metered, steps = attempt.metered, self._steps
        sentence: Sentence = LeftUncertain()  # for good, should pricing fail
        try:
            sentence = await steps.pricer.sentence(
                attempt.dialect,
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
            record.settled(metered.ending, sentence, settlement)

    def _answer(
        self, door: Door, headers: CIMultiDict[str], attempt: Attempt, record: CallRecord
    ) -> None:
        """Hand on an answer that came in one piece, with what it cost."""
        metered = attempt.metered
        if metered.ending.outcome is Outcome.BROKEN:
            door.break_off()
        forwarder = self._steps.forwarders[attempt.way.route.name]
        body = forwarder.for_caller(record.status, headers, metered.body)
        if record.charged is not None:
            cost_usd = usd(record.charged + (record.uncovered or 0))
            headers["X-Budget-Cost-Usd"] = cost_usd
            if self._steps.meter.exposes_cost and "Content-Encoding" not in headers:
                body = attempt.dialect.add_cost(body, cost_usd)
        door.answer(record.status, headers, body)


def _ledger_away() -> Refused:
    return Refused(
        Reason.AUTHORITY_UNAVAILABLE,
        "The budget ledger cannot be reached, so nothing was sent. Retry shortly.",
    )
