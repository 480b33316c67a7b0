"""Send an answer, or not all of it: framing, pace, hangs and cuts.

The pace is slept with an injected function; with no pace a delivery only gives way to other
tasks, so nothing here waits for a clock.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import cycle

from aiohttp import web

from simulator.answer.stream import Event
from simulator.behaviour import Behaviour
from simulator.bill import Output
from simulator.wire.compression import compressor, content_encoding, negotiate
from simulator.wire.events import Frame, frames

Sleep = Callable[[float], Awaitable[object]]


class CutShort(Exception):
    """The connection was ended on purpose before the answer was complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What precedes a body."""

    status: int
    content_type: str
    headers: dict[str, str]
    streams: bool = False


class _UntilClose(web.StreamResponse):
    """A response without a length and without chunks: its end is the end of the connection."""

    _length_check = False


class Delivery:
    """One answer on its way. `generated` is told what was generated, before it is sent."""

    def __init__(
        self,
        request: web.Request,
        behaviour: Behaviour,
        *,
        sleep: Sleep,
        gate: Callable[[str], asyncio.Event],
        generated: Callable[[Output], None],
    ) -> None:
        self._request = request
        self._behaviour = behaviour
        self._sleep = sleep
        self._gate = gate
        self._generated = generated
        self._sizes = cycle(behaviour.wire.write_bytes)
        self._bytes_sent = 0

    def frames(self, events: Iterable[Event], *, says_done: bool) -> Iterable[Frame]:
        """Server-sent events, as the behaviour wants them."""
        return frames(events, self._behaviour.wire, says_done=says_done)

    async def send(self, head: Head, frames: Iterable[Frame]) -> web.StreamResponse:
        """Send all, or as much as the behaviour allows. Raises CutShort: it ended too early."""
        await self._rest(self._behaviour.delay_ms)
        await self._pass("before_headers")
        self._cut_inside_headers(head)
        encoding = self._encoding(head)
        body = compressor(encoding)
        encoded: Iterable[tuple[bytes, Output]]
        encoded = ((body.compress(frame.data), frame.output) for frame in frames)
        tail = None
        if self._framing(head) == "length":
            encoded, tail = list(encoded), body.finish()
            length = sum(len(data) for data, _ in encoded) + len(tail)
            response = self._response(head, encoding, length)
        else:
            response = self._response(head, encoding, None)
        await response.prepare(self._request)
        await self._events(response, encoded)
        await self._write(response, body.finish() if tail is None else tail)
        await self._pass("end")
        await response.write_eof()
        return response

    async def _events(
        self, response: web.StreamResponse, encoded: Iterable[tuple[bytes, Output]]
    ) -> None:
        cut = self._behaviour.cut
        count = 0
        for data, output in encoded:
            await self._pass("event", count)
            self._generated(output)
            if cut and cut.at == "in_event" and cut.after == count:
                await self._write(response, data[: len(data) // 2])
                self._end()
            await self._write(response, data)
            count += 1
        await self._pass("event", count)

    async def _pass(self, point: str, count: int = 0) -> None:
        """Stop here for as long as the behaviour says, or for good."""
        hang, cut = self._behaviour.hang, self._behaviour.cut
        if hang and (hang.at, hang.after) == (point, count):
            await self._gate(hang.gate).wait()
        if cut and (cut.at, cut.after) == (point, count):
            self._end()

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        cut, start = self._behaviour.cut, 0
        while start < len(data):
            piece = data[start : start + next(self._sizes, len(data))]
            start += len(piece)
            # Rest before a write, never after the last one: a client that has read all may
            # leave at once, and its call was complete.
            await self._rest(self._behaviour.wire.pace_ms)
            if cut and cut.at == "byte" and self._bytes_sent + len(piece) >= cut.after:
                await response.write(piece[: cut.after - self._bytes_sent])
                self._end()
            await response.write(piece)
            self._bytes_sent += len(piece)

    async def _rest(self, pause_ms: int) -> None:
        await (self._sleep(pause_ms / 1000) if pause_ms else asyncio.sleep(0))

    def _cut_inside_headers(self, head: Head) -> None:
        cut, transport = self._behaviour.cut, self._request.transport
        if cut and cut.at == "in_headers" and transport is not None:
            transport.write(f"HTTP/1.1 {head.status} OK\r\ncontent-type: app".encode())
            self._end()

    def _end(self) -> None:
        cut = self._behaviour.cut
        end_connection(self._request, by=cut.by if cut else "close")
        raise CutShort

    def _encoding(self, head: Head) -> str:
        wanted = self._behaviour.wire.compression
        if wanted != "negotiate":
            return wanted
        accepted = "" if head.streams else self._request.headers.get("accept-encoding", "")
        return negotiate(accepted)

    def _framing(self, head: Head) -> str:
        wanted = self._behaviour.wire.framing
        if wanted != "auto":
            return wanted
        return "chunked" if head.streams else "length"

    def _response(self, head: Head, encoding: str, length: int | None) -> web.StreamResponse:
        headers = head.headers | {"content-type": head.content_type}
        if name := content_encoding(encoding):
            headers |= {"content-encoding": name, "vary": "accept-encoding"}
        if self._framing(head) == "close":
            response: web.StreamResponse = _UntilClose(status=head.status, headers=headers)
            response.force_close()
            return response
        response = web.StreamResponse(status=head.status, headers=headers)
        response.content_length = length
        return response


def end_connection(request: web.Request, *, by: str) -> None:
    """Close it, or (`reset`) break it."""
    transport = request.transport
    if transport is None:
        return
    if by == "reset":
        connection: socket.socket = transport.get_extra_info("socket")
        # Closing without lingering is what makes the kernel answer with a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
