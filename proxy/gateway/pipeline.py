"""The way of one call. Read this first.

    identify ─▶ estimate ─▶ reserve ─▶ shape ─▶ forward ─▶ meter ─▶ settle
                   ▲       └─────────────────── an attempt ──────────────┘
                   └────── again, while nothing was answered and it may help ──┘

`identify` comes before, in `front.py`, for every path alike; an attempt is in
`attempts/attempt.py`, where the next one goes in `attempts/course.py`. The task that runs a
call belongs to the server: a caller who hangs up is something the call is told, not something
that stops it between two lines.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import structs

from proxy.dialects.answer import add_cost
from proxy.dialects.dialect import Dialect, Request
from proxy.domain.errors import BudgetRefused, LedgerError, Reason, Refused
from proxy.domain.money import usd
from proxy.domain.scope import all_scopes
from proxy.gateway.attempts.attempt import Attempt, Attempts
from proxy.gateway.attempts.call import Call, Steps
from proxy.gateway.attempts.course import Course, Turn
from proxy.gateway.attempts.kept import refers_to_kept
from proxy.gateway.attempts.pause import pause
from proxy.gateway.candidates.wishes import read_wish
from proxy.gateway.ending import Outcome
from proxy.gateway.estimate import Plan
from proxy.gateway.forward import Forwarder
from proxy.gateway.hearing.intake import hear
from proxy.gateway.identify import Caller
from proxy.gateway.reserve import ledger_away
from proxy.gateway.routes import Routes
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.record import CallRecord
from proxy.gateway.runtime.tasks import off_the_loop
from proxy.gateway.tools.dropping import TRIES, fewer_tools
from proxy.policies import Wish, limited

_OF_ITS_UPSTREAM: Final = frozenset(
    {
        Reason.MODEL_NOT_PRICED,
        Reason.MODEL_NOT_SERVED,
        Reason.UNBOUNDED_COST,
        Reason.CALL_TOO_EXPENSIVE,
        Reason.UPSTREAM_NOT_CONFIGURED,
    }
)
"""Why one upstream cannot be asked, and another perhaps can."""


class Pipeline:
    """The steps of a call, in order."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._attempts = Attempts(steps)

    async def run(
        self,
        dialect: Dialect,
        door: Door,
        caller: Caller,
        record: CallRecord,
        *,
        forwarders: Mapping[str, Forwarder] | None = None,
    ) -> None:
        """Run one call from its body to its settlement.

        `forwarders`: lines of the caller's own, by the name of the upstream, in place of the
        configured ones. What is on them is sent once.

        Raises:
            Refused: the call did not leave, or its upstream could not be reached.
            ClientGone: the caller left before the call did.
        """
        self._steps.settler.check_ready()
        routes = self._steps.estimator.routes
        heard = await hear(dialect, door, routes, deployment=caller.deployment)
        request = heard.request
        record.heard(request)
        wish = await self._wish(request, caller)
        call = Call(
            caller.key.name if caller.key is not None else self._steps.new_id(),
            dialect,
            request,
            wish,
            door,
            caller,
            record,
            self._steps.forwarders if forwarders is None else forwarders,
            rest=heard.rest,
            is_repeatable=forwarders is None and heard.rest is None,
        )
        attempt = await self._attempt(call, routes)
        if attempt.has_failed and call.is_repeatable:
            attempt = await self._try_again(call, attempt)
        if attempt.refused is not None:
            raise attempt.refused
        if not attempt.metered.ending.streamed:
            self._answer(call, attempt)

    async def _wish(self, request: Request, caller: Caller) -> Wish:
        """What policies leave of the caller's wish, and what the sub-budget that pays does."""
        steps, model, subject = self._steps, request.model, caller.subject
        policies, now_ms = steps.policies, steps.clock.now_ms()
        try:
            wish, _ = await read_wish(policies, steps.ledger, model, subject, at_ms=now_ms)
            wish = wish.without(await steps.counts.used_up(request.tools, subject))
        except LedgerError:
            if not steps.reserver.lets_leave:
                raise ledger_away() from None
            wish = policies.wish(model, scopes=all_scopes(subject), balances=(), at_ms=now_ms)
        return limited(wish, model, caller.limits)

    async def _attempt(
        self, call: Call, routes: Routes, number: int = 1, *, tries: int = TRIES
    ) -> Attempt:
        """Plan an attempt and make it; with fewer tools where risk points are short."""
        plan = await self._estimate(call, routes)
        try:
            return await self._attempts.make(call, plan, number)
        except BudgetRefused as refused:
            asked = (call.dialect, call.request, call.wish, plan.ways[0], refused)
            think = partial(fewer_tools, *asked, tries=tries)
            wish = await off_the_loop(think, size_bytes=len(call.request.body))
            if wish is None:
                raise
        return await self._attempt(replace(call, wish=wish), routes, number, tries=tries - 1)

    async def _estimate(self, call: Call, routes: Routes) -> Plan:
        """The ways to run the call, each to an upstream that could be called."""
        steps = self._steps
        plan = await steps.estimator.plan(
            call.dialect, call.request, call.wish, at_ms=steps.clock.now_ms(), routes=routes
        )
        first, *stand_ins = plan.ways
        left = [way for way in stand_ins if way.route.name in call.forwarders]
        if len(left) < len(stand_ins):
            plan = structs.replace(plan, ways=(first, *left))
        plan = steps.fitting.fit(plan, call.dialect, call.request, call.caller.subject)
        for way in plan.ways:
            call.forwarders[way.route.name].check_ready()
        call.record.planned(plan, call.wish)
        return plan

    async def _try_again(self, call: Call, attempt: Attempt) -> Attempt:
        """Make further attempts while they may help; the last one that asked an upstream.

        What refuses a further attempt is not what the caller is told: it is told what the
        upstream said before.
        """
        course = Course(
            self._steps.estimator.routes,
            attempt.way.route,
            has_key=call.caller.key is not None,
            may_move=not refers_to_kept(call.request),
        )
        turn = self._turn_after(course, call, attempt)
        while turn is not None and await self._wait(call, turn):
            try:
                attempt = await self._attempt(call, turn.routes, attempt.number + 1)
            except Refused as refused:
                self._steps.log.line(
                    "attempt_refused",
                    trace_id=call.record.trace_id,
                    attempt=attempt.number + 1,
                    reason=refused.reason,
                )
                turn = course.elsewhere() if refused.reason in _OF_ITS_UPSTREAM else None
            else:
                turn = self._turn_after(course, call, attempt) if attempt.has_failed else None
        return attempt

    def _turn_after(self, course: Course, call: Call, attempt: Attempt) -> Turn | None:
        """What follows an attempt that failed. That something does is told in the log."""
        route, ending = attempt.way.route, attempt.metered.ending
        now_ms, jitter = self._steps.clock.now_ms(), self._steps.draw()
        turn = course.after(route, ending, attempt.headers, now_ms=now_ms, jitter=jitter)
        if turn is not None:
            self._steps.log.line(
                "attempt_failed",
                trace_id=call.record.trace_id,
                attempt=attempt.number,
                upstream=route.name,
                reservation_id=attempt.grant.reservation_id or None,
                outcome=ending.outcome,
                status=ending.status,
                pause_ms=turn.pause_ms,
            )
        return turn

    async def _wait(self, call: Call, turn: Turn) -> bool:
        """Wait for the turn; whether the caller does so too."""
        clock = self._steps.clock
        since_ns = call.record.sent_ns or clock.monotonic_ns()
        is_heard = await pause(turn.pause_ms, call.door)
        call.record.paused(since_ns, clock.monotonic_ns())
        return is_heard

    def _answer(self, call: Call, attempt: Attempt) -> None:
        """Hand on an answer that came in one piece, with what it cost."""
        metered, headers = attempt.metered, attempt.headers
        status = metered.ending.status or 0
        if metered.ending.outcome is Outcome.BROKEN:
            call.door.break_off()
        forwarder = call.forwarders[attempt.way.route.name]
        body = forwarder.for_caller(status, headers, metered.body)
        if attempt.cost is not None:
            cost_usd = usd(attempt.cost)
            headers["X-Budget-Cost-Usd"] = cost_usd
            if self._steps.meter.exposes_cost and "Content-Encoding" not in headers:
                body = add_cost(body, cost_usd)
        call.door.answer(status, headers, body)
