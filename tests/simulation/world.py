"""Lives a plan: one process after the other on the same ledger, until nothing is left to end."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final

from proxy.config.model import Config
from proxy.domain.errors import LedgerError
from proxy.gateway.runtime.tasks import TaskSet
from tests.simulation.judge.books import OpenHold, newest_hold, open_holds, settled_on_disk
from tests.simulation.outside import Operator, lock_file
from tests.simulation.plan import (
    Act,
    Call,
    ClockStep,
    Document,
    EndByHand,
    Fund,
    Happening,
    Kill,
    Lock,
    Outage,
    Plan,
    Reload,
    SetStatus,
    StatementTrouble,
    Terminate,
    WriteTrouble,
)
from tests.simulation.rig.disk import Disk
from tests.simulation.rig.door import ScriptedDoor
from tests.simulation.rig.process import ListLog, Process, Work
from tests.simulation.rig.provider import UNITS, most
from tests.simulation.rig.upstream import Attempt, ScriptedUpstream, Sighting, UnderWay
from tests.simulation.rig.virtual import Killed, Stuck, VirtualLoop, VirtualTime

LOOK_AGAIN_S: Final = 0.5
LONGEST_LIFE_S: Final = 600.0
RESTART_PAUSE_S: Final = 0.5
SLACK_S: Final = 30.0
"""For settlements that wait for the ledger with growing pauses."""


@dataclass(slots=True)
class CallRun:
    """A call and what came of it.

    `sightings` are of its attempts. `orphans`: the ids of holds that their process did not live
    to end. `process_died`: that was too early, perhaps for a settlement that would still have
    come.
    """

    call: Call
    sightings: list[Sighting] = field(default_factory=list)
    door: ScriptedDoor | None = None
    orphans: set[str] = field(default_factory=set)
    process_died: bool = False

    @property
    def sighting(self) -> Sighting:
        """What was seen of the last attempt."""
        return self.sightings[-1] if self.sightings else Sighting()

    @property
    def is_orphan(self) -> bool:
        """Whether a hold of it is one."""
        return bool(self.orphans)


Around = Callable[[CallRun, Work], Work]
"""Stands between the task of a call and its work."""


class World:
    """One plan at work. `broken` are rules whose breach was seen while it lived."""

    def __init__(
        self, plan: Plan, directory: Path, *, around: Around = lambda _, work: work
    ) -> None:
        self.plan = plan
        self.config = Config.model_validate(plan.config)
        self.time = VirtualTime()
        self.disk = Disk(directory, self.time)
        self.log = ListLog()
        self.runs = {call.number: CallRun(call) for call in plan.calls}
        self.broken: list[str] = []
        self._around = around
        self._ids = count(1)
        self._to_come: list[Call | Happening] = [*plan.happenings, *plan.calls]
        self._loops: list[VirtualLoop] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._locks: list[Callable[[], None]] = []
        self._down_ms = 0
        self._highest_step_ms = 0
        self._is_disposed = False
        self._outsiders: TaskSet
        self._terminated: asyncio.Event
        self._process: Process

    def live(self) -> None:
        """From the first process to the end of the last hold.

        Raises:
            Stuck: something waits for ever.
        """
        is_over = False
        while not is_over:
            loop = VirtualLoop(self.time)
            self._loops.append(loop)
            try:
                is_over = loop.run_until_complete(self._one_process())
            except Killed:
                self._bury()
            self._clear_away()
            self._inspect(loop)
            if not is_over:
                self._mark_orphans()

    def dispose(self) -> None:
        """Let go of everything, also of what is left of dead processes."""
        self._is_disposed = True
        self.disk.heal()
        for loop in self._loops:
            loop.dispose()

    async def _one_process(self) -> bool:
        """From its start to its end in order. Whether it was the last one."""
        self._terminated = asyncio.Event()
        self._outsiders = TaskSet()
        await self._start()
        self._arrange()
        await self._until_over()
        is_over = not self._terminated.is_set()
        if is_over:
            self.disk.heal()
            self.time.step_ms = self._highest_step_ms
            await self._until_settled()
        await self._process.stop()
        self._inspect_process(is_over=is_over)
        return is_over

    async def _start(self) -> None:
        while True:
            self._process = Process(
                self.config,
                disk=self.disk,
                time=self.time,
                log=self.log,
                upstream=ScriptedUpstream(self._on_sent),
                ids=self._ids,
                expiry_pause_ms=self.plan.expiry_pause_ms,
            )
            try:
                await self._process.start()
            except LedgerError:
                await asyncio.sleep(RESTART_PAUSE_S)
            else:
                return

    def _arrange(self) -> None:
        """Set an alarm for all that has not happened yet."""
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_at(max(each.at_ms / 1000, loop.time()), self._begin, each)
            for each in self._to_come
        ]

    def _begin(self, each: Call | Happening) -> None:
        if self._process.is_stopping:
            return  # it comes to the next process
        self._to_come.remove(each)
        if isinstance(each, Happening):
            self._happen(each.act)
            return
        run = self.runs[each.number]
        under_way = UnderWay(each, run.sightings)
        run.door = self._process.take(under_way, lambda work: self._around(run, work))

    def _happen(self, act: Act) -> None:
        match act:
            case Kill():
                self._down_ms = act.down_ms
                self._die_after(act.hops)
            case Terminate():
                self._terminated.set()
            case StatementTrouble():
                self.disk.trouble_in(act.after, act.trouble)
            case WriteTrouble():
                self.disk.break_write(act.after, act.permille, kills=act.kills)
            case Outage():
                self.disk.fail_for(act.duration_ms)
            case ClockStep():
                self.time.step_ms += act.by_ms
                self._highest_step_ms = max(self._highest_step_ms, self.time.step_ms)
            case Lock():
                self._locks.append(lock_file(self.disk.path, act.duration_ms))
            case Reload():
                config = with_budgets_at(act.percent, self.plan.config)
                self.config = Config.model_validate(config)
                self._meanwhile(self._process.reload(self.config))
            case Fund() | SetStatus() | EndByHand():
                self._meanwhile(Operator(self.disk.path, self.time).do(act))

    def _meanwhile(self, work: Coroutine[Any, Any, None]) -> None:
        self._outsiders.start(work, name="outsider")

    def _die_after(self, hops: int) -> None:
        """`kill -9` after so many turns of the loop."""
        if hops:
            asyncio.get_running_loop().call_soon(self._die_after, hops - 1)
        elif not self._is_disposed:
            raise Killed

    async def _until_over(self) -> None:
        """Until nothing is to come and no call is under way, or the process is terminated."""
        while self._to_come or len(self._process.calls):
            if self.time.elapsed_s > LONGEST_LIFE_S:
                raise Stuck
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._terminated.wait()
                    break
            except TimeoutError:
                continue
        await self._outsiders.wait(1_000)

    async def _until_settled(self) -> None:
        """Until every hold has ended that can end by itself."""
        settle = self.config.settle
        waits_for = {"ACTIVE", "UNCERTAIN"} if settle.uncertain == "commit" else {"ACTIVE"}
        longest_ms = self.config.ledger.reservation_ttl_ms + settle.uncertain_after_ms
        deadline_s = self.time.elapsed_s + longest_ms / 1000 + SLACK_S
        while len(self._process.settlements) or waits_for & {
            each.state for each in self._open_holds()
        }:
            if self.time.elapsed_s > deadline_s:
                self.broken.append(f"holds that never end: {self._open_holds()}")
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    def _bury(self) -> None:
        """A process was killed: what it was connected to notices, and time goes on."""
        self._process.upstream.lose_all()
        self.disk.crash()
        self.time.elapsed_s += self._down_ms / 1000

    def _clear_away(self) -> None:
        """What belongs to a loop that has ended."""
        for timer in self._timers:
            timer.cancel()
        for let_go in self._locks:
            let_go()

    def _mark_orphans(self) -> None:
        """Whose outcome nobody knows now. What was written down before is still known."""
        known = settled_on_disk(self.disk.outbox)
        for hold in self._open_holds():
            if hold.reservation_id not in known:
                self.runs[int(hold.trace_id, 16)].orphans.add(hold.reservation_id)
        for run in self.runs.values():
            run.process_died = run.process_died or run.door is not None

    def _open_holds(self) -> list[OpenHold]:
        try:
            with self.disk.reading() as connection:
                return open_holds(connection)
        except sqlite3.OperationalError:
            return []  # it died before there were tables

    def _inspect_process(self, *, is_over: bool) -> None:
        """What a process that ended in order must have put away."""
        process = self._process
        if process.upstream.open_lines():
            self.broken.append("a connection to the upstream is neither given back nor closed")
        if len(process.queue):
            self.broken.append("somebody stands in line when all calls are over")
        if is_over and len(process.leases):
            self.broken.append("a lease is kept for a hold that has ended")

    def _inspect(self, loop: VirtualLoop) -> None:
        self.broken += [f"a task failed: {error!r}" for error in loop.failures()]
        self.broken += [f"the loop complains: {line}" for line in loop.complaints]

    def _on_sent(self, attempt: Attempt) -> None:
        """A request leaves: what is committed by now must have made room for it."""
        call, sighting = attempt.call, attempt.sighting
        door = self.runs[call.number].door
        if door is not None and door.gone:
            self.broken.append(f"call {call.number} left though its caller was gone")
        with self.disk.reading() as connection:
            row = newest_hold(connection, call.trace_id)
        if row is None or not row.dispatched:
            self.broken.append(f"call {call.number} left without a committed, dispatched hold")
            return
        is_learned = self.config.hold == "learned" and call.body.get("stream", False)
        if sighting.request is not None and not self.plan.hostile and not is_learned:
            worst = most(sighting.request)
            if any(row.amounts[unit] < worst[unit] for unit in UNITS):
                self.broken.append(f"call {call.number} holds {row.amounts}, can cost {worst}")


def with_budgets_at(percent: int, config: Document) -> Document:
    """The same configuration, with so many percent in every budget."""
    budgets = [
        budget | {"allocated": _share(budget["allocated"], percent)} for budget in config["budgets"]
    ]
    return {**config, "budgets": budgets}


def _share(allocated: str | int, percent: int) -> str | int:
    if isinstance(allocated, int):
        return allocated * percent // 100
    return f"${Decimal(allocated[1:]) * percent / 100:.8f}"
