"""Connections to one upstream, opened when needed and kept while they are of use."""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from multidict import CIMultiDict

from proxy.gateway.forward import BrokenOff, NoRoom, NotSent
from proxy.gateway.runtime.door import Incoming
from proxy.gateway.upstream.connection import Connection
from proxy.gateway.upstream.dial import Dialer, HttpProxy, origin_of
from proxy.gateway.upstream.uploading import framed, pass_on

_METHODS_WITH_A_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
"""They say so when it is empty: RFC 9110 section 8.6."""

_IDLE_S: Final = 30.0
"""A connection that was idle for longer is more likely closed at the other end than of use."""


@dataclass(frozen=True, slots=True)
class UpstreamTimeouts:
    """How long to wait: for a connection, for the status, between two reads."""

    connect_ms: int
    response_ms: int
    idle_ms: int


class HttpUpstream:
    """An upstream over HTTP/1.1, plain or TLS. Redirects are answers like others."""

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: UpstreamTimeouts,
        max_connections: int,
        tls: ssl.SSLContext | None = None,
        proxy: HttpProxy | None = None,
    ) -> None:
        """`tls` replaces the context that trusts what the system trusts."""
        origin = origin_of(base_url)
        self._dialer = Dialer(origin, tls=tls, proxy=proxy)
        self._target = self._dialer.target_prefix + urlsplit(base_url).path.rstrip("/")
        self._lines = [f"Host: {origin.authority}"]
        if self._dialer.proxy_authorization:
            self._lines.append(f"Proxy-Authorization: {self._dialer.proxy_authorization}")
        self._timeouts = timeouts
        self._idle: deque[tuple[float, Connection]] = deque()
        self._open: set[Connection] = set()
        self._room = asyncio.Semaphore(max_connections)

    async def connect(self) -> "HttpLine":
        """A connection for one request: one that is idle, or a new one.

        Raises:
            NoRoom: as many as may be are in use, and none was done within `connect_ms`.
            NotSent: there is none to be had.
        """
        if self._room.locked():
            await self._wait_for_room()
        else:
            await self._room.acquire()
        try:
            connection = self._take_idle() or await self._open_one()
        except BaseException:
            self._room.release()
            raise
        return HttpLine(self, connection, self._timeouts)

    async def close(self) -> None:
        """Let go of every connection."""
        for connection in list(self._open):
            connection.close()
        self._idle.clear()

    def _take_idle(self) -> Connection | None:
        """The connection that was used last, for it is the least likely to be stale."""
        oldest = asyncio.get_running_loop().time() - _IDLE_S
        while self._idle:
            since, connection = self._idle.pop()
            if since >= oldest and connection.is_idle:
                return connection
            connection.close()
        return None

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self._timeouts.connect_ms / 1000):
                await self._room.acquire()
        except TimeoutError:
            raise NoRoom from None

    async def _open_one(self) -> Connection:
        try:
            async with asyncio.timeout(self._timeouts.connect_ms / 1000):
                connection = await self._dialer.dial(self._open.discard)
        except TimeoutError:
            raise NotSent("connecting took too long") from None
        self._open.add(connection)
        return connection

    def head(
        self, method: str, path: str, headers: CIMultiDict[str], body_bytes: int | None
    ) -> bytes:
        """The head of a request to a path below the base URL.

        `body_bytes` is how much follows; None: chunks, nobody knows how much.
        """
        lines = [f"{method} {self._target}{path} HTTP/1.1", *self._lines]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body_bytes is None:
            lines.append("Transfer-Encoding: chunked")
        elif body_bytes or method in _METHODS_WITH_A_BODY:
            lines.append(f"Content-Length: {body_bytes}")
        return _as_sent("\r\n".join((*lines, "", "")))

    def take_back(self, connection: Connection) -> None:
        """The request on this connection is over, however it ended."""
        self._room.release()
        self._dialer.remember(connection)
        if connection.is_idle:
            self._idle.append((asyncio.get_running_loop().time(), connection))


class HttpLine:
    """A connection for one request, and its answer: a `Line` and an `UpstreamAnswer`."""

    def __init__(
        self, upstream: HttpUpstream, connection: Connection, timeouts: UpstreamTimeouts
    ) -> None:
        self._upstream = upstream
        self._connection: Connection | None = connection
        self._timeouts = timeouts
        self._is_whole = False
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> "HttpLine":
        connection = self._connection
        assert connection is not None
        connection.send(self._upstream.head(method, path, headers, len(body)), body)
        try:
            return await self._answered(connection)
        except BaseException:
            self.abort()
            raise

    async def upload(
        self, method: str, path: str, headers: CIMultiDict[str], begin: bytes, rest: Incoming
    ) -> "HttpLine":
        connection = self._connection
        assert connection is not None
        length = None if rest.length_bytes is None else len(begin) + rest.length_bytes
        first = framed(begin, in_chunks=length is None) if begin else b""
        connection.send(self._upstream.head(method, path, headers, length), first)
        try:
            if not await pass_on(connection, rest, idle_ms=self._timeouts.idle_ms):
                connection.give_up_request()
            return await self._answered(connection)
        except BaseException:
            self.abort()
            raise

    async def _answered(self, connection: Connection) -> "HttpLine":
        await connection.wait_for_status(self._timeouts.response_ms)
        self.status = connection.status
        self.headers = connection.headers
        return self

    async def read(self) -> bytes:
        if self._connection is None:
            if self._is_whole:
                return b""
            raise BrokenOff
        data = await self._connection.read(self._timeouts.idle_ms)
        if not data:
            self._is_whole = True
            self._connection.finish()
            self._let_go()
        return data

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._let_go()

    def release(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._upstream.take_back(connection)


def _as_sent(text: str) -> bytes:
    """The bytes that headers and a path came as."""
    return text.encode("utf-8", "surrogateescape")
