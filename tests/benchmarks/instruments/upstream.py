"""The fake upstream: canned answers, one process, no framework, so that it is never the limit.

`python -m tests.benchmarks.instruments.upstream` prints its port and serves until it is ended.
"""

import asyncio
import gc
import sys
import time
from typing import cast

import uvloop

from tests.benchmarks.instruments.exchange import (
    STREAM_HEAD,
    StreamEvents,
    StreamScript,
    json_answer,
    script_in,
    wants_usage,
)

HOST = "127.0.0.1"
_JSON_ANSWER = json_answer()
_EVENTS = {usage: StreamEvents(usage=usage) for usage in (False, True)}


class Upstream(asyncio.Protocol):
    """One connection. Requests come one after another, each with a Content-Length."""

    def __init__(self) -> None:
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports by behaviour, not by class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head_end = self._pending.find(b"\r\n\r\n")
        if head_end < 0:
            return
        body_start = head_end + 4
        body_end = body_start + _length_bytes(self._pending[:head_end])
        if len(self._pending) < body_end:
            return
        body = self._pending[body_start:body_end]
        self._pending = self._pending[body_end:]
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        script = script_in(body)
        if script is None:
            self._transport.write(_JSON_ANSWER)
            return
        events = _EVENTS[wants_usage(body)]
        self._transport.write(STREAM_HEAD + events.stamped(time.monotonic_ns()))
        self._wait(script, events, sent=1)

    def _wait(self, script: StreamScript, events: StreamEvents, sent: int) -> None:
        loop = asyncio.get_running_loop()
        if script.pace_us:
            loop.call_later(script.pace_us / 1e6, self._send, script, events, sent)
        else:
            loop.call_soon(self._send, script, events, sent)

    def _send(self, script: StreamScript, events: StreamEvents, sent: int) -> None:
        if self._transport.is_closing():
            return
        if sent == script.chunks:
            self._transport.write(events.tail)
            return
        self._transport.write(events.stamped(time.monotonic_ns()))
        self._wait(script, events, sent + 1)


def _length_bytes(head: bytes) -> int:
    headers = head.lower() + b"\r\n"
    at = headers.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError("a request without Content-Length")
    return int(headers[at + 17 : headers.index(b"\r\n", at + 17)])


async def serve() -> None:
    """Listen on a free port, say which, and never return."""
    server = await asyncio.get_running_loop().create_server(Upstream, HOST, 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    # A collection in the middle of a call would be counted against the contender.
    gc.disable()
    uvloop.run(serve())
