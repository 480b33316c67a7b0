"""A server that plays scripted bytes, one script a request, and keeps what it was sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from multidict import CIMultiDict

from proxy.gateway.upstream.dial import HttpProxy
from proxy.gateway.upstream.pool import HttpLine, HttpUpstream, UpstreamTimeouts

HANG = b""
"""In a script: say nothing more, and keep the connection open."""

CLOSE = None
"""In a script: close the connection."""

Script = list[bytes | None]
TIMEOUTS = UpstreamTimeouts(connect_ms=2_000, response_ms=5_000, idle_ms=5_000)


@dataclass
class Player:
    """What the server is to say next, and what it heard."""

    scripts: list[Script]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    all_closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.all_closed.clear()
        try:
            while self.scripts:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head.split(b"\r\n")
                        if line[:15].lower() == b"content-length:"
                    ),
                    0,
                )
                self.requests.append(head + await reader.readexactly(length))
                if not await self._play(self.scripts.pop(0), reader, writer):
                    return
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open_now -= 1
            if not self.open_now:
                self.all_closed.set()
            writer.close()

    async def _play(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        for piece in script:
            if piece is CLOSE:
                return False
            if piece == HANG:
                await reader.read()
                return False
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return True


@asynccontextmanager
async def playing(
    *scripts: Script,
    timeouts: UpstreamTimeouts = TIMEOUTS,
    max_connections: int = 10,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    proxy: HttpProxy | None = None,
) -> AsyncIterator[tuple[HttpUpstream, Player]]:
    """An upstream whose server plays these scripts."""
    player = Player(list(scripts))
    server = await asyncio.start_server(player.serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    scheme = "https" if server_tls else "http"
    upstream = HttpUpstream(
        f"{scheme}://127.0.0.1:{port}/base/v1",
        timeouts=timeouts,
        max_connections=max_connections,
        tls=client_tls,
        proxy=proxy,
    )
    try:
        yield upstream, player
    finally:
        await upstream.close()
        server.close()
        await server.wait_closed()


async def ask(upstream: HttpUpstream, body: bytes = b"{}") -> HttpLine:
    """Send one request and wait for its status."""
    line = await upstream.connect()
    headers = CIMultiDict({"Content-Type": "application/json"})
    return await line.send("POST", "/chat/completions", headers, body)


async def whole(answer: HttpLine) -> bytes:
    """The whole body of an answer."""
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return b"".join(pieces)


def one_by_one(data: bytes) -> Script:
    """The bytes, each in a write of its own."""
    return [data[place : place + 1] for place in range(len(data))]
