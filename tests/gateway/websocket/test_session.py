"""A caller's socket: its frames in their order, and every way in which it ends."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from proxy.domain.errors import Reason, Refused
from proxy.gateway.runtime.door import ClientGone
from proxy.gateway.websocket.door import FrameDoor
from proxy.gateway.websocket.session import IDLE_MS, WAITING_MAX, Lines, NotText, Session
from proxy.gateway.websocket.sockets import Sockets
from tests.gateway.websocket.world import (
    COMPLETED,
    CREATED,
    FakeClient,
    FakeUpstreamSocket,
    rest,
    to_upstream,
)
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime

CREATE = b'{"type":"response.create"}'
CANCEL = b'{"type":"response.cancel"}'


OPENED = "the handshake was answered before the session began"


class Entrance:
    """Where the handshake came in."""

    method = "GET"
    path = "/v1/responses"
    query = ""
    headers: tuple[tuple[str, str], ...] = (
        ("Host", "localhost"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "k"),
        ("Idempotency-Key", "i"),
        ("X-Cycles-Agent", "bot"),
    )
    gone = False

    def __init__(self) -> None:
        self.react: Callable[[], None] = lambda: None

    def when_gone(self, react: Callable[[], None]) -> None:
        self.react = react

    def header(self, name: str) -> str | None:
        raise AssertionError(OPENED)

    async def body(self) -> bytes:
        raise AssertionError(OPENED)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        raise AssertionError(OPENED)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        raise AssertionError(OPENED)

    async def write(self, data: bytes) -> None:
        raise AssertionError(OPENED)

    def break_off(self) -> None:
        raise AssertionError(OPENED)


class FakeCaller:
    """A caller's socket: what is said on it, and what was heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.closed_with: list[int] = []
        self.is_gone = False
        self._frames: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def say(self, *frames: bytes | Exception) -> None:
        for frame in frames:
            self._frames.put_nowait(frame)

    def leave(self) -> None:
        self.is_gone = True
        self._frames.put_nowait(None)

    async def receive(self, idle_ms: int) -> bytes | None:
        async with asyncio.timeout(idle_ms / 1000):
            frame = await self._frames.get()
        if isinstance(frame, Exception):
            raise frame
        return frame

    async def send(self, frame: bytes) -> None:
        if self.is_gone:
            raise ClientGone
        self.heard.append(frame)

    async def close(self, code: int) -> None:
        if not self.closed_with:
            self.closed_with.append(code)
            self._frames.put_nowait(None)


class Room:
    """A session, and calls that end when the test lets them."""

    def __init__(self) -> None:
        self.entrance = Entrance()
        self.caller = FakeCaller()
        self.client = FakeClient()
        self.sockets = Sockets()
        self.sockets.follow(self)
        self.session = Session(self.entrance, self.caller, self.sockets.run_frame)
        self.doors: list[FrameDoor] = []
        self.left: list[FrameDoor] = []
        self.stopping: list[bool] = []
        self.may_end = asyncio.Semaphore(0)
        self.uses_upstream = False

    async def handle_frame(self, door: FrameDoor, lines: Lines, *, is_stopping: bool) -> None:
        self.doors.append(door)
        self.stopping.append(is_stopping)
        door.when_gone(lambda: self.left.append(door))
        if self.uses_upstream:
            line = await to_upstream(lines.to("one"), self.client).connect()
            await line.send("POST", "", None, await door.body())  # type: ignore[arg-type]
        try:
            body = await door.body()
        except Refused as refused:
            door.answer(400, {}, json.dumps({"error": {"message": str(refused)}}).encode())
            return
        await self.may_end.acquire()
        if door.gone:
            raise ClientGone
        await door.start(200, {})
        await door.write(b"data: %b\n\n" % body)


def lived(test: Callable[[Room], Coroutine[Any, Any, None]]) -> Room:
    """Live a test beside its session, in virtual time, until both have ended."""
    loop = VirtualLoop(VirtualTime())

    async def live() -> Room:
        room = Room()
        serving = loop.create_task(room.sockets.serve(room.session))
        await rest()
        await test(room)
        await serving
        assert len(room.sockets) == 0
        return room

    try:
        room = loop.run_until_complete(live())
        assert (loop.complaints, loop.failures()) == ([], [])
        return room
    finally:
        loop.dispose()
        loop.close()


def frame(number: int) -> bytes:
    return b'{"type":"response.create","metadata":{"n":"%d"}}' % number


def test_frames_are_answered_one_after_another() -> None:
    async def test(room: Room) -> None:
        room.caller.say(frame(1), frame(2), frame(3))
        await rest()
        assert len(room.doors) == 1
        for _ in range(3):
            room.may_end.release()
        await rest()
        room.caller.leave()

    room = lived(test)
    assert room.caller.heard == [frame(1), frame(2), frame(3)]
    assert room.left == []


def test_a_frame_is_a_call_of_its_caller_and_not_its_handshake() -> None:
    async def test(room: Room) -> None:
        room.caller.say(CREATE)
        room.may_end.release()
        await rest()
        room.caller.leave()

    (door,) = lived(test).doors
    assert (door.method, door.path) == ("POST", "/v1/responses")
    assert door.headers == (("Host", "localhost"), ("X-Cycles-Agent", "bot"))
    assert door.header("x-cycles-agent") == "bot"
    assert door.header("upgrade") is None


def test_a_frame_that_cannot_be_read_is_answered_in_its_turn() -> None:
    async def test(room: Room) -> None:
        room.caller.say(frame(1), b"no json")
        await rest()
        assert room.caller.heard == []
        room.may_end.release()
        await rest()
        room.caller.leave()

    room = lived(test)
    assert room.caller.heard[0] == frame(1)
    assert json.loads(room.caller.heard[1])["status"] == 400


def test_a_call_that_ended_before_its_answer_closes_the_socket() -> None:
    async def test(room: Room) -> None:
        room.caller.say(frame(1), frame(2))
        await rest()
        room.doors[0].break_off()
        room.may_end.release()

    room = lived(test)
    assert room.caller.closed_with == [1011]
    assert len(room.doors) == 1


def test_bytes_close_the_socket() -> None:
    async def test(room: Room) -> None:
        room.caller.say(NotText())

    assert lived(test).caller.closed_with == [1003]


def test_who_says_nothing_for_an_hour_is_closed_on() -> None:
    async def test(room: Room) -> None:
        await asyncio.sleep(IDLE_MS / 1000 - 1)
        assert room.caller.closed_with == []

    assert lived(test).caller.closed_with == [1001]


def test_who_waits_for_an_answer_for_an_hour_is_not() -> None:
    async def test(room: Room) -> None:
        room.caller.say(CREATE)
        await asyncio.sleep(IDLE_MS / 1000 * 1.5)
        assert room.caller.closed_with == []
        room.may_end.release()

    room = lived(test)
    assert room.caller.heard == [CREATE]
    assert room.caller.closed_with == [1001]


def test_as_many_frames_wait_as_may() -> None:
    async def test(room: Room) -> None:
        room.caller.say(CREATE)
        await rest()
        room.caller.say(*[CREATE] * WAITING_MAX)
        await rest()
        assert room.caller.closed_with == []
        room.caller.say(CREATE)
        await rest()
        room.may_end.release()

    room = lived(test)
    assert room.caller.closed_with == [1008]
    assert len(room.doors) == len(room.left) == 1


def test_who_leaves_is_told_of_to_the_call_that_runs_and_no_other_begins() -> None:
    async def test(room: Room) -> None:
        room.caller.say(frame(1), frame(2))
        await rest()
        room.caller.leave()
        await rest()
        assert room.left == room.doors
        room.may_end.release()

    assert len(lived(test).doors) == 1


def test_a_connection_that_is_lost_is_one_that_left() -> None:
    async def test(room: Room) -> None:
        room.caller.say(CREATE)
        await rest()
        room.entrance.react()
        await rest()
        assert room.left == room.doors
        room.may_end.release()

    assert lived(test).caller.closed_with == [1001]


def test_a_proxy_that_stops_closes_what_is_idle_at_once() -> None:
    async def test(room: Room) -> None:
        room.sockets.stop()

    assert lived(test).caller.closed_with == [1001]


def test_a_proxy_that_stops_lets_a_response_end_and_refuses_the_next() -> None:
    async def test(room: Room) -> None:
        room.caller.say(frame(1), frame(2))
        await rest()
        room.sockets.stop()
        await rest()
        assert room.caller.closed_with == []
        room.may_end.release()
        room.may_end.release()

    room = lived(test)
    assert room.stopping == [False, True]
    assert room.caller.closed_with == [1001]


@pytest.mark.parametrize(
    ("code", "passed_on"),
    [(1000, 1000), (1001, 1001), (1012, 1012), (4001, 4001), (1006, 1011), (None, 1011)],
)
def test_an_upstream_that_closes_says_why_to_the_caller(code: int | None, passed_on: int) -> None:
    async def test(room: Room) -> None:
        await begin(room)
        room.client.socket.say(COMPLETED)
        room.may_end.release()
        await rest()
        room.client.socket.end(code)

    assert lived(test).caller.closed_with == [passed_on]


def test_an_upstream_that_closes_while_a_call_runs_is_the_calls_affair() -> None:
    async def test(room: Room) -> None:
        await begin(room)
        room.client.socket.say(COMPLETED)
        await rest()
        room.client.socket.end(1001)
        await rest()
        assert room.caller.closed_with == []
        room.may_end.release()
        await rest()
        room.caller.leave()

    lived(test)


def test_who_leaves_takes_the_upstreams_socket_along() -> None:
    async def test(room: Room) -> None:
        await begin(room)
        room.client.socket.say(COMPLETED)
        room.may_end.release()
        await rest()
        room.caller.leave()

    assert lived(test).client.socket.is_closed


def test_a_control_does_not_wait_for_its_turn() -> None:
    async def test(room: Room) -> None:
        await begin(room)
        room.caller.say(frame(2), CANCEL)
        await rest()
        assert room.client.socket.sent == [CREATE, CANCEL]
        room.client.socket.say(COMPLETED)
        room.caller.leave()
        room.may_end.release()

    lived(test)


async def begin(room: Room) -> FakeUpstreamSocket:
    """A call whose response has begun upstream."""
    room.uses_upstream = True
    room.caller.say(CREATE)
    await rest()
    room.uses_upstream = False
    room.client.socket.say(CREATED)
    await rest()
    return room.client.socket


def test_a_refusal_of_a_frame_names_its_reason() -> None:
    """The door raises it where the body is asked for: as for any call."""

    async def test(room: Room) -> None:
        room.caller.say(b"[]")
        await rest()
        with pytest.raises(Refused) as refused:
            await room.doors[0].body()
        assert refused.value.reason is Reason.INVALID_REQUEST
        room.caller.leave()

    lived(test)
