"""Sockets made of lists, in virtual time: whoever waits for what never comes is found out."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from multidict import CIMultiDict

from proxy.gateway.websocket.line import (
    Entry,
    FrameUpstream,
    Handshake,
    LineTimeouts,
    SocketUpstream,
)
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime

TIMEOUTS = LineTimeouts(response_ms=10_000, idle_ms=5_000)
CREATED = b'{"type":"response.created","response":{}}'
DELTA = b'{"type":"response.output_text.delta","delta":"x"}'
COMPLETED = b'{"type":"response.completed","response":{}}'


class FakeUpstreamSocket:
    """A socket whose upstream says what the test wants."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False
        self.close_code: int | None = None
        self.breaks_on_send = False
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, *frames: bytes) -> None:
        for frame in frames:
            self._frames.put_nowait(frame)

    def end(self, code: int | None = None) -> None:
        """The upstream closes it."""
        self.close_code = code
        self._frames.put_nowait(None)

    async def send(self, frame: bytes) -> None:
        if self.breaks_on_send or self.is_closed:
            raise ConnectionResetError
        self.sent.append(frame)

    async def receive(self) -> bytes | None:
        if self.is_closed:
            return None
        return await self._frames.get()

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._frames.put_nowait(None)


class FakeClient:
    """Opens such sockets, or fails as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.opened: list[FakeUpstreamSocket] = []
        self._failures = list(failures)

    async def open(self, handshake: Handshake) -> FakeUpstreamSocket:
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            raise failure
        self.opened.append(FakeUpstreamSocket())
        return self.opened[-1]

    @property
    def socket(self) -> FakeUpstreamSocket:
        """The last one."""
        return self.opened[-1]


def handshake() -> Handshake:
    return Handshake("/responses", CIMultiDict())


def to_upstream(upstream: SocketUpstream, client: FakeClient) -> FrameUpstream:
    """The way of one frame."""
    return FrameUpstream(upstream, Entry(client, TIMEOUTS, handshake))


class World:
    """An upstream's socket for one caller, and all that came past it."""

    def __init__(self, client: FakeClient, group: asyncio.TaskGroup) -> None:
        self.client = client
        self.asides: list[bytes] = []
        self.closed_with: list[int | None] = []
        self.upstream = SocketUpstream(
            group.create_task, aside=self._aside, closed=self.closed_with.append
        )
        self.way = self.to(client)

    def to(self, client: FakeClient) -> FrameUpstream:
        return to_upstream(self.upstream, client)

    async def _aside(self, frame: bytes) -> None:
        self.asides.append(frame)

    async def send(self, frame: bytes = b"{}") -> Any:
        """The answer to a frame."""
        line = await self.way.connect()
        return await line.send("POST", "/responses", CIMultiDict(), frame)


async def rest() -> None:
    """Let others go on until they wait for something; no time passes."""
    for _ in range(50):
        await asyncio.sleep(0)


Test = Callable[[World], Coroutine[Any, Any, None]]


def lived(test: Test, client: FakeClient | None = None) -> float:
    """Live a test in virtual time; how many seconds it took."""
    time = VirtualTime()
    loop = VirtualLoop(time)

    async def live() -> None:
        async with asyncio.TaskGroup() as group:
            world = World(client or FakeClient(), group)
            await test(world)
            await world.upstream.close()

    try:
        loop.run_until_complete(live())
        assert loop.complaints == []
    finally:
        loop.dispose()
        loop.close()
    return time.elapsed_s
