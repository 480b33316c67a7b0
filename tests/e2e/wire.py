"""Calls as bytes on a socket: what the caller of a proxy sends and gets, nothing hidden."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 10.0
"""A test that waits for longer than this waits for something that never comes."""

CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came, its framing taken off. Header names are in lower case.

    `whole`: it came to the end that its framing announced. Without a framing every end is one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool

    def json(self) -> Any:
        return json.loads(self.body)

    def error(self) -> dict[str, Any]:
        """The error in it, in OpenAI's shape."""
        found: dict[str, Any] = self.json()["error"]
        return found


@dataclass(frozen=True)
class Connection:
    """One connection of a caller."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, count: int = 65_536) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read(count)

    async def read_until(self, mark: bytes) -> bytes:
        """All up to the first `mark`, with it."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(mark)

    async def read_all(self) -> bytes:
        """All that comes until the other side closes, or breaks off."""
        pieces = []
        try:
            while piece := await self.read():
                pieces.append(piece)
        except ConnectionResetError:
            pass
        return b"".join(pieces)

    def hang_up(self) -> None:
        """Close, without a word."""
        self.writer.transport.abort()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to the host of a URL, closed at the end."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


def encode(body: object) -> bytes:
    """A body as SDKs write it."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def request_bytes(
    body: bytes = b"",
    *headers: str,
    method: str = "POST",
    path: str = CHAT,
    host: str = "localhost",
    length: bool = True,
    keep_alive: bool = False,
) -> bytes:
    """One HTTP/1.1 request. `length`: it says how long its body is."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    if not keep_alive:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


async def exchange(url: str, data: bytes) -> bytes:
    """Send bytes on a connection of their own, and all that comes back."""
    async with connected(url) as connection:
        await connection.send(data)
        return await connection.read_all()


async def call(url: str, body: object, *headers: str, path: str = CHAT) -> RawAnswer | None:
    """One call; None when the connection ended before an answer had begun."""
    came = await exchange(url, request_bytes(encode(body), *headers, path=path))
    return read_answer(came)


async def answered(url: str, body: object, *headers: str, path: str = CHAT) -> RawAnswer:
    """One call that gets an answer."""
    answer = await call(url, body, *headers, path=path)
    assert answer is not None
    return answer


def read_answer(came: bytes) -> RawAnswer | None:
    """Take an answer apart; None where not even its head is complete."""
    head, end_of_head, body = came.partition(b"\r\n\r\n")
    if not end_of_head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    whole = True
    if headers.get("transfer-encoding") == "chunked":
        body, whole = _unchunked(body)
    elif "content-length" in headers:
        whole = len(body) == int(headers["content-length"])
    return RawAnswer(int(first.split(" ")[1]), headers, body, whole)


def _unchunked(body: bytes) -> tuple[bytes, bool]:
    """The body without its framing as far as it came, and whether it came to its end."""
    pieces: list[bytes] = []
    while body:
        size, line_end, rest = body.partition(b"\r\n")
        if not line_end:
            break
        length = int(size, 16)
        if length == 0:
            return b"".join(pieces), rest == b"\r\n"
        pieces.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(pieces), False


def without_extra_chunk(stream: bytes, line_end: bytes = b"\n") -> bytes:
    """A stream without the chunk that was sent for its usage alone: the one without choices."""
    events = stream.split(2 * line_end)
    return (2 * line_end).join(event for event in events if b'"choices":[]' not in event)
