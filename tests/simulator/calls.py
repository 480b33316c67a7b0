"""Calls as raw bytes and as plain HTTP, for what an SDK would hide."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from simulator import Behaviour, Simulator

HELLO: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello there"}],
}


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came off the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The data of a stream's events, `[DONE]` included as text."""
        found = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [text if text == "[DONE]" else json.loads(text) for text in found]


@asynccontextmanager
async def connection(
    simulator: Simulator,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A socket to the simulator, closed at the end."""
    address = urlsplit(simulator.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def request_bytes(
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/v1/chat/completions",
) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "host: simulator", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def send_bytes(simulator: Simulator, data: bytes) -> bytes:
    """Send bytes, and all that comes back until the other side closes."""
    async with connection(simulator) as (reader, writer):
        writer.write(data)
        return await reader.read()


async def call(
    simulator: Simulator,
    body: dict[str, Any] | bytes,
    behaviour: Behaviour | None = None,
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/v1/chat/completions",
) -> RawAnswer:
    """One request on a connection of its own, its answer with the framing taken off."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"connection": "close"} | (headers or {})
    if behaviour is not None:
        fields |= behaviour.header()
    came = await send_bytes(simulator, request_bytes(sent, fields, method=method, path=path))
    return read_answer(came)


def read_answer(came: bytes) -> RawAnswer:
    """Take an answer apart. A body that broke off is as long as it came."""
    head, _, body = came.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(chunks(body))
    return RawAnswer(int(first.split(" ")[1]), headers, body)


def chunks(body: bytes) -> list[bytes]:
    """The chunks of a chunked body as far as they came, the empty last one left out."""
    found = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length:
            found.append(rest[:length])
        body = rest[length + 2 :]
    return found
