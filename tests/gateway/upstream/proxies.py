"""An HTTP proxy that opens tunnels and hands requests over, and keeps what it was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HANG = b""
"""Say nothing, and keep the connection open."""

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Proxy:
    """What it answers to CONNECT, and what it heard. Tunnels carry what it cannot read.

    `inside` is what it says in a tunnel by itself, once something came.
    """

    answer: bytes = ESTABLISHED
    authorization: str | None = None
    inside: bytes = b""
    port: int = 0
    heads: list[str] = field(default_factory=list)
    carried: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        if self.authorization is not None and not self._is_let_through(head):
            writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        elif method != "CONNECT":
            host, port = _authority(urlsplit(target).netloc)
            await self._relay(reader, writer, host, port, first=_handed_over(head, target))
        else:
            writer.write(self.answer)
            await writer.drain()
            if self.answer == HANG:
                await reader.read()
            elif self.inside:
                await reader.read(1)
                writer.write(self.inside)
                await reader.read()
            elif self.answer == ESTABLISHED:
                host, port = _authority(target)
                await self._relay(reader, writer, host, port)

    def _is_let_through(self, head: str) -> bool:
        return f"\r\nProxy-Authorization: {self.authorization}\r\n" in head

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        port: int,
        first: bytes = b"",
    ) -> None:
        there, back = await asyncio.open_connection(host, port)
        back.write(first)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(reader, back))
                both.create_task(self._copy(there, writer))
        finally:
            back.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            self.carried.append(data)
            sink.write(data)
            await sink.drain()
        sink.close()


def _authority(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _handed_over(head: str, target: str) -> bytes:
    """The request as a proxy sends it on: to a path, and without what was said to the proxy."""
    path = urlsplit(target).path
    lines = [line for line in head.split("\r\n") if not line.startswith("Proxy-Authorization")]
    return "\r\n".join([lines[0].replace(target, path), *lines[1:]]).encode()


@asynccontextmanager
async def proxying(
    answer: bytes = ESTABLISHED, *, authorization: str | None = None, inside: bytes = b""
) -> AsyncIterator[Proxy]:
    """A proxy that wants to hear `authorization`, if any is given."""
    proxy = Proxy(answer, authorization, inside)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
