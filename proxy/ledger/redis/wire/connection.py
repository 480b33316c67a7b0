"""One connection to a server. What is asked in one tick of the loop leaves in one write.

    ask ─▶ unsent ─▶ (end of the tick) one write ─▶ awaited ─▶ replies, in the same order

Nobody waits for anybody else's reply before asking: any number of writes may be on their
way. How many operations that are is for the callers to bound.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import hiredis

from proxy.ledger.redis.wire.timing import Alarm, Timers

_INCOMPLETE: Final = object()
"""What the reader answers while a reply is not whole."""


def pack(*parts: str | int | bytes) -> bytes:
    """One command as it goes over the wire.

    Raises:
        TypeError, ValueError: a part that is none of these, or is no UTF-8.
    """
    packed: bytes = hiredis.pack_command(parts)  # type: ignore[arg-type]  # it takes any tuple
    return packed


class ConnectionCut(Exception):
    """The connection ended before the reply came.

    `was_sent`: whether the request had left, so that the server may have done it.
    """

    def __init__(self, why: str, *, was_sent: bool) -> None:
        super().__init__(why)
        self.why = why
        self.was_sent = was_sent


class _Request(NamedTuple):
    future: "asyncio.Future[Any]"
    packed: bytes
    replies: int


class _Write(NamedTuple):
    """All replies to the first `up_to` requests are due at `due_ms`."""

    due_ms: int
    up_to: int


class Connection(asyncio.Protocol):
    """Sends requests and gives each its reply; RESP2, parsed by hiredis.

    A request whose caller was cancelled before it left does not leave; afterwards it may
    be applied. When a reply takes longer than `reply_ms` the connection ends: the server is
    gone without a word, or too slow for those who wait.

    `on_end` is called once, when nothing more can be asked.
    """

    def __init__(self, *, timers: Timers, reply_ms: int, on_end: "OnEnd") -> None:
        self._loop = asyncio.get_running_loop()
        self._timers = timers
        self._reply_ms = reply_ms
        self._on_end = on_end
        self._transport: asyncio.Transport
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._unsent: list[_Request] = []
        self._awaited: deque[asyncio.Future[Any] | None] = deque()
        self._writes: deque[_Write] = deque()
        self._sent = 0
        self._alarm: Alarm | None = None
        self._is_flush_due = False
        self._is_paused = False
        self._why_ended: str | None = None
        self._is_retired = False
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done once its socket is closed."""
        self.known_scripts: set[str] = set()
        """Digests of the scripts whose source has been sent here."""

    @property
    def why_ended(self) -> str | None:
        """None while it can be asked."""
        return self._why_ended

    def ask(self, packed: bytes, *, replies: int = 1) -> "asyncio.Future[Any]":
        """Send one request at the end of this tick; the future brings its reply.

        `packed` may be several commands that belong together: then there are as many
        `replies`, and the future brings the last. A reply is bytes, int, None, a list of
        those, or a hiredis.ReplyError.

        The future raises ConnectionCut.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._why_ended is not None:
            future.set_exception(ConnectionCut(self._why_ended, was_sent=False))
            return future
        self._unsent.append(_Request(future, packed, replies))
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)
        return future

    def retire(self) -> None:
        """Take the replies that are on their way, then end."""
        self._is_retired = True
        self._end_if_idle()

    def end(self, why: str) -> None:
        """End now. Whoever still waits gets ConnectionCut."""
        if self._why_ended is not None:
            return
        self._why_ended = why
        self._transport.abort()
        if self._alarm is not None:
            self._alarm.cancel()
        for future in self._awaited:
            _fail(future, ConnectionCut(why, was_sent=True))
        for request in self._unsent:
            _fail(request.future, ConnectionCut(why, was_sent=False))
        self._awaited.clear()
        self._unsent.clear()
        self._on_end(self)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._is_paused:
            return
        requests = [request for request in self._unsent if not request.future.done()]
        self._unsent.clear()
        if not requests:
            return
        for request in requests:
            self._awaited.extend([None] * (request.replies - 1))
            self._awaited.append(request.future)
        self._sent += sum(request.replies for request in requests)
        self._transport.write(b"".join([request.packed for request in requests]))
        self._watch()

    def _watch(self) -> None:
        """Note when the replies to the last write are due."""
        answered = self._sent - len(self._awaited)
        while self._writes and self._writes[0].up_to <= answered:
            self._writes.popleft()
        self._writes.append(_Write(self._timers.now_ms() + self._reply_ms, self._sent))
        if self._alarm is None:
            self._alarm = self._timers.call_at(self._writes[0].due_ms, self._look)

    def _look(self) -> None:
        self._alarm = None
        answered = self._sent - len(self._awaited)
        while self._writes and self._writes[0].up_to <= answered:
            self._writes.popleft()
        if not self._writes:
            return
        due_ms = self._writes[0].due_ms
        if self._timers.now_ms() >= due_ms:
            self.end(f"no reply within {self._reply_ms} ms")
        else:
            self._alarm = self._timers.call_at(due_ms, self._look)

    def _end_if_idle(self) -> None:
        if self._is_retired and not self._awaited and not self._unsent:
            self.end("the connection was given up")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        awaited = self._awaited
        read = self._reader.gets
        self._reader.feed(data)
        try:
            while (reply := read()) is not _INCOMPLETE:
                if not awaited:
                    self.end("a reply that nobody asked for")
                    return
                future = awaited.popleft()
                if future is not None and not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, MemoryError):
            self.end("what it sent is no reply; is this a Redis or Valkey server?")
        if self._is_retired:
            self._end_if_idle()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("it was closed" if exc is None else f"it broke: {exc}")
        self.closed.set_result(None)


OnEnd = Callable[[Connection], None]


def _fail(future: "asyncio.Future[Any] | None", cut: ConnectionCut) -> None:
    if future is not None and not future.done():
        future.set_exception(cut)
