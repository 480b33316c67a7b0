"""Send an answer over a WebSocket, one event a frame, or not all of it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec
from aiohttp import web

from simulator.answer.stream import Event
from simulator.behaviour import Behaviour
from simulator.errors import ApiError
from simulator.records import Tab
from simulator.wire.deliver import CutShort, Head, Sleep, end_connection
from simulator.wire.events import Frame


class FrameDelivery:
    """One answer on its way. `cancelled` is set when the client wants no more of it.

    `lane` is the stream it was asked for in: every frame repeats it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        behaviour: Behaviour,
        tab: Tab,
        *,
        sleep: Sleep,
        gate: Callable[[str], asyncio.Event],
        cancelled: asyncio.Event,
        lane: str | None,
    ) -> None:
        self._socket = socket
        self._request = request
        self._behaviour = behaviour
        self._tab = tab
        self._sleep = sleep
        self._gate = gate
        self._cancelled = cancelled
        self._lane = lane
        self._begun: dict[str, object] = {}

    def frames(self, events: Iterable[Event], *, says_done: bool) -> Iterator[Frame]:
        """The events as JSON alone."""
        del says_done  # there is nothing to say it with
        for event in events:
            self._begun = self._begun or event.payload.get("response", {})
            yield Frame(self._in_lane(event.payload), event.output)

    async def send(self, head: Head, frames: Iterable[Frame]) -> web.StreamResponse:
        """Send all, or as much as the behaviour allows. Raises CutShort: it ended too early."""
        await self._rest(self._behaviour.delay_ms)
        if head.status >= 400:
            (frame,) = frames
            await self._send(self._refusal(head, frame.data))
            return self._socket
        for count, frame in enumerate(frames):
            await self._pass("event", count)
            if self._cancelled.is_set():
                await self._send(self._interrupted())
                raise CutShort
            self._tab.generated(frame.output)
            await self._rest(self._behaviour.wire.pace_ms)
            await self._send(frame.data)
        return self._socket

    async def _pass(self, point: str, count: int) -> None:
        """Stop here for as long as the behaviour says, or for good."""
        hang, cut = self._behaviour.hang, self._behaviour.cut
        if hang and (hang.at, hang.after) == (point, count):
            await _first(self._gate(hang.gate), self._cancelled)
        if cut and (cut.at, cut.after) == (point, count):
            end_connection(self._request, by=cut.by)
            raise CutShort

    async def _rest(self, pause_ms: int) -> None:
        await (self._sleep(pause_ms / 1000) if pause_ms else asyncio.sleep(0))

    async def _send(self, frame: bytes) -> None:
        await self._socket.send_frame(frame, web.WSMsgType.TEXT)

    def _in_lane(self, payload: dict[str, object]) -> bytes:
        return msgspec.json.encode(payload | ({"stream_id": self._lane} if self._lane else {}))

    def _refusal(self, head: Head, body: bytes) -> bytes:
        error = msgspec.json.decode(body)["error"] if body.startswith(b"{") else {}
        return self._in_lane(
            {"type": "error", "status": head.status, "error": error, "headers": head.headers}
        )

    def _interrupted(self) -> bytes:
        """The response as it ends when it is cancelled, with what it came to by then."""
        line = self._tab.line()
        usage = {
            "input_tokens": line.input.prompt_tokens,
            "input_tokens_details": {"cached_tokens": line.input.cached_tokens},
            "output_tokens": line.output.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": line.output.reasoning_tokens},
            "total_tokens": line.input.prompt_tokens + line.output.completion_tokens,
        }
        ended = {"status": "incomplete", "incomplete_details": {"reason": "interrupted"}}
        response = {**self._begun, **ended, "usage": usage}
        return self._in_lane({"type": "response.incomplete", "response": response})


def error_frame(error: ApiError, lane: str | None) -> bytes:
    """The frame for a call that cannot be served."""
    frame = {"type": "error", "status": error.status, **error.body()}
    return msgspec.json.encode(frame | ({"stream_id": lane} if lane else {}))


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
