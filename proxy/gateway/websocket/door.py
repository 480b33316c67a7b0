"""A call whose request is a frame, and whose answer goes out as frames."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from proxy.domain.errors import Refused
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.websocket.events import FrameSplitter, is_last, type_of
from proxy.gateway.websocket.frames import error_frame, with_headers

_OF_THE_SOCKET: Final = frozenset({"upgrade", "idempotency-key"})
"""What the handshake says of the socket alone. A key that named every frame would name none."""

_HANDSHAKE: Final = "sec-websocket-"

_OURS: Final = ("x-budget-", "x-cycles-")
"""Of the headers of an answer, those about its budget. They go with its first event."""


class FrameDoor:
    """One frame at the door of a socket. `entrance` is where the handshake came in.

    `refused` is what is wrong with a frame that could not be read. `send` puts a frame on the
    socket, waiting while the caller is slow, and raises ClientGone.
    """

    method = "POST"

    def __init__(
        self,
        entrance: Door,
        text: bytes,
        send: Callable[[bytes], Awaitable[None]],
        *,
        stream_id: str | None = None,
        refused: Refused | None = None,
    ) -> None:
        self.path = entrance.path
        self.query = entrance.query
        self.headers = tuple(
            (name, value) for name, value in entrance.headers if not _is_of_the_socket(name)
        )
        self.gone = entrance.gone
        self.is_broken = False
        """Whether the answer stopped before its end: the caller has to see that."""
        self._text = text
        self._send = send
        self._stream_id = stream_id
        self._refused = refused
        self._frames = FrameSplitter()
        self.last_event: bytes | None = None
        """What ended the response, as its caller has it."""
        self._has_begun = False
        self._about: Mapping[str, str] = {}
        self._last: bytes | None = None
        self._react: Callable[[], None] | None = None

    def header(self, name: str) -> str | None:
        lower = name.lower()
        return next((value for each, value in self.headers if each.lower() == lower), None)

    async def body(self) -> bytes:
        if self._refused is not None:
            raise self._refused
        return self._text

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if self._has_begun:
            self.break_off()
        else:
            self._last = error_frame(status, headers, body, self._stream_id)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        del status
        self._has_begun = True
        self._about = {
            name: value for name, value in headers.items() if name.lower().startswith(_OURS)
        }
        if self.gone:
            raise ClientGone

    async def write(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if self.gone:
                raise ClientGone
            if self._about:
                frame, self._about = with_headers(frame, self._about), {}
            if is_last(type_of(frame)):
                self.last_event = frame
            await self._send(frame)

    async def finish(self) -> None:
        """Send what was answered in one piece. Raises ClientGone."""
        if self._last is not None and not self.gone:
            await self._send(self._last)

    def break_off(self) -> None:
        self.is_broken = True

    def when_gone(self, react: Callable[[], None]) -> None:
        self._react = react
        if self.gone:
            react()

    def hang_up(self) -> None:
        """The caller is gone: told by the session, once."""
        if not self.gone:
            self.gone = True
            if self._react is not None:
                self._react()


def _is_of_the_socket(name: str) -> bool:
    lower = name.lower()
    return lower in _OF_THE_SOCKET or lower.startswith(_HANDSHAKE)
