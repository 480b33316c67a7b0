"""The way of one call. Read this first.

    identify ─▶ estimate ─▶ reserve ─▶ shape ─▶ forward ─▶ meter ─▶ settle
                           └─────────────────── an attempt ──────────────┘

`identify` comes before, in `front.py`, for every path alike; an attempt is in
`attempts/attempt.py`. The task that runs a call belongs to the server: a caller who hangs up
is something the call is told, not something that stops it between two lines.
"""

from collections.abc import Mapping
from functools import partial

from proxy.dialects.dialect import Dialect, Request
from proxy.domain.errors import LedgerError
from proxy.domain.money import usd
from proxy.domain.scope import all_scopes
from proxy.gateway.attempts.attempt import Attempt, Attempts
from proxy.gateway.attempts.call import Call, Steps
from proxy.gateway.ending import Outcome
from proxy.gateway.estimate import UNITS, Plan
from proxy.gateway.forward import Forwarder
from proxy.gateway.identify import Caller
from proxy.gateway.reserve import ledger_away
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.record import CallRecord
from proxy.gateway.runtime.tasks import off_the_loop
from proxy.policies import Wish, limited


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
        configured ones.

        Raises:
            Refused: the call did not leave, or its upstream could not be reached.
            ClientGone: the caller left before the call did.
        """
        self._steps.settler.check_ready()
        request = await self._hear(dialect, door)
        record.heard(request)
        wish = await self._wish(request, caller)
        lines = self._steps.forwarders if forwarders is None else forwarders
        call = Call(dialect, request, wish, door, caller, record, lines)

        plan = await self._estimate(call)
        attempt = await self._attempts.make(call, plan)
        if not attempt.metered.ending.streamed:
            self._answer(call, attempt)

    async def _hear(self, dialect: Dialect, door: Door) -> Request:
        """Take the body in, and read it."""
        body = await door.body()
        return await off_the_loop(partial(dialect.read_request, body), size_bytes=len(body))

    async def _wish(self, request: Request, caller: Caller) -> Wish:
        """What policies leave of the caller's wish, and what the sub-budget that pays does."""
        steps, scopes = self._steps, all_scopes(caller.subject)
        watched = steps.policies.watched(scopes)
        try:
            balances = await steps.ledger.balances(watched, *UNITS) if watched else ()
        except LedgerError:
            if not steps.reserver.lets_leave:
                raise ledger_away() from None
            balances = ()
        wish = steps.policies.wish(request.model, scopes=watched, balances=balances)
        return limited(wish, request.model, caller.limits)

    async def _estimate(self, call: Call) -> Plan:
        """The ways to run the call, each to an upstream that could be called."""
        steps = self._steps
        now_ms = steps.clock.now_ms()
        plan = await steps.estimator.plan(call.dialect, call.request, call.wish, at_ms=now_ms)
        for way in plan.ways:
            call.forwarders[way.route.name].check_ready()
        call.record.planned(plan, call.wish)
        return plan

    def _answer(self, call: Call, attempt: Attempt) -> None:
        """Hand on an answer that came in one piece, with what it cost."""
        metered, record, headers = attempt.metered, call.record, attempt.headers
        if metered.ending.outcome is Outcome.BROKEN:
            call.door.break_off()
        forwarder = call.forwarders[attempt.way.route.name]
        body = forwarder.for_caller(record.status, headers, metered.body)
        if record.charged is not None:
            cost_usd = usd(record.charged + (record.uncovered or 0))
            headers["X-Budget-Cost-Usd"] = cost_usd
            if self._steps.meter.exposes_cost and "Content-Encoding" not in headers:
                body = call.dialect.add_cost(body, cost_usd)
        call.door.answer(record.status, headers, body)
