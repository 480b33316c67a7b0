"""One caller's socket: its frames, one response at a time in the order they came, and its end.

A second `response.create` waits for the first response to end, as it does at the provider.
Frames that only end or acknowledge a response do not wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from proxy.dialects.responses.frames import Said, said_in
from proxy.domain.errors import Refused
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.runtime.tasks import off_the_loop
from proxy.gateway.websocket.door import FrameDoor
from proxy.gateway.websocket.frames import read_frame
from proxy.gateway.websocket.line import SocketUpstream

GOING_AWAY: Final = 1001
NOT_TEXT: Final = 1003
TOO_MANY: Final = 1008
BROKEN: Final = 1011
"""Close codes: RFC 6455 section 7.4.1."""

IDLE_MS: Final = 3_600_000
"""The provider closes its side after an hour whatever happens on it."""

WAITING_MAX: Final = 16
"""So many frames may wait for their turn, as at the provider."""

_SAID_MAX: Final = 64
"""Twice as many as a socket has lanes at the provider, which keeps the last of each."""

_PASSED_ON: Final = frozenset({1000, 1001, 1008, 1012, 1013})
"""Codes of an upstream that say the same to the caller; 3000 and above are applications' own."""


class NotText(Exception):
    """A binary frame: none of them means anything here."""


class CallerSocket(Protocol):
    """A WebSocket of a caller."""

    async def receive(self, idle_ms: int) -> bytes | None:
        """The next text frame; None when none will come, TimeoutError when none has.

        Raises:
            NotText, TimeoutError.
        """
        ...

    async def send(self, frame: bytes) -> None:
        """Send a text frame, waiting while the caller is slow. Raises ClientGone."""
        ...

    async def close(self, code: int) -> None:
        """End it, once."""
        ...


@runtime_checkable
class SocketEntrance(Protocol):
    """A door at which a WebSocket can be opened."""

    async def open_socket(self, headers: Mapping[str, str]) -> CallerSocket:
        """Answer the handshake, with these headers.

        Raises:
            Refused: INVALID_REQUEST, it is none.
            ClientGone.
        """
        ...


class Lines:
    """The upstreams' sockets of one caller's socket, by the name of the upstream."""

    def __init__(self, make: Callable[[], SocketUpstream]) -> None:
        self._make = make
        self._upstreams: dict[str, SocketUpstream] = {}
        self.said: dict[str, Said] = {}
        """What was said on them, by response: the last few."""

    def to(self, name: str) -> SocketUpstream:
        """The socket to an upstream, opened or not."""
        found = self._upstreams.get(name)
        if found is None:
            found = self._upstreams[name] = self._make()
        return found

    def remember(self, event: bytes, model: str) -> None:
        """Keep what a response came to that was asked of a model, by its last event."""
        if found := said_in(event, model):
            response_id, said = found
            self.said[response_id] = said
            while len(self.said) > _SAID_MAX:
                del self.said[next(iter(self.said))]

    async def control(self, frame: bytes) -> None:
        """Send what ends or acknowledges a response wherever it may be running."""
        for upstream in self._upstreams.values():
            await upstream.control(frame)

    async def close(self) -> None:
        """Close all of them."""
        for upstream in self._upstreams.values():
            await upstream.close()


RunFrame = Callable[[FrameDoor, Lines], Awaitable[None]]
"""Makes the call that a frame is, from its admission to its settlement."""


class Session:
    """A caller's socket at work. `entrance` is where its handshake came in."""

    def __init__(self, entrance: Door, socket: CallerSocket, run_frame: RunFrame) -> None:
        self._entrance = entrance
        self._socket = socket
        self._run_frame = run_frame
        self._waiting: asyncio.Queue[FrameDoor | None] = asyncio.Queue()
        self._running: FrameDoor | None = None
        self._is_gone = False
        self._is_ending = False
        self._lines = Lines(
            lambda: SocketUpstream(self._start, aside=self._pass_aside, closed=self._closed)
        )
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serve the socket until it ends, whichever side ends it."""
        async with asyncio.TaskGroup() as self._group:
            calls = self._group.create_task(self._answer())
            self._entrance.when_gone(self._hang_up)
            try:
                await self._listen()
            finally:
                self._leave()
            await calls
            await self._lines.close()

    def end(self) -> None:
        """Close the socket when nothing runs on it any more."""
        self._is_ending = True
        if self._is_idle:
            self._start(self._close(GOING_AWAY))

    @property
    def _is_idle(self) -> bool:
        return self._running is None and self._waiting.empty()

    async def _listen(self) -> None:
        """Take frames in until no more come."""
        while not self._is_gone:
            try:
                text = await self._socket.receive(IDLE_MS)
            except TimeoutError:
                if self._is_idle:
                    await self._close(GOING_AWAY)
                continue
            except NotText:
                await self._close(NOT_TEXT)
                return
            if text is None:
                return
            await self._take(text)

    async def _take(self, text: bytes) -> None:
        door = partial(FrameDoor, self._entrance, text, self._socket.send)
        try:
            frame = await off_the_loop(partial(read_frame, text), size_bytes=len(text))
        except Refused as refused:
            await self._line_up(door(refused=refused))
            return
        if frame.is_call:
            await self._line_up(door(stream_id=frame.stream_id))
        else:
            await self._lines.control(text)

    async def _line_up(self, door: FrameDoor) -> None:
        if self._waiting.qsize() >= WAITING_MAX:
            await self._close(TOO_MANY)
        elif not self._is_gone:
            self._waiting.put_nowait(door)

    async def _answer(self) -> None:
        """Make the calls, one after another."""
        while not self._is_gone and (door := await self._waiting.get()) is not None:
            self._running = door
            try:
                await self._run_frame(door, self._lines)
                await door.finish()
            except ClientGone:
                self._leave()
            finally:
                self._running = None
            if door.is_broken:
                await self._close(BROKEN)
            elif self._is_ending and self._is_idle:
                await self._close(GOING_AWAY)

    def _hang_up(self) -> None:
        """The caller is gone, or the proxy cannot wait for it any longer."""
        self._start(self._close(GOING_AWAY))

    async def _close(self, code: int) -> None:
        self._leave()
        await self._socket.close(code)

    def _leave(self) -> None:
        """Nobody hears what comes now: tell the call that runs, and begin no other."""
        self._is_gone = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)
        if self._running is not None:
            self._running.hang_up()

    async def _pass_aside(self, frame: bytes) -> None:
        try:
            await self._socket.send(frame)
        except ClientGone:
            return  # whoever reads the socket hears of it too

    def _closed(self, code: int | None) -> None:
        """An upstream has closed its side: what the caller could go on from is lost with it."""
        if self._is_idle and not self._is_gone:
            is_known = code is not None and (code in _PASSED_ON or 3000 <= code < 5000)
            self._start(self._close(code if is_known and code else BROKEN))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that ends with the session."""
        assert self._group is not None, "only a session that runs has work"
        self._group.create_task(work)
