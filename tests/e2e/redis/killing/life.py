"""Lives a plan: real proxies on one store, their callers, the kill, the end of the leases."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from proxy.ledger.protocol import Books
from proxy.opening import open_beside
from simulator import Behaviour, BillLine, ChatRequest, Simulator
from tests.e2e.program import Program, serving, write_config
from tests.e2e.redis.conftest import ledger_at
from tests.e2e.redis.killing.plan import CALLS, KILLED, PROXIES, Call, Plan
from tests.simulation.rig.provider import read

LIFE_S: Final = 60.0
"""No life takes so long; one that does waits for something that never comes."""


OK: Final = 200
REFUSED: Final = 429


@dataclass(frozen=True)
class Sighting:
    """What the upstream knows of a call: the request as it arrived, and the bill."""

    request: ChatRequest
    bill: BillLine


@dataclass(frozen=True)
class Life:
    """What became of a plan, as those saw it who are not the proxy.

    `calls` are those of the plan and those that were asked again, by trace id. `statuses` are
    what their callers heard: None of an answer that was not whole. `logs` are the lines of
    each proxy, the one that was restarted last; `codes` how those ended that were not killed.
    """

    plan: Plan
    calls: dict[str, Call]
    statuses: dict[str, int | None]
    sightings: dict[str, Sighting]
    logs: tuple[tuple[str, ...], ...]
    codes: tuple[int, ...]


async def live(plan: Plan, folder: Path, store_url: str) -> Life:
    """Live it to the end: no hold is left that can end, and no proxy runs any more."""
    simulator = Simulator(seed=plan.seed, keep_bodies=True)
    async with (
        simulator,
        AsyncExitStack() as processes,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as callers,
    ):
        world = _World(plan, folder, store_url, simulator, processes, callers)
        try:
            async with asyncio.timeout(LIFE_S):
                return await world.live()
        except TimeoutError:
            raise AssertionError(f"seed {plan.seed}: after {LIFE_S} s {world}") from None


class _World:
    """A life while it is lived."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        store_url: str,
        simulator: Simulator,
        processes: AsyncExitStack,
        callers: aiohttp.ClientSession,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._store_url = store_url
        self._simulator = simulator
        self._processes = processes
        self._callers = callers
        self._proxies: list[Program] = []
        self._urls: list[str] = []
        self._calls = {call.trace_id: call for call in plan.calls}
        self._statuses: dict[str, int | None] = {}
        self._arrived: set[str] = set()
        self._changed = asyncio.Event()
        self._recovered = asyncio.Event()
        simulator.behave(self._choose)

    async def live(self) -> Life:
        for number in range(PROXIES):
            await self._start(number)
        for proxy in self._proxies:
            await self._until_ready(proxy)
        async with asyncio.TaskGroup() as tasks:
            for call in self._plan.calls:
                tasks.create_task(self._live_call(call))
            await self._until(self._is_time)
            await self._kill()
        await self._until_all_has_ended()
        codes = [await self._end(proxy) for proxy in self._proxies if proxy is not self._victim]
        return Life(
            plan=self._plan,
            calls=self._calls,
            statuses=self._statuses,
            sightings=_sightings(self._simulator),
            logs=tuple(tuple(proxy.log.lines) for proxy in self._proxies),
            codes=tuple(codes),
        )

    def __str__(self) -> str:
        """How far it came."""
        gone = self._arrived | self._statuses.keys()
        undecided = [call for trace_id, call in self._calls.items() if trace_id not in gone]
        unanswered = self._calls.keys() - self._statuses.keys()
        logs = [proxy.log.lines[-3:] + proxy.errors.lines for proxy in self._proxies]
        return (
            f"the plan {self._plan.sections}: killed {self._recovered.is_set()},"
            f" {len(self._arrived)} calls arrived, {len(unanswered)} have no answer,"
            f" undecided are {undecided}; the proxies said {logs}"
        )

    @property
    def _victim(self) -> Program:
        return self._proxies[self._plan.victim]

    async def _start(self, number: int) -> None:
        folder = self._folder / str(number)
        folder.mkdir(exist_ok=True)
        # What a proxy leaves on disk is taken over by the others: they share the directory.
        ledger = ledger_at(self._store_url, self._folder, reservation_ttl_ms=self._plan.ttl_ms)
        sections = {**self._plan.sections, "ledger": ledger}
        config = write_config(folder, self._simulator.base_url, **sections)
        proxy = await self._processes.enter_async_context(serving(config))
        self._proxies.append(proxy)
        self._urls.append(f"{proxy.base_url}/chat/completions")

    async def _until_ready(self, proxy: Program) -> None:
        """Until it counts by the model's own vocabulary: all are equally fast then."""
        is_ready = False
        while not is_ready:
            async with self._callers.get(f"{proxy.admin_url}/readyz") as answer:
                is_ready = answer.status == OK

    async def _kill(self) -> None:
        self._victim.signal(signal.SIGKILL)
        await self._victim.until_it_ends()
        self._simulator.open_gate(KILLED)
        if self._plan.restarts:
            await self._start(self._plan.victim)
        self._recovered.set()

    async def _end(self, proxy: Program) -> int:
        proxy.signal(signal.SIGTERM)
        return await proxy.until_it_ends()

    async def _live_call(self, call: Call) -> None:
        """Ask, and ask another proxy when this one is gone."""
        if await self._ask(call) is None and call.proxy == self._plan.victim:
            await self._recovered.wait()
            again = call.again(self._heir(call))
            self._calls[again.trace_id] = again
            await self._ask(again)

    def _heir(self, call: Call) -> int:
        """The proxy that was restarted, or one of the others."""
        if self._plan.restarts:
            return PROXIES
        return (self._plan.victim + 1 + call.number % (PROXIES - 1)) % PROXIES

    async def _ask(self, call: Call) -> int | None:
        status = None
        try:
            async with self._callers.post(
                self._urls[call.proxy], json=call.document, headers=call.headers
            ) as answer:
                await answer.read()
                status = answer.status
        except aiohttp.ClientError:
            pass
        self._statuses[call.trace_id] = status
        self._changed.set()
        return status

    def _choose(self, request: ChatRequest) -> Behaviour:
        """The upstream has a call, and answers it as was drawn."""
        trace_id = request.body["user"]
        self._arrived.add(trace_id)
        self._changed.set()
        return self._calls[trace_id].behaviour

    def _is_time(self) -> bool:
        """So many were decided, and one of the victim's is under way if any can be."""
        decided = self._arrived | self._statuses.keys()
        under_way = (self._calls[trace_id] for trace_id in self._arrived - self._statuses.keys())
        catches = any(call.proxy == self._plan.victim for call in under_way)
        return len(decided) >= self._plan.kill_after and (catches or len(decided) == CALLS)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _until_all_has_ended(self) -> None:
        """Until nothing is held but what stays uncertain."""
        books = await open_beside(self._store_url)
        try:
            while not await self._has_ended(books):
                continue
        finally:
            await books.close()

    async def _has_ended(self, books: Books) -> bool:
        stays = 0 if self._plan.charges_uncertain else 1
        balances = await books.all_balances()
        return all(balance.reserved == stays * balance.uncertain for balance in balances)


def _sightings(simulator: Simulator) -> dict[str, Sighting]:
    """By trace id, as the body of the request carried it."""
    bodies = {seen.number: seen.body for seen in simulator.requests_seen}
    found = {}
    for bill in simulator.bills:
        body = bodies[int(bill.request_id[-24:], 16)]
        assert body is not None
        request = read(body)
        trace_id = request.body["user"]
        assert trace_id not in found, "a call was sent twice"
        found[trace_id] = Sighting(request, bill)
    return found
