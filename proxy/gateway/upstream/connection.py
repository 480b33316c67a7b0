"""One connection to the upstream, used by one request at a time.

Bytes come in through the parser's callbacks (httptools, the parser of Node) and wait until
they are read; when too many wait, the socket is left alone until they were.
"""

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum
from typing import Final, cast

import httptools
from multidict import CIMultiDict

from proxy.gateway.forward import BrokenOff, NoStatus
from proxy.gateway.upstream.uploading import WriteGate

PAUSE_BYTES: Final = 262_144
"""So many bytes may wait for a slow caller; then the upstream waits too."""

HEADER_BYTES_MAX: Final = 131_072
"""More than any API sends; beyond it the answer counts as broken.

That goes for its headers, with those of early hints before it, and for whatever else comes
without a byte of its body: sizes and names of chunks, trailers, a line that does not end.
"""


class Progress(Enum):
    """How far the answer to the current request has come."""

    IDLE = "idle"
    WAITING = "waiting"
    BODY = "body"
    COMPLETE = "complete"
    BROKEN = "broken"


class Connection(asyncio.Protocol):
    """Sends a request and takes in its answer; `lost` is called when it cannot any more."""

    def __init__(self, lost: Callable[["Connection"], None]) -> None:
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._progress = Progress.IDLE
        self._wakes: asyncio.Future[None] | None = None
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_late = False
        self._header_bytes = 0
        self._barren_bytes = 0
        self._ends_with_connection = False
        self._keeps_alive = False
        self._is_spent = False
        self._gate = WriteGate()
        self._react: Callable[[], None] | None = None
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.tls: ssl.SSLObject | None = None
        """What encrypts it, if anything does."""

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent on it."""
        return self._progress is Progress.IDLE and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes) -> None:
        """Put a request on the wire."""
        self._progress = Progress.WAITING
        self.status = 0
        self.headers = CIMultiDict()
        self._header_bytes = 0
        self._barren_bytes = 0
        self._transport.writelines((head, body))

    def write(self, data: bytes) -> None:
        """Put more of a request on the wire."""
        self._transport.write(data)

    async def writable(self) -> None:
        """Until most of what was written is gone, or the connection is."""
        await self._gate.passed()

    def when_heard(self, react: Callable[[], None] | None) -> None:
        """Call `react` once an answer begins or the connection ends, at once if it has already."""
        self._react = react
        self._tell_heard()

    def _tell_heard(self) -> None:
        if self._react is not None and self._progress is not Progress.WAITING:
            react, self._react = self._react, None
            react()

    def give_up_request(self) -> None:
        """The answer came before all of its request had left: nothing else can follow that."""
        self._is_spent = True

    async def wait_for_status(self, response_ms: int) -> None:
        """Until status and headers are there. Raises NoStatus."""
        timer = self._loop.call_later(response_ms / 1000, self._time_out)
        try:
            while self._progress is Progress.WAITING:
                await self._wait()
        finally:
            timer.cancel()
        if not self.status:
            raise NoStatus(timed_out=self._is_late)

    async def read(self, idle_ms: int) -> bytes:
        """What has arrived of the body, at least something; empty at its end.

        Raises:
            BrokenOff: it stopped before its end, or was silent for `idle_ms`.
        """
        while not self._pieces:
            if self._progress is Progress.COMPLETE:
                return b""
            if self._progress is not Progress.BODY:
                raise BrokenOff
            timer = self._loop.call_later(idle_ms / 1000, self.close)
            try:
                await self._wait()
            finally:
                timer.cancel()
        pieces, self._pieces = self._pieces, []
        self._waiting_bytes = 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """The answer was read to its end: be idle, or close when the upstream wants that."""
        self._progress = Progress.IDLE
        if self._is_spent or not self._keeps_alive:
            self._transport.close()

    def close(self) -> None:
        """End the connection now, and the answer with it if it is not whole."""
        self._break()
        self._transport.abort()

    def _time_out(self) -> None:
        self._is_late = True
        self.close()

    def _break(self) -> None:
        if self._progress in (Progress.WAITING, Progress.BODY):
            self._progress = Progress.BROKEN
        self._wake()

    async def _wait(self) -> None:
        self._wakes = self._loop.create_future()
        try:
            await self._wakes
        finally:
            self._wakes = None

    def _wake(self) -> None:
        self._tell_heard()
        if self._wakes is not None and not self._wakes.done():
            self._wakes.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # A transport that was closed knows nothing of it any more.
        self.tls = transport.get_extra_info("ssl_object")

    def data_received(self, data: bytes) -> None:
        if self._progress not in (Progress.WAITING, Progress.BODY):
            # Nobody asked: whatever this is, the next answer must not begin with it.
            self.close()
            return
        self._barren_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
            return
        if self._barren_bytes > HEADER_BYTES_MAX:
            self.close()
            return
        self._wake()
        if self._waiting_bytes > PAUSE_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._gate.shut()

    def resume_writing(self) -> None:
        self._gate.open()

    def eof_received(self) -> None:
        """The transport closes itself after this."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._progress is Progress.BODY and self._ends_with_connection and exc is None:
            self._progress = Progress.COMPLETE
        self._gate.open()
        self._break()
        self._lost(self)

    # httptools.HttpResponseParser

    def on_message_begin(self) -> None:
        if self._progress is Progress.COMPLETE:
            raise httptools.HttpParserError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES_MAX:
            raise httptools.HttpParserError("too many headers")
        if self._progress is not Progress.WAITING:
            return  # a trailer, which ends here: RFC 9110 section 6.5.1
        self.headers.add(
            name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        )

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 100:
            raise httptools.HttpParserError("no status of HTTP")
        if status < 200:
            # Early hints and the like: the answer itself is still to come.
            self.headers = CIMultiDict()
            return
        codings = self.headers.getall("Transfer-Encoding", [])
        if codings and [coding.lower() for coding in codings] != ["chunked"]:
            raise httptools.HttpParserError("a transfer coding that nobody asked for")
        self.status = status
        self._progress = Progress.BODY
        self._ends_with_connection = not (codings or "Content-Length" in self.headers)

    def on_body(self, body: bytes) -> None:
        self._barren_bytes = 0
        self._pieces.append(body)
        self._waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._progress is Progress.BODY:
            # What HTTP/1.0 frames in chunks may not be trusted (RFC 9112 section 6.1).
            is_old = self._parser.get_http_version() == "1.0"
            self._keeps_alive = self._parser.should_keep_alive() and not is_old
            self._progress = Progress.COMPLETE
