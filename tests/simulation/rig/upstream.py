"""The network to the provider: an `Upstream` without sockets, and what it saw of each call."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Literal

from multidict import CIMultiDict

from proxy.gateway.forward import BrokenOff, NoStatus, NotSent
from simulator import ChatRequest, Output
from simulator.errors import ApiError
from tests.simulation.plan import Call, Fate
from tests.simulation.rig.provider import UNITS, Part, Reply, Serving, read, refuse, serve
from tests.simulation.rig.virtual import rest

RESPONSE_TIMEOUT_MS: Final = 4_000
IDLE_TIMEOUT_MS: Final = 3_000

_NOTHING: Final = dict.fromkeys(UNITS, 0)

End = Literal["under way", "whole", "cut", "left"]


@dataclass(slots=True)
class Sighting:
    """What the upstream knows of an attempt at a call: the witness of the run. Times are seconds.

    `end` is how its answer ended: read to its end, cut by the upstream, or left by the proxy.
    `delivered`, `names_model`, `tells_usage` and `is_complete` are about parts that were handed
    over whole, `has_begun_to_end` about the first byte of the part that completes the answer.
    `is_torn` says that the last part came only in part, and that this may be hard to see: an
    event without the empty line after it, or what only closes a compression.
    """

    sent: bool = False
    request: ChatRequest | None = None
    status: int | None = None
    serving: Serving | None = None
    streams: bool = False
    end: End = "under way"
    sent_at_s: float = 0.0
    ended_at_s: float = 0.0
    delivered: Output = field(default_factory=Output)
    delivered_bytes: int = 0
    names_model: bool = False
    tells_usage: bool = False
    is_complete: bool = False
    has_begun_to_end: bool = False
    is_torn: bool = False

    def __str__(self) -> str:
        told = "with usage" if self.tells_usage else "without usage"
        return (
            f"sent {self.sent}, status {self.status}, streams {self.streams}, {self.end}, {told},"
            f" complete {self.is_complete}, {self.delivered_bytes} bytes, {self.delivered},"
            f" bill {self.bill}, worth {self.floor}"
        )

    @property
    def bill(self) -> Mapping[str, int]:
        """What the provider asks for the call, and counts, by unit."""
        return self.serving.bill if self.serving is not None else _NOTHING

    @property
    def floor(self) -> Mapping[str, int]:
        """What the prompt and what was delivered come to, at the least."""
        if self.serving is None or self.status is None:
            return _NOTHING
        return self.serving.worth(self.delivered)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A call, and what is seen of its attempts, one after the other."""

    call: Call
    sightings: list[Sighting]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a call, and what is seen of it."""

    call: Call
    sighting: Sighting


CURRENT: ContextVar[UnderWay] = ContextVar("current")
"""Whose task this is: a connection that is opened does not say for which call."""


class ScriptedUpstream:
    """Sends each call the way that its plan says. `on_sent` is told when a request leaves."""

    def __init__(self, on_sent: Callable[[Attempt], None]) -> None:
        self._on_sent = on_sent
        self._lines: list[ScriptedLine] = []

    async def connect(self) -> "ScriptedLine":
        under_way = CURRENT.get()
        under_way.sightings.append(Sighting())
        number = len(under_way.sightings)
        attempt = Attempt(under_way.call.attempt(number), under_way.sightings[-1])
        route = attempt.call.route
        await rest(route.connect_ms)
        if route.fate is Fate.UNREACHABLE:
            raise NotSent("connection refused")
        line = ScriptedLine(attempt, self._on_sent)
        self._lines.append(line)
        return line

    def lose_all(self) -> None:
        """The proxy is dead, and its connections with it."""
        for line in self._lines:
            line.abort()

    def open_lines(self) -> int:
        """Connections that are neither given back nor closed."""
        return sum(line.is_open for line in self._lines)


class ScriptedLine:
    """One connection, one request and its answer: a `Line` and an `UpstreamAnswer`."""

    def __init__(self, attempt: Attempt, on_sent: Callable[[Attempt], None]) -> None:
        self._attempt = attempt
        self._call = attempt.call
        self._sighting = attempt.sighting
        self._on_sent = on_sent
        self._loop = asyncio.get_running_loop()
        self._wakes: asyncio.Future[None] | None = None
        self._parts: tuple[Part, ...] = ()
        self._body = b""
        self._stops_at = 0
        self._offset = 0
        self._generated_parts = 0
        self._may_seem_whole = False
        self._piece_bytes = 1
        self.is_open = True
        self.status = 0
        self.headers: Mapping[str, str] = {}

    def release(self) -> None:
        assert not self._sighting.sent
        self.is_open = False

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> "ScriptedLine":
        sighting = self._sighting
        assert not sighting.sent, "an attempt is sent once"
        assert headers["Authorization"] == "Bearer sk-of-the-upstream"
        assert not any(name.lower().startswith(("x-cycles", "x-budget")) for name in headers)
        sighting.sent = True
        sighting.sent_at_s = self._loop.time()
        reply = self._reply(body, headers.get("Accept-Encoding", ""))
        self._on_sent(self._attempt)
        try:
            await self._wait_for_status()
        except BaseException:
            self.abort()
            raise
        self.status = sighting.status = reply.status
        self.headers = reply.headers
        return self

    def _reply(self, body: bytes, accept_encoding: str) -> Reply:
        sighting, route = self._sighting, self._call.route
        try:
            sighting.request = read(body)
            reply = serve(self._call, sighting.request, accept_encoding)
        except ApiError as error:
            reply = refuse(error)
        sighting.serving = reply.serving
        self._may_seem_whole = "Content-Encoding" in reply.headers
        sighting.streams = reply.headers["Content-Type"].startswith("text/event-stream")
        self._may_seem_whole |= sighting.streams
        self._parts = reply.parts
        self._body = b"".join(part.data for part in reply.parts)
        self._stops_at = len(self._body)
        self._piece_bytes = max(1, -(-len(self._body) // route.pieces))
        if route.cut_permille is not None:
            self._stops_at = self._stops_at * route.cut_permille // 1000
        return reply

    async def _wait_for_status(self) -> None:
        route = self._call.route
        if route.fate is Fate.SILENT or route.status_ms > RESPONSE_TIMEOUT_MS:
            await self._wait(RESPONSE_TIMEOUT_MS)
            raise NoStatus(timed_out=True)
        await self._wait(route.status_ms)
        if route.fate is Fate.RESET or not self.is_open:
            raise NoStatus(timed_out=False)

    async def read(self) -> bytes:
        if not self.is_open:
            if self._sighting.end == "whole":
                return b""
            raise BrokenOff
        if self._offset < self._stops_at:
            await self._wait(self._call.route.pace_ms)
            if not self.is_open:
                raise BrokenOff
            return self._next_piece()
        return await self._stop()

    def _next_piece(self) -> bytes:
        begin = self._offset
        self._offset = min(begin + self._piece_bytes, self._stops_at)
        self._account()
        return self._body[begin : self._offset]

    def _account(self) -> None:
        """Put what the model has said by now on the bill, and what has arrived aside."""
        sighting, offset, start = self._sighting, self._offset, 0
        sighting.delivered = Output()
        sighting.delivered_bytes = offset
        for number, part in enumerate(self._parts):
            end = start + len(part.data)
            if start < offset:
                self._generate_up_to(number)
                sighting.has_begun_to_end |= part.completes
                sighting.is_torn = offset < end and self._may_seem_whole
            if end <= offset:
                sighting.delivered += part.output
                sighting.names_model = True
                sighting.tells_usage |= part.tells_usage
                sighting.is_complete |= part.completes
            start = end

    def _generate_up_to(self, number: int) -> None:
        serving = self._sighting.serving
        while self._generated_parts <= number:
            if serving is not None and self._sighting.streams:
                serving.tab.generated(self._parts[self._generated_parts].output)
            self._generated_parts += 1

    async def _stop(self) -> bytes:
        """What comes after the last byte: the end, or what looks like one."""
        route = self._call.route
        if self._stops_at == len(self._body) or self._cannot_be_told_from_whole():
            self._end("whole")
            return b""
        if route.cut_by == "silence":
            await self._wait(IDLE_TIMEOUT_MS)
        self._end("cut")
        if route.cut_by == "end":
            return b""
        raise BrokenOff

    def _cannot_be_told_from_whole(self) -> bool:
        """An error that says no length may end anywhere, and so may what closes a compression."""
        sighting = self._sighting
        has_all = sighting.serving is None or (sighting.is_complete and not sighting.streams)
        return has_all and self._call.route.cut_by == "end"

    def abort(self) -> None:
        if not self.is_open:
            return
        if self._sighting.sent:
            ahead = min(self._generated_parts + self._call.route.lookahead, len(self._parts))
            self._generate_up_to(ahead - 1)
            self._end("left")
        self.is_open = False
        self._wake()

    def _end(self, end: End) -> None:
        self.is_open = False
        self._sighting.end = end
        self._sighting.ended_at_s = self._loop.time()
        serving = self._sighting.serving
        if serving is not None:
            # Who has sent the end of an answer takes it for complete, heard or not.
            is_over = end == "whole" or self._sighting.has_begun_to_end
            serving.tab.close("completed" if is_over else "aborted")

    async def _wait(self, duration_ms: int) -> None:
        if not duration_ms:
            return
        self._wakes = self._loop.create_future()
        timer = self._loop.call_later(duration_ms / 1000, self._wake)
        try:
            await self._wakes
        finally:
            timer.cancel()
            self._wakes = None

    def _wake(self) -> None:
        if self._wakes is not None and not self._wakes.done():
            self._wakes.set_result(None)
