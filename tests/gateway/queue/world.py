"""Calls, budgets and a queue in virtual time, and what has to be true of them at every moment.

The budgets are a few lines that know nothing of lines. What the queue does is judged from
outside: by when it asks them, and by what each call hears in the end.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec.structs import replace

from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.domain.money import Unit
from proxy.domain.scope import Scope, budget_scopes
from proxy.domain.subject import Subject
from proxy.gateway.runtime.door import ClientGone
from proxy.gateway.runtime.queue import SHORTEST_PAUSE_MS, Patience, Queue
from proxy.ledger.records import Grant, ReserveRequest, Span
from tests.ledger.rules.balances import balance
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime, rest

USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS
TENANT = Scope("tenant:dev")
PATIENCE: Final = Patience(max_wait_ms=10_000, max_length=100)
RETRY_AFTER_MS: Final = 150
"""What the budgets say to whom they send away."""

_A_MOMENT_S: Final = 0.0005
"""Everything happens at whole milliseconds: so much later it has happened."""


_LONG_AGO_MS: Final = 10**9


class Budget(NamedTuple):
    """A budget of one scope in one unit."""

    scope: Scope
    unit: Unit = USD


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is asked, and how it goes.

    amounts: what it needs, all or nothing. free: units in which it costs nothing.
    holds_ms: how long it keeps its hold; charged_pct: the share of it that it costs.
    asks_ms, hears_ms: how long a question is on its way, and the answer.
    leaves_ms, is_cancelled_ms: after its arrival.
    is_elsewhere: another process settles it, and this one is not told.
    """

    at_ms: int = 0
    agent: str | None = None
    amounts: Mapping[Unit, int] = field(default_factory=lambda: {USD: 1})
    free: frozenset[Unit] = frozenset()
    holds_ms: int = 10
    charged_pct: int = 0
    asks_ms: int = 0
    hears_ms: int = 0
    leaves_ms: int | None = None
    is_cancelled_ms: int | None = None
    is_elsewhere: bool = False

    @property
    def subject(self) -> Subject:
        return Subject(tenant="dev", agent=self.agent)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """All that could refuse it for lack of room, outermost first."""
        units = [unit for unit in self.amounts if unit not in self.free]
        return tuple(Budget(scope, unit) for scope in budget_scopes(self.subject) for unit in units)


@dataclass(eq=False)
class Run:
    """A call as it went, in milliseconds of the world. It is its own door."""

    call: Call
    arrived_ms: int
    tries_ms: list[int] = field(default_factory=list)
    is_entering: bool = True
    is_asking: bool = False
    refused_by: Budget | None = None
    answer: Grant | BaseException | None = None
    ended_ms: int | None = None
    gone_ms: int | None = None
    waited_ns: list[int] = field(default_factory=list)
    react: Callable[[], None] = lambda: None

    @property
    def is_over(self) -> bool:
        return self.ended_ms is not None

    @property
    def stands(self) -> bool:
        """Whether it stands in line: it was sent there, or never got as far as to ask."""
        return not self.is_over and not self.is_entering

    def when_gone(self, react: Callable[[], None]) -> None:
        self.react = react
        if self.gone_ms is not None:
            react()


class World:
    """Lives calls to their ends. What broke a rule on the way is in `broken`."""

    def __init__(
        self,
        room: Mapping[Budget, int],
        patience: Patience = PATIENCE,
        *,
        retry_after_ms: int = RETRY_AFTER_MS,
    ) -> None:
        self._left = dict(room)
        self._held = Counter[Budget]()
        self._patience = patience
        self._retry_after_ms = retry_after_ms
        self._pause_ms = max(retry_after_ms, SHORTEST_PAUSE_MS)
        self._untold = Counter[Budget]()
        self._changed_elsewhere_ms: dict[Budget, int] = {}
        self._loop = VirtualLoop(VirtualTime())
        self.queue = Queue()
        self.runs: list[Run] = []
        self.broken: list[str] = []

    def live(self, calls: Sequence[Call]) -> list[Run]:
        """How the calls went, in the order in which they came."""
        try:
            self._loop.run_until_complete(self._live(calls))
            self.broken += [*map(str, self._loop.failures()), *self._loop.complaints]
        finally:
            self._loop.dispose()
        return self.runs

    @property
    def now_ms(self) -> int:
        return round(self._loop.time() * 1000)

    async def _live(self, calls: Sequence[Call]) -> None:
        tasks = [self._loop.create_task(self._call(call)) for call in calls]
        await asyncio.wait(tasks)
        if len(self.queue) or any(vars(self.queue)[name] for name in ("_lines", "_trying")):
            self.broken.append("something of the calls is left in the queue")

    async def _call(self, call: Call) -> None:
        await rest(call.at_ms)
        run = Run(call, self.now_ms)
        self.runs.append(run)
        task = asyncio.current_task()
        assert task is not None
        self._loop.call_soon(self._has_come, run)
        if call.leaves_ms is not None:
            self._loop.call_later(call.leaves_ms / 1000, self._leave, run)
        if call.is_cancelled_ms is not None:
            self._loop.call_later(call.is_cancelled_ms / 1000, task.cancel)
        try:
            run.answer = await self.queue.hold(
                _request(call),
                lambda: self._reserve(run),
                self._patience,
                door=run,  # type: ignore[arg-type]
                on_waited=run.waited_ns.append,
            )
        except (BudgetRefused, ClientGone, asyncio.CancelledError) as error:
            run.answer = error
        run.ended_ms = self.now_ms
        self._judge_end(run)
        self._judge_soon()
        if isinstance(run.answer, Grant):
            await self._spend(run)

    def _has_come(self, run: Run) -> None:
        run.is_entering = run.is_asking

    def _leave(self, run: Run) -> None:
        run.gone_ms = self.now_ms
        run.react()
        self._judge_soon()

    async def _reserve(self, run: Run) -> Grant:
        """One question to the budgets."""
        run.tries_ms.append(self.now_ms)
        self._judge_turn(run)
        run.is_asking = True
        try:
            await rest(run.call.asks_ms)
            refusal = self._refusal(run.call)
            if refusal is None:
                self._take(run.call)
            self._judge_soon()
            try:
                await rest(run.call.hears_ms)
            except asyncio.CancelledError:
                if refusal is None:  # a hold of which nobody knows ends with its lease
                    self._give_back(run.call, is_told=False)
                raise
        finally:
            run.is_asking = False
            self._judge_soon()
        if refusal is not None:
            run.is_entering = False
            run.refused_by = Budget(Scope(refusal.shortage.scope), refusal.shortage.unit)
            raise refusal
        return Grant("r", 0, run.call.amounts, 0, 0, (), ())

    def _refusal(self, call: Call) -> BudgetRefused | None:
        """What the budgets say to a call: nothing when it fits."""
        short = [
            budget for budget in self._limits(call) if self._left[budget] < _need(call, budget)
        ]
        if not short:
            return None
        is_busy = all(self._left[b] + self._held[b] >= _need(call, b) for b in short)
        first = short[0]
        refusal = BudgetRefused(
            Reason.BUDGET_BUSY if is_busy else Reason.BUDGET_EXCEEDED,
            Shortage(first.scope, first.unit, _need(call, first), self._left[first], None),
        )
        refusal.retry_after_ms = self._retry_after_ms if is_busy else None
        return refusal

    def _limits(self, call: Call) -> Iterator[Budget]:
        return (budget for budget in call.budgets if budget in self._left)

    def _take(self, call: Call) -> None:
        for budget in self._limits(call):
            self._left[budget] -= _need(call, budget)
            self._held[budget] += _need(call, budget)

    def _give_back(self, call: Call, *, is_told: bool, charged_pct: int = 0) -> None:
        for budget in self._limits(call):
            amount = _need(call, budget)
            self._held[budget] -= amount
            self._left[budget] += amount - amount * charged_pct // 100
            if not is_told:
                self._changed_elsewhere_ms[budget] = self.now_ms
        self._judge_soon()
        long_s = 2 * self._pause_ms / 1000  # by then it is known here too
        self._loop.call_later(long_s + _A_MOMENT_S, self._judge_moment)

    async def _spend(self, run: Run) -> None:
        """Keep the hold for a while, and settle it."""
        call = run.call
        await rest(call.holds_ms)
        is_told = not call.is_elsewhere
        self._give_back(call, is_told=is_told, charged_pct=call.charged_pct)
        if is_told:
            self._untold.update(call.budgets)
            await rest(call.hears_ms)
            self._untold.subtract(call.budgets)
            self.queue.made_room(
                [replace(balance(scope), unit=unit) for scope, unit in self._limits(call)]
            )
            self._judge_soon()

    def _judge_turn(self, run: Run) -> None:
        """Nobody asks for what somebody waits for who came earlier."""
        asked = set(run.call.budgets)
        standing = [other for other in self.runs[: self.runs.index(run)] if other.stands]
        for number, other in enumerate(standing):
            needed = set(other.call.budgets)
            # It may have gone on to another line, behind somebody before it.
            lines = {before.refused_by for before in standing[:number]} & (needed - asked)
            is_untried = not other.tries_ms and needed <= asked
            if (other.refused_by in asked and not lines) or is_untried:
                self._broke(run, f"overtakes call {self.runs.index(other)}")

    def _judge_soon(self) -> None:
        self._loop.call_later(_A_MOMENT_S, self._judge_moment)

    def _judge_moment(self) -> None:
        """Nobody waits who could go, and no more wait than may."""
        standing = [run for run in self.runs if run.stands]
        if len(self.queue) != len(standing):
            self.broken.append(
                f"at {self.now_ms}: {len(self.queue)} places for {len(standing)} calls"
            )
        if len(standing) > self._patience.max_length:
            self.broken.append(f"{len(standing)} calls wait")
        for run in standing:
            if run.is_asking or self._has_somebody_before(run) or self._hears_soon(run.call):
                continue
            if self._refusal(run.call) is None or not self._will_have_room(run):
                self._broke(run, "waits for nothing")

    def _will_have_room(self, run: Run) -> bool:
        """Whether the budget for which it waits could hold it one day."""
        budget = run.refused_by
        if budget is None:
            return True
        return self._left[budget] + self._held[budget] >= _need(run.call, budget)

    def _has_somebody_before(self, run: Run) -> bool:
        earlier = self.runs[: self.runs.index(run)]
        needs = set(run.call.budgets)
        return any(not other.is_over and needs & set(other.call.budgets) for other in earlier)

    def _hears_soon(self, call: Call) -> bool:
        """Whether there is room of which the queue cannot know yet."""
        changed_ms = [
            self._changed_elsewhere_ms.get(budget, -_LONG_AGO_MS) for budget in call.budgets
        ]
        known_ms = self.now_ms - self._pause_ms - call.hears_ms
        return max(changed_ms) >= known_ms or any(self._untold[budget] for budget in call.budgets)

    def _judge_end(self, run: Run) -> None:
        """Nobody waits for longer than agreed, or is sent away before."""
        call, patience = run.call, self._patience
        assert run.ended_ms is not None
        deadline_ms = run.arrived_ms + patience.max_wait_ms
        under_way_ms = call.asks_ms + call.hears_ms
        if run.ended_ms > deadline_ms + under_way_ms:
            self._broke(run, "waited for too long")
        if run.tries_ms[1:] and run.tries_ms[-1] > deadline_ms:
            self._broke(run, "tried again when its time was up")
        if run.gone_ms is not None and run.ended_ms > run.gone_ms + under_way_ms:
            self._broke(run, "waited on without its caller")
        if isinstance(run.answer, asyncio.CancelledError):
            cancelled_ms = call.is_cancelled_ms
            if cancelled_ms is None or run.ended_ms != run.arrived_ms + cancelled_ms:
                self._broke(run, "was not cancelled when it should be")
        elif isinstance(run.answer, ClientGone) and run.gone_ms is None:
            self._broke(run, "was given up for a caller who is there")
        elif isinstance(run.answer, BudgetRefused) and run.answer.reason is Reason.BUDGET_BUSY:
            self._judge_sent_away(run, run.answer, deadline_ms)
        self._judge_waiting(run)

    def _judge_sent_away(self, run: Run, refusal: BudgetRefused, deadline_ms: int) -> None:
        assert run.ended_ms is not None
        is_full = not run.waited_ns and len(self.queue) >= self._patience.max_length
        if run.ended_ms < deadline_ms and not is_full:
            self._broke(run, "was sent away too early")
        if refusal.retry_after_ms != self._retry_after_ms:
            self._broke(run, f"was told to come back in {refusal.retry_after_ms} ms")
        shortage = refusal.shortage
        budget = Budget(Scope(shortage.scope), shortage.unit)
        if budget not in run.call.budgets or shortage.required != _need(run.call, budget):
            self._broke(run, f"was sent away for {shortage}")

    def _judge_waiting(self, run: Run) -> None:
        """How long it stood in line is told once, if it did."""
        assert run.ended_ms is not None
        lasted_ns = (run.ended_ms - run.arrived_ms) * 1_000_000
        waited_ns = sum(run.waited_ns)
        most_ns = lasted_ns if run.waited_ns else 0
        if len(run.waited_ns) > 1 or not 0 <= waited_ns <= most_ns:
            self._broke(run, f"waited {run.waited_ns} of {lasted_ns}")
        if not run.waited_ns and len(run.tries_ms) > 1:
            self._broke(run, "waited, and nobody heard of it")

    def _broke(self, run: Run, what: str) -> None:
        self.broken.append(f"at {self.now_ms}: call {self.runs.index(run)} {what}")


def _need(call: Call, budget: Budget) -> int:
    return call.amounts[budget.unit]


def _request(call: Call) -> ReserveRequest:
    return ReserveRequest(
        key="k",
        payload_hash="k",
        subject=call.subject,
        plan=({unit: Span(amount, amount) for unit, amount in call.amounts.items()},),
        ttl_ms=60_000,
        free=call.free,
    )
