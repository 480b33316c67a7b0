"""One write a tick, and each reply to its own caller: in any interleaving, and in any cut."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.ledger.redis.wire.connection import Connection, ConnectionCut, pack
from tests.ledger.redis.timers import ManualTimers
from tests.ledger.redis.wire.transports import FakeTransport

REPLY_MS = 1_000
OK = b"+OK\r\n"


class Wire:
    """A connection to a test."""

    def __init__(self) -> None:
        self.timers = ManualTimers()
        self.ended: list[str | None] = []
        self.connection = Connection(
            timers=self.timers,
            reply_ms=REPLY_MS,
            on_end=lambda connection: self.ended.append(connection.why_ended),
        )
        self.transport = FakeTransport(self.connection)


async def tick() -> None:
    """All that is due in this turn of the loop."""
    await asyncio.sleep(0)


async def test_what_is_asked_in_one_tick_leaves_in_one_write() -> None:
    wire = Wire()
    futures = [wire.connection.ask(pack("PING", number)) for number in range(300)]
    assert wire.transport.writes == []
    await tick()
    assert len(wire.transport.writes) == 1
    assert len(wire.transport.commands) == 300
    wire.connection.data_received(b"".join(b":%d\r\n" % number for number in range(300)))
    assert [future.result() for future in futures] == list(range(300))


async def test_later_writes_do_not_wait_for_earlier_replies() -> None:
    wire = Wire()
    futures = []
    for number in range(3):
        futures.append(wire.connection.ask(pack("PING", number)))
        await tick()
    assert len(wire.transport.writes) == 3
    wire.connection.data_received(b":0\r\n:1\r\n:2\r\n")
    assert [future.result() for future in futures] == [0, 1, 2]


async def test_a_request_whose_caller_left_before_the_write_does_not_leave() -> None:
    wire = Wire()
    gone = wire.connection.ask(pack("PING", "gone"))
    here = wire.connection.ask(pack("PING", "here"))
    gone.cancel()
    await tick()
    assert wire.transport.commands == [[b"PING", b"here"]]
    wire.connection.data_received(b"+here\r\n")
    assert here.result() == b"here"


async def test_nothing_is_written_when_every_caller_left() -> None:
    wire = Wire()
    wire.connection.ask(pack("PING")).cancel()
    await tick()
    assert wire.transport.writes == []
    assert wire.timers.waiting == []


async def test_a_caller_who_left_later_takes_no_reply_from_others() -> None:
    wire = Wire()
    gone, here = (wire.connection.ask(pack("PING", name)) for name in ("gone", "here"))
    await tick()
    gone.cancel()
    wire.connection.data_received(b"+gone\r\n+here\r\n")
    assert here.result() == b"here"


async def test_of_commands_that_belong_together_the_last_reply_counts() -> None:
    wire = Wire()
    pair = wire.connection.ask(pack("ASKING") + pack("GET", "k"), replies=2)
    single = wire.connection.ask(pack("GET", "l"))
    await tick()
    wire.connection.data_received(b"-ERR first\r\n+k\r\n+l\r\n")
    assert (pair.result(), single.result()) == (b"k", b"l")


async def test_an_error_is_a_reply() -> None:
    wire = Wire()
    future = wire.connection.ask(pack("GET", "k"))
    await tick()
    wire.connection.data_received(b"-OOM full\r\n")
    assert isinstance(future.result(), hiredis.ReplyError)
    assert wire.connection.why_ended is None


async def test_a_full_socket_holds_writes_back_until_it_is_not() -> None:
    wire = Wire()
    wire.connection.pause_writing()
    wire.connection.ask(pack("PING", 1))
    await tick()
    assert wire.transport.writes == []
    wire.connection.ask(pack("PING", 2))
    wire.connection.resume_writing()
    assert len(wire.transport.writes) == 1
    assert len(wire.transport.commands) == 2
    await tick()
    assert len(wire.transport.writes) == 1


async def test_a_cut_tells_what_had_left() -> None:
    wire = Wire()
    sent = wire.connection.ask(pack("PING"))
    await tick()
    unsent = wire.connection.ask(pack("PING"))
    wire.transport.lose(ConnectionResetError("reset"))
    late = wire.connection.ask(pack("PING"))
    cuts = await asyncio.gather(sent, unsent, late, return_exceptions=True)
    assert [isinstance(cut, ConnectionCut) and cut.was_sent for cut in cuts] == [True, False, False]
    assert wire.ended == ["it broke: reset"]
    assert wire.connection.closed.done()
    assert wire.timers.waiting == []
    await tick()
    assert len(wire.transport.writes) == 1


@pytest.mark.parametrize(
    "junk", [b"HTTP/1.1 400 Bad Request\r\n", b"\x15\x03\x03", b"$-7\r\n", b"*4294967295\r\n"]
)
async def test_what_is_no_reply_ends_the_connection(junk: bytes) -> None:
    wire = Wire()
    first, second = (wire.connection.ask(pack("PING")) for _ in range(2))
    await tick()
    wire.connection.data_received(OK + junk)
    assert first.result() == b"OK"
    with pytest.raises(ConnectionCut, match="is this a Redis or Valkey server") as cut:
        await second
    assert cut.value.was_sent


async def test_a_reply_that_nobody_asked_for_ends_the_connection() -> None:
    wire = Wire()
    future = wire.connection.ask(pack("PING"))
    await tick()
    wire.connection.data_received(OK + OK)
    assert future.result() == b"OK"
    assert wire.ended == ["a reply that nobody asked for"]


async def test_a_late_reply_ends_the_connection_at_its_deadline() -> None:
    wire = Wire()
    future = wire.connection.ask(pack("PING"))
    await tick()
    wire.timers.advance(REPLY_MS - 1)
    assert not future.done()
    wire.timers.advance(1)
    with pytest.raises(ConnectionCut, match="no reply within 1000 ms"):
        await future


async def test_every_write_has_a_deadline_of_its_own() -> None:
    wire = Wire()
    first = wire.connection.ask(pack("PING"))
    await tick()
    wire.timers.advance(600)
    second = wire.connection.ask(pack("PING"))
    await tick()
    wire.connection.data_received(OK)
    assert first.result() == b"OK"
    wire.timers.advance(REPLY_MS - 1)
    assert wire.ended == []
    wire.timers.advance(1)
    assert wire.ended == ["no reply within 1000 ms"]
    with pytest.raises(ConnectionCut):
        await second


async def test_an_idle_connection_has_no_deadline() -> None:
    wire = Wire()
    for _ in range(3):
        future = wire.connection.ask(pack("PING"))
        await tick()
        wire.connection.data_received(OK)
        assert future.result() == b"OK"
        wire.timers.advance(10 * REPLY_MS)
    assert wire.ended == []
    assert wire.timers.waiting == []


async def test_one_alarm_is_enough_for_all_writes() -> None:
    wire = Wire()
    for _ in range(50):
        future = wire.connection.ask(pack("PING"))
        await tick()
        wire.connection.data_received(OK)
        assert future.done()
        assert len(wire.timers.waiting) == 1


async def test_a_retired_connection_takes_its_replies_and_ends() -> None:
    wire = Wire()
    sent = wire.connection.ask(pack("PING", 1))
    await tick()
    unsent = wire.connection.ask(pack("PING", 2))
    wire.connection.retire()
    wire.connection.data_received(b":1\r\n")
    assert wire.ended == []
    await tick()
    wire.connection.data_received(b":2\r\n")
    assert (sent.result(), unsent.result()) == (1, 2)
    assert wire.ended == ["the connection was given up"]
    idle = Wire()
    idle.connection.retire()
    assert idle.ended == ["the connection was given up"]
    await asyncio.gather(wire.connection.closed, idle.connection.closed)


@dataclass
class Peer:
    """A server that answers each command with its last part, in order, bytes at a time."""

    wire: Wire
    heard: int = 0
    stream: bytes = b""
    position: int = 0

    def deliver(self, size: int) -> None:
        if self.wire.connection.why_ended is not None:
            return
        commands = self.wire.transport.commands
        for command in commands[self.heard :]:
            self.stream += OK if command == [b"ASKING"] else b":%d\r\n" % int(command[-1])
        self.heard = len(commands)
        piece = self.stream[self.position : self.position + size]
        self.position += len(piece)
        if piece:
            self.wire.connection.data_received(piece)

    def answered(self) -> set[int]:
        """Who was answered in full."""
        whole = self.stream[: self.position].rpartition(b"\n")[0]
        return {int(line[1:]) for line in whole.split() if line.startswith(b":")}


@dataclass
class Story:
    """What callers and the peer did, and what must be true of it."""

    wire: Wire = field(default_factory=Wire)
    asked: "list[asyncio.Future[Any]]" = field(default_factory=list)
    left_early: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.peer = Peer(self.wire)

    @property
    def written(self) -> set[int]:
        return {int(command[-1]) for command in self.wire.transport.commands if command[1:]}

    async def act(self, action: tuple[str, int]) -> None:
        match action:
            case "ask", replies:
                head = pack("ASKING") if replies == 2 else b""
                packed = head + pack("PING", len(self.asked))
                self.asked.append(self.wire.connection.ask(packed, replies=replies))
            case "cancel", number if number < len(self.asked):
                if self.asked[number].cancel() and number not in self.written:
                    self.left_early.add(number)
            case "deliver", size:
                self.peer.deliver(size)
            case "tick", _:
                await tick()
            case "pause", _:
                self.wire.connection.pause_writing()
            case "resume", _ if self.wire.connection.why_ended is None:
                self.wire.connection.resume_writing()
            case "cut", _:
                self.wire.transport.lose()

    def check(self) -> None:
        written, answered = self.written, self.peer.answered()
        assert not written & self.left_early
        for number, future in enumerate(self.asked):
            if future.cancelled():
                continue
            if number in answered:
                assert future.result() == number
            elif self.wire.connection.why_ended is not None:
                cut = future.exception()
                assert isinstance(cut, ConnectionCut)
                assert cut.was_sent is (number in written)
            else:
                assert not future.done()


ACTIONS = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 2)),
    st.tuples(st.just("ask"), st.just(1)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("deliver"), st.integers(1, 60)),
    st.tuples(st.sampled_from(["tick", "tick", "pause", "resume"]), st.just(0)),
)


@settings(max_examples=300)
@given(actions=st.lists(ACTIONS, max_size=60), ends=st.sampled_from(["cut", "resume"]))
def test_replies_find_their_callers_in_any_interleaving_and_cut(
    actions: list[tuple[str, int]], ends: str
) -> None:
    async def live() -> None:
        story = Story()
        for action in actions:
            await story.act(action)
            story.check()
        await story.act((ends, 0))
        await tick()
        story.peer.deliver(10_000)
        story.check()

    asyncio.run(live())
