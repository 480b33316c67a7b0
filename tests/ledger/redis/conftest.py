"""Stores that are closed at the end, on a clock that stands still."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from random import Random

import pytest

from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.address import parse
from tests.ledger.redis.timers import ManualTimers
from tests.servers.fixtures import (
    any_server,
    binary,
    certificates,
    cluster,
    relay,
    server,
    valkey,
)

__all__ = [
    "any_server",
    "binary",
    "certificates",
    "cluster",
    "open_store",
    "relay",
    "server",
    "timers",
    "valkey",
]

OpenStore = Callable[[str], RedisStore]

DEADLINE_MS = 1_000


@pytest.fixture
def timers() -> ManualTimers:
    """The clock of the stores of this test."""
    return ManualTimers()


@pytest.fixture
async def open_store(timers: ManualTimers) -> AsyncIterator[OpenStore]:
    """Opens the store at a URL."""
    async with AsyncExitStack() as stack:

        def opened(url: str) -> RedisStore:
            store = RedisStore(parse(url), deadline_ms=DEADLINE_MS, timers=timers, random=Random(1))
            stack.push_async_callback(store.close)
            return store

        yield opened
