"""One upstream's socket for one caller: a response at a time, and how one is cut off.

It is opened with the first frame that needs it, and again when it was lost. What has not been
paid for does not run on it: a response that nobody asked for, or hears any more, ends it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from multidict import CIMultiDict

from proxy.gateway.forward import Line, NoStatus, UpstreamAnswer
from proxy.gateway.websocket.answer import RefusedAnswer, SocketAnswer
from proxy.gateway.websocket.events import ERROR, is_of_a_response, status_of, type_of

CANCEL: Final = b'{"type":"response.cancel"}'

CUT_MS: Final = 700
"""How long a response may go on after it was cancelled, before its socket is closed."""


_TOO_LARGE: Final = 1009
"""How a server closes that takes no frame of this size, and so has not read it: RFC 6455
section 7.4.1."""

_TOO_LARGE_BODY: Final = (
    b'{"error":{"message":"The upstream takes no frame of this size: use HTTP.",'
    b'"type":"invalid_request_error","code":"request_too_large","param":null}}'
)

_JSON: Final = {"Content-Type": "application/json"}


class HandshakeRefused(Exception):
    """The upstream has answered, but not by opening a socket."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


class Handshake(NamedTuple):
    """What a socket is asked for with: a path below the base URL, and headers."""

    target: str
    headers: CIMultiDict[str]


class UpstreamSocket(Protocol):
    """A WebSocket to an upstream."""

    async def send(self, frame: bytes) -> None:
        """Send a text frame. Raises ConnectionError."""
        ...

    async def receive(self) -> bytes | None:
        """The next text frame; None when none will come."""
        ...

    @property
    def close_code(self) -> int | None:
        """How the upstream ended it, if it did."""
        ...

    async def close(self) -> None:
        """End it now."""
        ...


class SocketClient(Protocol):
    """Opens sockets to one upstream. Those that are equal open the same."""

    async def open(self, handshake: Handshake) -> UpstreamSocket:
        """Open one. Raises NotSent or HandshakeRefused."""
        ...


Start = Callable[[Coroutine[Any, Any, None]], object]
"""Runs work that ends with the session."""


@dataclass(frozen=True, slots=True)
class LineTimeouts:
    """How long to wait: for the first event, between two of them."""

    response_ms: int
    idle_ms: int


@dataclass(frozen=True, slots=True)
class Entry:
    """How a frame gets to an upstream."""

    client: SocketClient
    timeouts: LineTimeouts
    handshake: Callable[[], Handshake]


class SocketUpstream:
    """One caller's socket to one upstream: at most one response at a time runs on it.

    `aside` gets what belongs to no response, `closed` the code with which the upstream ended
    a socket that was idle.
    """

    def __init__(
        self,
        start: Start,
        *,
        aside: Callable[[bytes], Awaitable[None]],
        closed: Callable[[int | None], None],
    ) -> None:
        self._start = start
        self._aside = aside
        self._closed = closed
        self._client: SocketClient | None = None
        self._socket: UpstreamSocket | None = None
        self._answer: SocketAnswer | None = None
        self._is_whole = asyncio.Event()
        """Cleared while a response is being cut off."""
        self._is_whole.set()

    async def connect_by(self, entry: Entry) -> Line:
        """A line on the socket, which is opened where there is none, or one to elsewhere.

        Raises:
            NotSent: there is none to be had.
        """
        await self._is_whole.wait()
        if self._client != entry.client:
            await self._drop()
        if self._socket is None:
            self._client = entry.client
            try:
                self._socket = await entry.client.open(entry.handshake())
            except HandshakeRefused as refused:
                return _RefusedLine(refused)
            self._start(self._take_in(self._socket))
        return SocketLine(self, entry.timeouts)

    async def send(self, frame: bytes, timeouts: LineTimeouts) -> UpstreamAnswer:
        """Send a call, and wait for what comes first of its answer. Raises NoStatus."""
        socket = self._socket
        if socket is None:
            raise NoStatus(timed_out=False)
        answer = self._answer = SocketAnswer(timeouts.idle_ms, self._cut)
        try:
            await socket.send(frame)
            first = await answer.begin(timeouts.response_ms)
        except ConnectionError:
            answer.abort()
            raise NoStatus(timed_out=False) from None
        except NoStatus:
            answer.abort()
            if socket.close_code == _TOO_LARGE:
                return RefusedAnswer(413, _JSON, _TOO_LARGE_BODY)
            raise
        except BaseException:
            answer.abort()
            raise
        status = status_of(first) if type_of(first) == ERROR else None
        if status is None:
            return answer
        for frame in answer.asides():
            await self._aside(frame)
        return RefusedAnswer(status, _JSON, first)

    async def control(self, frame: bytes) -> None:
        """Send what only ends or acknowledges a response, if there is a socket for it."""
        if self._socket is not None:
            try:
                await self._socket.send(frame)
            except ConnectionError:
                return  # the reader hears of it too

    async def close(self) -> None:
        """The caller is gone, or about to be."""
        await self._is_whole.wait()
        await self._drop()

    async def _take_in(self, socket: UpstreamSocket) -> None:
        """Read the socket to its end, or to what must be the end of it."""
        while (frame := await socket.receive()) is not None:
            if not await self._deliver(frame):
                break
        if self._socket is socket:  # and not one that came after it
            self._socket = None
            answer, self._answer = self._answer, None
            if answer is not None:
                answer.lose()
            elif frame is None:
                self._closed(socket.close_code)
        await socket.close()

    async def _deliver(self, frame: bytes) -> bool:
        """Take a frame to who waits for it; whether others may follow it."""
        kind, answer = type_of(frame), self._answer
        if answer is None:
            is_unpaid = is_of_a_response(kind) and kind != ERROR
            if not is_unpaid:
                await self._aside(frame)
            return not is_unpaid
        # Whatever an error in the middle is about, the response may go on behind it.
        goes_on = kind != ERROR or (not answer.has_begun and status_of(frame) is not None)
        await answer.put(frame, kind)
        if answer.has_ended:
            self._answer = None
        return goes_on

    def _cut(self, answer: SocketAnswer) -> None:
        if self._socket is not None:
            self._is_whole.clear()
            self._start(self._cancel(self._socket, answer))

    async def _cancel(self, socket: UpstreamSocket, answer: SocketAnswer) -> None:
        """End a response: by asking for it, or else with its socket."""
        try:
            async with asyncio.timeout(CUT_MS / 1000):
                await socket.send(CANCEL)
                await answer.over.wait()
        except (TimeoutError, ConnectionError):
            pass
        finally:
            if not answer.has_ended:
                await self._drop()
            self._is_whole.set()

    async def _drop(self) -> None:
        socket, self._socket, self._answer = self._socket, None, None
        if socket is not None:
            await socket.close()


class FrameUpstream:
    """An `Upstream` for one frame."""

    def __init__(self, upstream: SocketUpstream, entry: Entry) -> None:
        self._upstream = upstream
        self._entry = entry

    async def connect(self) -> Line:
        return await self._upstream.connect_by(self._entry)


class SocketLine:
    """A `Line`: the caller's frame as it was shaped. Its headers went with the handshake."""

    def __init__(self, upstream: SocketUpstream, timeouts: LineTimeouts) -> None:
        self._upstream = upstream
        self._timeouts = timeouts

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> UpstreamAnswer:
        del method, path, headers
        return await self._upstream.send(body, self._timeouts)

    def release(self) -> None:
        """The socket stays for the next frame."""


class _RefusedLine:
    """A `Line` to an upstream that has said no already: nothing is sent."""

    def __init__(self, refused: HandshakeRefused) -> None:
        self._refused = refused

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> UpstreamAnswer:
        del method, path, headers, body
        refused = self._refused
        return RefusedAnswer(refused.status, refused.headers, refused.body)

    def release(self) -> None:
        """There is nothing to let go of."""
