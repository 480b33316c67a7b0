"""The rest of a request's body, passed on as it comes.

Who sends faster than the upstream takes waits. An upstream that answers before it has heard
all hears no more.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.gateway.forward import NoStatus
from proxy.gateway.runtime.door import Incoming


class Listener(Protocol):
    """The connection to an upstream that is being sent a request."""

    def write(self, data: bytes) -> None:
        """Put bytes on the wire."""
        ...

    async def writable(self) -> None:
        """Until what was written is mostly gone, or the connection is."""
        ...

    def when_heard(self, react: Callable[[], None] | None) -> None:
        """Call `react` once an answer begins or the connection ends, at once if it has already."""
        ...


class WriteGate:
    """Shut while too much waits to be written."""

    def __init__(self) -> None:
        self._opens: asyncio.Future[None] | None = None

    def shut(self) -> None:
        if self._opens is None:
            self._opens = asyncio.get_running_loop().create_future()

    def open(self) -> None:
        opens, self._opens = self._opens, None
        if opens is not None and not opens.done():
            opens.set_result(None)

    async def passed(self) -> None:
        """Until it is open."""
        if self._opens is not None:
            await asyncio.shield(self._opens)


def framed(piece: bytes, *, in_chunks: bool) -> bytes:
    """A piece of a body as it is written: RFC 9112 section 7.1. An empty one is the end."""
    if not in_chunks:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n"


async def pass_on(connection: Listener, rest: Incoming, *, idle_ms: int) -> bool:
    """Send the rest until its end, or until an answer begins; whether it was all sent.

    Raises:
        NoStatus: the upstream took nothing for `idle_ms`.
        Refused: what `rest` says.
    """
    loop = asyncio.get_running_loop()
    answered = asyncio.timeout(None)
    try:
        async with answered:
            connection.when_heard(lambda: answered.reschedule(loop.time()))
            try:
                await _pump(connection, rest, idle_ms)
            finally:
                connection.when_heard(None)
    except TimeoutError:
        return False
    return True


async def _pump(connection: Listener, rest: Incoming, idle_ms: int) -> None:
    in_chunks = rest.length_bytes is None
    while piece := await rest.read():
        connection.write(framed(piece, in_chunks=in_chunks))
        try:
            async with asyncio.timeout(idle_ms / 1000):
                await connection.writable()
        except TimeoutError:
            raise NoStatus(timed_out=True) from None
    connection.write(framed(b"", in_chunks=in_chunks))
