"""Does one Job after another: opens a ledger or a probe, lets callers ask, and tells what it took.

`python -m tests.benchmarks.ledger.player` reads one Job a line and answers each with one
Tally, both JSON. A process of its own, so that its CPU time is that of the asking alone.
"""

import asyncio
import gc
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
import redis

from proxy.app import new_reservation_id
from proxy.domain.errors import LedgerError, Refused
from proxy.ledger.sqlite.file.connection import Durability
from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.ledger.callers import Tally, call
from tests.benchmarks.ledger.homes import (
    CountingClock,
    LedgerPairs,
    make_store,
    open_redis,
    open_sqlite,
)
from tests.benchmarks.ledger.probes.pipeline import Pipeline
from tests.benchmarks.ledger.probes.pool import open_pool
from tests.benchmarks.ledger.probes.requests import record
from tests.benchmarks.ledger.probes.rows import RowWriter, make_sample, write

_NEW_OBJECTS_PER_COLLECTION = 10_000
"""As in the proxy."""


class Kind(StrEnum):
    """What is measured."""

    FILE = "file"
    ROWS = "rows"
    STORE = "store"
    PIPELINE = "pipeline"
    POOL = "pool"


@dataclass(frozen=True, slots=True)
class Job:
    """So many callers, each with one pair after another, for `duration_s` after a warm-up.

    Files are made in `directory`, with this durability; the store at `url` is emptied.
    `batch` is how many operations share a transaction of ROWS.
    """

    kind: Kind
    callers: int
    warm_up_s: float
    duration_s: float
    directory: str = ""
    durability: Durability = "process"
    url: str = ""
    batch: int = 1


class Load(Protocol):
    """Asks for so long, and says what came of it."""

    async def __call__(self, duration_s: float) -> Tally: ...


@asynccontextmanager
async def _open_file(job: Job) -> AsyncIterator[Load]:
    clock, numbers = CountingClock(), itertools.count()
    with TemporaryDirectory(dir=job.directory) as directory:
        async with open_sqlite(Path(directory, "ledger.db"), job.durability, clock) as ledger:

            async def load(duration_s: float) -> Tally:
                before = clock.asked
                pairs = LedgerPairs(ledger)
                stint = await call(pairs, numbers, callers=job.callers, duration_s=duration_s)
                return stint.tally(transactions=clock.asked - before)

            yield load


@asynccontextmanager
async def _open_rows(job: Job) -> AsyncIterator[Load]:
    clock = CountingClock()
    with TemporaryDirectory(dir=job.directory) as directory:
        path = Path(directory, "ledger.db")
        sample = await make_sample(path, job.durability)
        writer = RowWriter(
            path, job.durability, sample, new_id=new_reservation_id, now_ms=clock.now_ms
        )

        async def load(duration_s: float) -> Tally:
            before = clock.asked
            stint = write(writer, callers=job.callers, batch=job.batch, duration_s=duration_s)
            return stint.tally(transactions=clock.asked - before)

        with closing(writer):
            yield load


@asynccontextmanager
async def _open_store(job: Job) -> AsyncIterator[Load]:
    numbers = itertools.count()
    async with open_redis(make_store(job.url)) as ledger:

        async def load(duration_s: float) -> Tally:
            pairs = LedgerPairs(ledger)
            return (await call(pairs, numbers, callers=job.callers, duration_s=duration_s)).tally()

        yield load


@asynccontextmanager
async def _open_pipeline(job: Job) -> AsyncIterator[Load]:
    requests = await record(job.url)
    address = urlsplit(job.url)
    pipeline = Pipeline(
        address.hostname or "",
        address.port or 0,
        requests,
        new_id=new_reservation_id,
        numbers=itertools.count(1),
    )

    async def load(duration_s: float) -> Tally:
        return pipeline.run(callers=job.callers, duration_s=duration_s).tally()

    with closing(pipeline):
        yield load


@asynccontextmanager
async def _open_pool(job: Job) -> AsyncIterator[Load]:
    requests, numbers = await record(job.url), itertools.count(1)
    async with open_pool(job.url, requests, new_reservation_id) as pairs:

        async def load(duration_s: float) -> Tally:
            return (await call(pairs, numbers, callers=job.callers, duration_s=duration_s)).tally()

        yield load


_OPEN: Mapping[Kind, Callable[[Job], AbstractAsyncContextManager[Load]]] = MappingProxyType(
    {
        Kind.FILE: _open_file,
        Kind.ROWS: _open_rows,
        Kind.STORE: _open_store,
        Kind.PIPELINE: _open_pipeline,
        Kind.POOL: _open_pool,
    }
)


async def play(job: Job) -> Tally:
    """Do one Job.

    Raises:
        CannotMeasure
    """
    if not job.url:
        return await _measure(job)
    with closing(redis.Redis.from_url(job.url)) as client:
        client.flushall()
        return await _measure(job, client)


async def _measure(job: Job, client: "redis.Redis | None" = None) -> Tally:
    async with _OPEN[job.kind](job) as load:
        await load(job.warm_up_s)
        gc.collect()
        before_s = _store_cpu_s(client) if client else 0.0
        tally = await load(job.duration_s)
        if client is None:
            return tally
        return replace(tally, store_cpu_s=_store_cpu_s(client) - before_s)


def _store_cpu_s(client: "redis.Redis") -> float:
    """CPU seconds of the store since its start."""
    spent: Any = client.info("cpu")
    return float(spent["used_cpu_user"]) + float(spent["used_cpu_sys"])


def main() -> None:
    """One Job a line, until standard input ends."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION)
    for line in sys.stdin.buffer:
        try:
            tally = asyncio.run(play(msgspec.json.decode(line, type=Job)))
        except (CannotMeasure, LedgerError, Refused, OSError, redis.RedisError) as problem:
            tally = Tally(failure=str(problem))
        sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    main()
