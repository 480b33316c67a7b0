"""A run: upstream, proxy and agents, from the first call to the last."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import aiohttp

from proxy.app import new_reservation_id
from proxy.cli.demo.agents import Agent, Desk
from proxy.cli.demo.inspect import Report, inspect
from proxy.cli.demo.stage import KEY, Noon, Stage, body_of
from proxy.cli.demo.tally import Tally
from proxy.cli.output import counted
from proxy.config.load import parse
from proxy.domain.clock import Clock
from proxy.ledger.records import Balance
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import Field
from proxy.serving import Server
from simulator import Simulator

_LOOK_S: Final = 0.125
_LONGEST_S: Final = 22.0
"""Agents that were never told no by then are sent home, and the run has failed."""

_READY_S: Final = 10.0
_READY_PAUSE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Scene:
    """What can be seen at one moment of a run."""

    elapsed_ms: int
    balances: tuple[Balance, ...]
    tally: Tally


class TroubleLog:
    """A log that keeps the names of events that must not happen."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def line(self, event: str, **fields: Field) -> None:
        if event in ("internal_error", "ledger_away", "settlement_refused", "extend_failed"):
            self.troubles.append(event)


async def play(stage: Stage, clock: Clock, show: Callable[[Scene], None]) -> Report:
    """Run it once; `show` is given a scene several times a second."""
    noon = Noon(clock)
    tally = Tally()
    log = TroubleLog()
    with TemporaryDirectory(prefix="spendgate-demo-") as folder:
        file = Path(folder) / "demo.db"
        async with Simulator(key=KEY, seed=stage.seed, behaviour=stage.behaviour()) as upstream:
            await _warm_up(upstream)
            async with _proxy(stage.config(upstream.base_url, file), noon, log) as server:
                elapsed_ms = await _let_work(stage, server, file, noon, tally, show)
            return await inspect(
                file,
                noon,
                tally,
                billed=upstream.total_microcents,
                troubles=log.troubles,
                elapsed_ms=elapsed_ms,
            )


async def _warm_up(upstream: Simulator) -> None:
    """One call, off the record: the upstream reads its vocabulary with the first."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(
            f"{upstream.base_url}/chat/completions", json=body_of(0, streams=False)
        ) as answer,
    ):
        await answer.read()
    upstream.reset()


@asynccontextmanager
async def _proxy(config: str, clock: Clock, log: TroubleLog) -> AsyncIterator[Server]:
    server = Server(parse(config, file="demo", env={}), clock, log)
    await server.start()
    try:
        await _until_ready(f"http://{server.addresses['admin']}/readyz")
        yield server
    finally:
        await server.stop()


async def _until_ready(url: str) -> None:
    """Ask as a probe does. Raises TimeoutError."""
    async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(_READY_PAUSE_S)


async def _let_work(
    stage: Stage,
    server: Server,
    file: Path,
    clock: Clock,
    tally: Tally,
    show: Callable[[Scene], None],
) -> int:
    """Until the last agent was told no; how long that took, in milliseconds."""
    # Beside the proxy, as any operator's command.
    ledger = SqliteLedger.open(file, clock=clock, new_id=new_reservation_id, serves=False)
    show(Scene(0, await ledger.all_balances(), tally))
    start_ns = clock.monotonic_ns()

    def elapsed_ms() -> int:
        return (clock.monotonic_ns() - start_ns) // 1_000_000

    async def watch() -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            show(Scene(elapsed_ms(), await ledger.all_balances(), tally))

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        desk = Desk(session, f"http://{server.addresses['proxy']}", tally, elapsed_ms)
        working = [group.create_task(agent.work(desk)) for agent in _agents(stage)]
        _, late = await asyncio.wait(working, timeout=_LONGEST_S)
        for task in (*late, watching):
            task.cancel()
    worked_ms = elapsed_ms()
    if late:
        tally.fail(f"{counted(len(late), 'agent was', 'agents were')} never told no")
    show(Scene(worked_ms, await ledger.all_balances(), tally))
    await ledger.close()
    return worked_ms


def _agents(stage: Stage) -> list[Agent]:
    """Every other one reads streams."""
    return [
        Agent(
            name,
            streams=number % 2 == 1,
            rest_ms=stage.rest_ms(number),
            random=Random(f"{stage.seed}/{name}"),
        )
        for number, name in enumerate(stage.names())
    ]
