"""Sockets to upstreams.

Why by this library, and what of it is held back: docs/decisions/websockets.md.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from proxy.gateway.forward import NotSent
from proxy.gateway.websocket.line import Handshake, HandshakeRefused

FRAME_BYTES_MAX: Final = 64 * 2**20
"""The last event of a response has all of it again; a longer one is no answer of a model."""

_REFUSAL_BYTES_MAX: Final = 65_536

_LAST_WORD_S: Final = 0.2
"""For saying that we close, to an upstream that may not be listening."""

_SWITCHING: Final = 101
_COMPRESSES: Final = 15
"""permessage-deflate, with the window that is usual: RFC 7692 section 7.1.2."""

_OF_THE_LIBRARY: Final = ("User-Agent", "Accept", "Accept-Encoding")
"""Headers that it would add, where the caller has sent none."""


@dataclass(frozen=True)
class WebSocketClient:
    """Opens sockets below a base URL. `proxy_url` is an HTTP proxy on the way, empty for none."""

    base_url: str
    connect_ms: int
    proxy_url: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    async def open(self, handshake: Handshake) -> "ClientSocket":
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=True if self.tls is None else self.tls),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=_OF_THE_LIBRARY,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_only_sockets,),
        )
        try:
            return ClientSocket(session, await self._connected(session, handshake))
        except BaseException:
            await session.close()
            raise

    async def _connected(
        self, session: aiohttp.ClientSession, handshake: Handshake
    ) -> "aiohttp.ClientWebSocketResponse[bool]":
        try:
            async with asyncio.timeout(self.connect_ms / 1000):
                return await session.ws_connect(
                    self.base_url.rstrip("/") + handshake.target,
                    headers=handshake.headers,
                    proxy=self.proxy_url or None,
                    compress=_COMPRESSES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0),
                    max_msg_size=FRAME_BYTES_MAX,
                    decode_text=False,
                )
        except (TimeoutError, aiohttp.ClientError, OSError) as failure:
            raise NotSent(_outline(failure)) from None


class ClientSocket:
    """An `UpstreamSocket`, the only one of its session."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connected: "aiohttp.ClientWebSocketResponse[bool]",
    ) -> None:
        self._session = session
        self._connected = connected

    async def send(self, frame: bytes) -> None:
        if self._connected.closed:
            raise ConnectionResetError("the upstream has closed the socket")
        await self._connected.send_frame(frame, aiohttp.WSMsgType.TEXT)

    async def receive(self) -> bytes | None:
        message = await self._connected.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None  # closed, broken, or binary, which is no event
        frame: bytes = message.data
        return frame

    @property
    def close_code(self) -> int | None:
        return self._connected.close_code

    async def close(self) -> None:
        # It says so, and does not wait: what is still on its way is of no use to anybody.
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await self._connected.close()
        except TimeoutError:
            pass
        finally:
            await self._session.close()


async def _only_sockets(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Take any other answer for what it says. A redirect is one: it leads nowhere."""
    response = await handler(request)
    if response.status == _SWITCHING:
        return response
    body = await _beginning(response)
    headers: Mapping[str, str] = response.headers
    response.close()
    raise HandshakeRefused(response.status, headers, body)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """As much of a body as an error needs."""
    try:
        return await response.content.read(_REFUSAL_BYTES_MAX)
    except (aiohttp.ClientError, ConnectionError):
        return b""


def _outline(failure: Exception) -> str:
    """Why no socket came about, without addresses that a caller need not know."""
    match failure:
        case TimeoutError():
            return "connecting took too long"
        case aiohttp.ClientSSLError():
            return "TLS failed"
        case aiohttp.ClientHttpProxyError():
            return f"the HTTP proxy answered {failure.status}"
        case OSError() if failure.errno:
            return os.strerror(failure.errno)
        case _:
            return "no socket could be opened"
