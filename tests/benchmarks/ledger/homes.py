"""The ledger in each of its homes, with its budgets, for as long as a Job lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from proxy.app import new_reservation_id
from proxy.domain.clock import SystemClock
from proxy.ledger.protocol import Ledger
from proxy.ledger.redis.ledger import RedisLedger
from proxy.ledger.redis.store import RedisStore, Store
from proxy.ledger.redis.wire.address import parse
from proxy.ledger.redis.wire.timing import LoopTimers
from proxy.ledger.sqlite.file.connection import Durability
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.benchmarks.ledger import pair

_DEADLINE_MS = 10_000
"""A busy machine makes figures worse; it shall not end the run."""


class CountingClock(SystemClock):
    """Counts the transactions of a ledger: each asks for the time once."""

    def __init__(self) -> None:
        self.asked = 0

    def now_ms(self) -> int:
        self.asked += 1
        return super().now_ms()


class LedgerPairs:
    """Pairs asked of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def reserve(self, number: int) -> str:
        return (await pair.reserve(self._ledger, number)).reservation_id

    async def commit(self, reservation_id: str) -> None:
        await pair.commit(self._ledger, reservation_id)


@asynccontextmanager
async def open_sqlite(
    path: Path, durability: Durability, clock: CountingClock
) -> AsyncIterator[SqliteLedger]:
    """A new file."""
    ledger = SqliteLedger.open(path, clock=clock, new_id=new_reservation_id, durability=durability)
    try:
        await pair.declare(ledger)
        yield ledger
    finally:
        await ledger.close()


def make_store(url: str) -> RedisStore:
    """The way to the store at this address."""
    return RedisStore(parse(url), timers=LoopTimers(), random=Random(), deadline_ms=_DEADLINE_MS)


@asynccontextmanager
async def open_redis(store: Store) -> AsyncIterator[RedisLedger]:
    """The books in a store that holds nothing yet."""
    ledger = RedisLedger.open(store, new_id=new_reservation_id, now_ms=LoopTimers().now_ms)
    try:
        await pair.declare(ledger)
        yield ledger
    finally:
        await ledger.close()
