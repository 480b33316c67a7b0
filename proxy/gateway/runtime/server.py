"""Sockets to calls: reads a request whole, hands it to the pipeline, writes what comes back.

A caller who hangs up cancels nothing in the middle of a call; the call hears of it
(`Door.when_gone`) and decides what to do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpProcessingError, HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage

from proxy.gateway.respond import Answer
from proxy.gateway.runtime.body import BodyLimits, SocketBody
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.runtime.tasks import TaskSet
from proxy.gateway.websocket.server import ServerSocket

Response = TypeVar("Response", bound=web.StreamResponse)


Handle = Callable[[Door], Coroutine[None, None, None]]


class SocketDoor:
    """A door that is an aiohttp request: its body is read only when asked for."""

    def __init__(self, request: web.BaseRequest, limits: BodyLimits) -> None:
        self._request = request
        self.incoming = SocketBody(request, limits)
        self._frame_bytes_max = limits.max_bytes
        self.method = request.method
        self.path, _, self.query = request.raw_path.partition("?")
        self.headers = tuple(request.headers.items())
        self.response: web.StreamResponse | None = None
        self._stream: web.StreamResponse | None = None
        # The parser takes the last trailer behind chunks for a header of the next request.
        self._is_last = "Transfer-Encoding" in request.headers
        # Who hangs up in the turn of the loop in which the head came is gone before this is called.
        self.gone = self.incoming.is_lost
        self._react: Callable[[], None] | None = None

    def header(self, name: str) -> str | None:
        return self._request.headers.get(name)

    async def body(self) -> bytes:
        try:
            return await self.incoming.whole()
        finally:
            self.gone = self.incoming.is_lost

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if self._stream is not None:
            # Too late for another answer: what began must not look as if it had ended.
            self.break_off()
            return
        is_usual = not self._is_last and _can_be_whole(self._request, status, body)
        kind = WholeAnswer if is_usual else web.Response
        self.response = _named(kind(status=status, headers=headers, body=body))
        if self._is_last:
            self.response.force_close()

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        stream = _named(web.StreamResponse(status=status, headers=headers))
        if self._is_last or self._request.version != HttpVersion11:
            stream.force_close()  # in HTTP/1.0 its end is that of the connection
        self.response = self._stream = stream
        await self._sending(stream.prepare(self._request))

    async def write(self, data: bytes) -> None:
        assert self._stream is not None
        await self._sending(self._stream.write(data))

    async def _sending(self, sending: Awaitable[object]) -> None:
        if self.gone:
            if asyncio.iscoroutine(sending):
                sending.close()
            raise ClientGone
        try:
            await sending
        except ConnectionError:
            raise ClientGone from None

    async def open_socket(self, headers: Mapping[str, str]) -> ServerSocket:
        """Become a WebSocket. Raises Refused, ClientGone."""
        socket = ServerSocket(max_frame_bytes=self._frame_bytes_max)
        _named(socket.response).headers.update(headers)
        await socket.accept(self._request)
        self.response = socket.response
        return socket

    def break_off(self) -> None:
        # What was written before still goes out: a slow caller has not read it all yet.
        if self._request.transport is not None:
            self._request.transport.close()

    def when_gone(self, react: Callable[[], None]) -> None:
        self._react = react
        if self.gone:
            react()

    def hang_up(self) -> None:
        """The caller is gone: told by the server, once."""
        self.gone = self.incoming.is_lost = True
        if self._react is not None:
            self._react()


class WholeAnswer(web.StreamResponse):
    """An answer in one piece, by default on a connection that stays open afterwards.

    The library's own finds out in many steps what is clear here: that it has a length, is
    neither chunked nor compressed, and says nothing of the connection. The bytes are the same.
    """

    def __init__(
        self, *, status: int, headers: Mapping[str, str], body: bytes, closes: bool = False
    ) -> None:
        super().__init__(status=status, headers=headers)
        self._whole = body
        self._closes = closes
        self._writer: AbstractStreamWriter | None = None
        if closes:
            self.headers["Connection"] = "close"

    @property
    def keep_alive(self) -> bool:
        return not self._closes

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self.headers["Content-Length"] = str(len(self._whole))
        self.headers.setdefault("Content-Type", "application/octet-stream")
        self.headers.setdefault("Date", rfc822_formatted_time())
        self._writer = request.writer
        await self._writer.write_headers(f"HTTP/1.1 {self.status} {self.reason}", self.headers)
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        assert self._writer is not None, "prepared first"
        await self._writer.write_eof(self._whole)


def _can_be_whole(request: web.BaseRequest, status: int, body: bytes) -> bool:
    """Whether request and answer are of the usual kind, which leaves nothing to decide."""
    return (
        bool(body)
        and status >= 200
        and status not in (204, 304)
        and request.method in ("POST", "GET")
        and request.keep_alive
        and request.version == HttpVersion11
    )


def _check_framing(request: web.BaseRequest) -> None:
    """Refuse what another reader may take for two requests, or for another one.

    RFC 9112 sections 2.3 and 6.1: versions of HTTP/1 are known, and of them 1.1 alone has
    transfer codings. No client needs one other than chunks.

    Raises:
        BadHttpMessage: the connection is of no use after this either.
    """
    coding = request.headers.get("Transfer-Encoding")
    if request.version == HttpVersion11:
        if coding is None or coding.lower() == "chunked":
            return
    elif request.version == HttpVersion10 and coding is None:
        return
    raise BadHttpMessage("of another version, or coded in another way than in chunks")


def _named(response: Response) -> Response:
    """Answers that name no server name us; the library would name itself and its version."""
    response.headers.setdefault("Server", "spendgate")
    return response


class Reception:
    """What aiohttp calls for each request."""

    def __init__(self, handle: Handle, calls: TaskSet, limits: BodyLimits) -> None:
        self._handle = handle
        self._calls = calls
        self._limits = limits
        self._doors: dict[object, SocketDoor] = {}
        """By connection: each brings one request at a time."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        _check_framing(request)
        door = self._doors[request.protocol] = SocketDoor(request, self._limits)
        call = self._calls.join()
        try:
            await self._handle(door)
        finally:
            self._calls.leave(call)
            del self._doors[request.protocol]
        if door.response is None:
            raise ConnectionResetError("broken off before an answer began")
        return door.response

    def connection_lost(self, connection: object) -> None:
        """The caller at the other end is gone."""
        door = self._doors.get(connection)
        if door is not None:
            door.hang_up()

    def hang_up(self) -> None:
        """Treat every caller as gone, so that their calls come to an end."""
        for door in list(self._doors.values()):
            door.hang_up()


class _Connection(web.RequestHandler):
    """One connection.

    What cannot be read as a request is refused in our own words. The library's would quote
    it, to the caller and to the log, and what is malformed may be a credential.
    """

    def __init__(
        self, server: web.Server, refuse_unreadable: Callable[[], Answer], **options: Any
    ) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._refuse_unreadable = refuse_unreadable

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            raise exc
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        answer = self._refuse_unreadable()
        return _named(
            WholeAnswer(status=answer.status, headers=answer.headers, body=answer.body, closes=True)
        )


class MeteredServer(web.Server):
    """A server that calls `reception` once for each request.

    `refuse_unreadable` answers what is not HTTP.
    """

    def __init__(
        self,
        reception: Reception,
        refuse_unreadable: Callable[[], Answer],
        *,
        max_header_bytes: int,
        max_headers: int,
    ) -> None:
        # With `handler_cancellation` each call would need a task of its own, and a shield.
        super().__init__(reception, handler_cancellation=False)
        self._reception = reception
        self._refuse_unreadable = refuse_unreadable
        self._options = {
            "access_log": None,
            "auto_decompress": False,
            "max_line_size": max_header_bytes,
            "max_field_size": max_header_bytes,
            "max_headers": max_headers,
            "lingering_time": 1.0,
            "keepalive_timeout": 75.0,
        }

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._refuse_unreadable, **self._options)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._reception.connection_lost(handler)
