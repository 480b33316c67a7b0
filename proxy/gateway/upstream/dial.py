"""How a connection to an upstream comes about: straight, or through an HTTP proxy.

Through a proxy an `https` upstream is reached by a tunnel, in which the proxy sees nothing
but host and port; a request to an `http` one is handed to the proxy, with the whole address.
Sources: RFC 9110 section 9.3.6, RFC 9112 section 3.2.
"""

import asyncio
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import unquote, urlsplit

from proxy.gateway.forward import NotSent
from proxy.gateway.upstream.connection import Connection
from proxy.gateway.upstream.tls import ResumingContext, client_context

_USUAL_PORTS: Final = {"http": 80, "https": 443}

_TUNNEL_HEAD_BYTES_MAX: Final = 16_384
"""A proxy says in one line whether there is a way."""

Lost = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream answers. `authority` is host and port as its address has them."""

    scheme: str
    host: str
    port: int
    authority: str

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"


def origin_of(url: str) -> Origin:
    """The origin in an `http` or `https` address."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or _USUAL_PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port, parts.netloc.rpartition("@")[2])


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """A proxy between us and an upstream; `authorization` is what it wants to hear, if it does."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)


def http_proxy(url: str) -> HttpProxy:
    """The proxy at `http://user:password@host:port`, its credentials percent-encoded."""
    parts, origin = urlsplit(url), origin_of(url)
    if parts.username is None:
        return HttpProxy(origin.host, origin.port)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return HttpProxy(origin.host, origin.port, f"Basic {b64encode(pair.encode()).decode()}")


class Dialer:
    """Opens connections to one upstream."""

    def __init__(
        self, origin: Origin, *, tls: ssl.SSLContext | None = None, proxy: HttpProxy | None = None
    ) -> None:
        """`tls` replaces the context that trusts what the system trusts."""
        self._origin = origin
        self._tls = (tls or client_context()) if origin.is_tls else None
        self._proxy = proxy

    @property
    def target_prefix(self) -> str:
        """What stands before the path in a request: a proxy has to be told where it goes."""
        hands_over = self._proxy is not None and self._tls is None
        return f"http://{self._origin.authority}" if hands_over else ""

    @property
    def proxy_authorization(self) -> str:
        """What each request says to the proxy, which takes it out; nothing inside a tunnel."""
        return self._proxy.authorization if self._proxy is not None and self._tls is None else ""

    async def dial(self, lost: Lost) -> Connection:
        """A new connection; `lost` is called when it has ended.

        Raises:
            NotSent: there is none to be had, and why, without addresses.
        """
        try:
            if self._proxy is not None and self._tls is not None:
                return await self._through_tunnel(lost, self._proxy, self._tls)
            at: Origin | HttpProxy = self._proxy or self._origin
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(lost),
                at.host,
                at.port,
                ssl=self._tls,
                happy_eyeballs_delay=0.25,
            )
        except OSError as failure:
            raise NotSent(_outline(failure)) from None
        return connection

    def remember(self, connection: Connection) -> None:
        """The connection has brought an answer: the next handshake may be shorter."""
        if isinstance(self._tls, ResumingContext) and connection.tls is not None:
            self._tls.remember(connection.tls)

    async def _through_tunnel(
        self, lost: Lost, proxy: HttpProxy, tls: ssl.SSLContext
    ) -> Connection:
        loop = asyncio.get_running_loop()
        transport, tunnel = await loop.create_connection(
            lambda: _Tunnel(_connect_request(self._origin, proxy)),
            proxy.host,
            proxy.port,
            happy_eyeballs_delay=0.25,
        )
        try:
            await tunnel.opened
            connection = Connection(lost)
            # Whoever speaks before it is asked is hung up on, also while TLS begins.
            connection.connection_made(transport)
            secured = await loop.start_tls(
                transport, connection, tls, server_hostname=self._origin.host
            )
        except BaseException:
            transport.abort()
            raise
        if secured is None:
            raise NotSent("the HTTP proxy closed the connection")
        connection.connection_made(secured)
        return connection


def _connect_request(origin: Origin, proxy: HttpProxy) -> bytes:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join((*lines, "", "")).encode()


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a way. `opened` is done when there is one, or fails with NotSent."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._head = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if len(self._head) > _TUNNEL_HEAD_BYTES_MAX or rest:
            self._fail("the HTTP proxy does not answer as one")
        elif end:
            status = _status(head)
            if status is None:
                self._fail("the HTTP proxy does not answer as one")
            elif not 200 <= status < 300:
                self._fail(f"the HTTP proxy answered {status}")
            elif not self.opened.done():
                self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the HTTP proxy closed the connection")

    def _fail(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(NotSent(why))
            # Whoever waited may have been cancelled: then nobody asks for this.
            self.opened.exception()


def _status(head: bytes) -> int | None:
    version, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    code = rest[:3]
    is_status = version in (b"HTTP/1.1", b"HTTP/1.0") and len(code) == 3 and code.isdigit()
    return int(code) if is_status and rest[3:4] in (b"", b" ") else None


def _outline(failure: OSError) -> str:
    """Why no connection came about, without addresses that a caller need not know."""
    if isinstance(failure, ssl.SSLError):
        return f"TLS failed ({failure.reason})"
    if isinstance(failure, socket.gaierror):
        return "its name was not found"
    return os.strerror(failure.errno) if failure.errno else "no address answered"
