"""Processes on one store, with the scripts of production."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest

from proxy.ledger.redis.ledger import RedisLedger
from proxy.ledger.redis.store import RedisStore, Store
from proxy.ledger.redis.wire.address import parse
from proxy.ledger.redis.wire.timing import LoopTimers
from tests.servers.process import Server

DEADLINE_MS = 10_000


@dataclass
class Processes:
    """Opens processes, each with ids of its own, on one store or on a way to it."""

    stack: AsyncExitStack
    names: "count[int]" = field(default_factory=count)
    replay_ms: int = 10_000

    def start(self, url: str) -> RedisLedger:
        """One more process. Its monotonic clock stands still."""
        return self.open(self.connect(url))

    def connect(self, url: str) -> RedisStore:
        """A store for one more process."""
        return RedisStore(
            parse(url), timers=LoopTimers(), random=Random(1), deadline_ms=DEADLINE_MS
        )

    def open(self, store: Store) -> RedisLedger:
        """The ledger of a process in this store, which ends with it."""
        ledger = RedisLedger.open(
            store, new_id=self._ids(), now_ms=lambda: 0, replay_ms=self.replay_ms
        )
        self.stack.push_async_callback(ledger.close)
        return ledger

    def _ids(self) -> Callable[[], str]:
        name, numbers = next(self.names), count()
        return lambda: f"rsv_{name:016x}{next(numbers):016x}"


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    """None yet."""
    async with AsyncExitStack() as stack:
        yield Processes(stack)


@pytest.fixture
def ledger(processes: Processes, server: Server) -> RedisLedger:
    """One process on an empty Valkey."""
    return processes.start(server.unix_url)
