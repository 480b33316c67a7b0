"""Sends the ledger's scripts with redis-py, each over a connection of its pool."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio

from tests.benchmarks.ledger.pair import key_of
from tests.benchmarks.ledger.probes.requests import Asked, Requests, check

_CONNECTIONS = 64
_PATIENCE_S = 60


class PoolPairs:
    """Pairs asked of a store, by scripts that were recorded; every id has the same length."""

    def __init__(
        self, client: "redis.asyncio.Redis", requests: Requests, new_id: Callable[[], str]
    ) -> None:
        self._client = client
        self._requests = requests
        self._new_id = new_id

    async def reserve(self, number: int) -> str:
        reservation_id = self._new_id()
        await self._run(self._requests.reserve, reservation_id, key_of(number))
        return reservation_id

    async def commit(self, reservation_id: str) -> None:
        await self._run(self._requests.commit, reservation_id, self._requests.key)

    async def _run(self, asked: Asked, reservation_id: str, key: str) -> None:
        old_id, old_key = self._requests.reservation_id.encode(), self._requests.key.encode()
        packed, windows = asked.args
        assert isinstance(packed, bytes), "requests are msgpack"
        packed = packed.replace(old_id, reservation_id.encode()).replace(old_key, key.encode())
        check(
            await self._client.evalsha(
                asked.script.sha1, len(asked.keys), *asked.keys, packed, windows
            )
        )


@asynccontextmanager
async def open_pool(
    url: str, requests: Requests, new_id: Callable[[], str]
) -> AsyncIterator[PoolPairs]:
    """A client with a pool of 64 connections, which callers wait for."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, max_connections=_CONNECTIONS, timeout=_PATIENCE_S
    )
    async with redis.asyncio.Redis(connection_pool=pool) as client:
        try:
            yield PoolPairs(client, requests, new_id)
        finally:
            await pool.aclose()
