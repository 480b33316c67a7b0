"""An upstream that takes uploads in at the pace of a test, and keeps nothing of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from tests.e2e.wire import PATIENCE_S

ANSWER = json.dumps({"text": "Hello.", "usage": {"type": "duration", "seconds": 7}}).encode()
REFUSAL = json.dumps({"error": {"message": "Too large.", "type": "invalid_request_error"}}).encode()


@dataclass
class Taken:
    """One request: its head, how much of its body came, and how it ended."""

    head: str = ""
    body_bytes: int = 0
    digest: str = ""
    is_whole: bool = False
    is_over: bool = False


@dataclass
class Sink:
    """`goes_on` lets it take bytes; after `refuses_at` of them it answers 413 at once."""

    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    refuses_at: int | None = None
    taken: list[Taken] = field(default_factory=list)
    base_url: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_over(self) -> Taken:
        """The last request, once it has ended one way or the other."""
        async with asyncio.timeout(PATIENCE_S):
            while not (self.taken and self.taken[-1].is_over):
                self._changed.clear()
                await self._changed.wait()
        return self.taken[-1]

    async def until_taken(self, body_bytes: int) -> None:
        """Once so much of a body has come."""
        async with asyncio.timeout(PATIENCE_S):
            while not (self.taken and self.taken[-1].body_bytes >= body_bytes):
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = Taken()
        try:
            taken.head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.taken.append(taken)
            await self._take(taken, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            taken.is_over = True
            self._changed.set()
            writer.close()

    async def _take(
        self, taken: Taken, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        digest = sha256()
        async for piece in self._pieces(taken.head, reader):
            await self.goes_on.wait()
            taken.body_bytes += len(piece)
            digest.update(piece)
            self._changed.set()
            if self.refuses_at is not None and taken.body_bytes >= self.refuses_at:
                writer.write(_answer(413, REFUSAL))
                await reader.read()
                return
        taken.digest, taken.is_whole = digest.hexdigest(), True
        writer.write(_answer(200, ANSWER))
        await writer.drain()

    async def _pieces(self, head: str, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        _, is_announced, length = head.lower().partition("content-length: ")
        if is_announced:
            left = int(length.partition("\r\n")[0])
            while left:
                await self.goes_on.wait()
                piece = await reader.read(min(left, 65_536))
                if not piece:
                    raise ConnectionResetError
                left -= len(piece)
                yield piece
            return
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)


def _answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def sinking() -> AsyncIterator[Sink]:
    """A sink on a socket of its own, at first willing to take everything."""
    sink = Sink()
    sink.goes_on.set()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield sink
    finally:
        sink.goes_on.set()
        server.close()
        await server.wait_closed()
