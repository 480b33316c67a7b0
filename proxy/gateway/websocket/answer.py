"""The answer to one frame: its events, as they arrive on the upstream's socket."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from proxy.gateway.forward import BrokenOff, NoStatus
from proxy.gateway.websocket.events import as_event, is_last, is_of_a_response, type_of

_STREAM: Final = {"Content-Type": "text/event-stream"}

_FRAMES_MAX: Final = 256
"""So many may wait for a slow caller; then the upstream waits too."""


class SocketAnswer:
    """An `UpstreamAnswer`. `cut` is called when nobody is to hear the rest.

    The socket's reader puts frames in, the meter reads them as server-sent events.
    """

    def __init__(self, idle_ms: int, cut: Callable[["SocketAnswer"], None]) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = _STREAM
        self.over = asyncio.Event()
        """Set when nothing more comes: the response has ended, or its socket is lost."""
        self.has_begun = False
        self.has_ended = False
        """Whether the upstream has said that it is the end."""
        self._idle_ms = idle_ms
        self._cut = cut
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue(_FRAMES_MAX)
        self._first: list[bytes] = []
        self._is_aborted = False
        self._is_read = False

    # by the socket

    async def put(self, frame: bytes, kind: str) -> None:
        """A frame has arrived; waits while too many are unread."""
        self.has_ended = is_last(kind)
        self.has_begun = self.has_begun or is_of_a_response(kind)
        if not self._is_aborted:
            await self._frames.put(frame)
        if self.has_ended:
            self.over.set()

    def lose(self) -> None:
        """The socket is gone: what has arrived is all there is."""
        self.over.set()
        if self._frames.empty():
            self._frames.put_nowait(None)

    # by who waits for it

    async def begin(self, response_ms: int) -> bytes:
        """Wait for the first event of the response, or the error in its place.

        Raises:
            NoStatus: neither came.
        """
        try:
            async with asyncio.timeout(response_ms / 1000):
                while True:
                    frame = await self._next()
                    self._first.append(frame)
                    if is_of_a_response(type_of(frame)):
                        return frame
        except TimeoutError:
            raise NoStatus(timed_out=True) from None
        except BrokenOff:
            raise NoStatus(timed_out=False) from None

    def asides(self) -> list[bytes]:
        """What came before the first event, and belongs to no response."""
        return self._first[:-1]

    async def read(self) -> bytes:
        if self._first:
            frame = self._first.pop(0)
        elif self._is_read:
            return b""
        else:
            frame = await self._patiently()
        self._is_read = is_last(type_of(frame))
        return as_event(frame)

    def abort(self) -> None:
        if self._is_aborted:
            return
        self._is_aborted = True
        self._first.clear()
        while not self._frames.empty():  # which also lets go of a reader that waits for room
            self._frames.get_nowait()
        self._frames.put_nowait(None)
        if not self.over.is_set():
            self._cut(self)

    async def _patiently(self) -> bytes:
        if not self._frames.empty():
            return await self._next()
        try:
            async with asyncio.timeout(self._idle_ms / 1000):
                return await self._next()
        except TimeoutError:
            self.abort()
            raise BrokenOff from None

    async def _next(self) -> bytes:
        if self._is_aborted or (self._frames.empty() and self.over.is_set()):
            raise BrokenOff
        frame = await self._frames.get()
        if frame is None:
            raise BrokenOff
        return frame


class RefusedAnswer:
    """An `UpstreamAnswer` in one piece: the upstream has said no, by HTTP or in a frame."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    def abort(self) -> None:
        """There is nothing left to come."""
