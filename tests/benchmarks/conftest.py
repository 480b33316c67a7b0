import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from tests.benchmarks.instruments.upstream import HOST

Listen = Callable[[Callable[[], asyncio.Protocol]], Awaitable[int]]


class Watched(asyncio.Protocol):
    """A protocol whose end can be awaited, so that a test leaves no connection behind."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)
        self.lost.set()


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Listen]:
    """Listen with a protocol on a free port; clients hang up before the test ends."""
    servers: list[asyncio.Server] = []
    connections: list[Watched] = []

    async def start(protocol: Callable[[], asyncio.Protocol]) -> int:
        def watched() -> Watched:
            connections.append(Watched(protocol()))
            return connections[-1]

        server = await asyncio.get_running_loop().create_server(watched, HOST, 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()
    for connection in connections:
        await connection.lost.wait()
