"""Sockets of callers."""

from typing import Final

from aiohttp import web

from proxy.domain.errors import Reason, Refused
from proxy.gateway.runtime.door import ClientGone
from proxy.gateway.websocket.session import NotText

_PING_S: Final = 600.0
"""A caller who answers no ping for half as long again is gone: nobody else would say so. Sooner
it may be an agent whose loop is busy with a tool, and answers nothing meanwhile."""

_CLOSE_S: Final = 1.0
"""How long to wait for a caller to close its side."""


class ServerSocket:
    """A `CallerSocket`, accepted with permessage-deflate where the caller offers it."""

    def __init__(self, *, max_frame_bytes: int) -> None:
        """A frame beyond `max_frame_bytes` ends the socket: code 1009."""
        self.response = web.WebSocketResponse(
            timeout=_CLOSE_S, heartbeat=_PING_S, max_msg_size=max_frame_bytes
        )

    async def accept(self, request: web.BaseRequest) -> None:
        """Answer the handshake.

        Raises:
            Refused: INVALID_REQUEST, for what is none.
            ClientGone: the caller has left.
        """
        # The library writes the names of protocols it does not know to its log, and some
        # clients hide a key among them.
        if "Sec-WebSocket-Protocol" in request.headers:
            raise _bad_handshake("no subprotocol is spoken here")
        if not self.response.can_prepare(request):
            raise _bad_handshake("version 13 with a key of 16 bytes is known (RFC 6455)")
        try:
            await self.response.prepare(request)
        except ConnectionError:
            raise ClientGone from None

    async def receive(self, idle_ms: int) -> bytes | None:
        message = await self.response.receive(idle_ms / 1000)
        if message.type is web.WSMsgType.BINARY:
            raise NotText
        if message.type is not web.WSMsgType.TEXT:
            return None
        text: str = message.data
        return text.encode()

    async def send(self, frame: bytes) -> None:
        try:
            await self.response.send_frame(frame, web.WSMsgType.TEXT)
        except ConnectionError:
            raise ClientGone from None

    async def close(self, code: int) -> None:
        await self.response.close(code=code)


def _bad_handshake(why: str) -> Refused:
    return Refused(Reason.INVALID_REQUEST, f"This is no WebSocket handshake: {why}.")
