"""A call at the door, as the steps see it: its head, its body when asked for, its answer.

`server.py` makes doors of sockets; tests make them of lists.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable


class ClientGone(Exception):
    """The caller hung up before the end of its answer."""


class Incoming(Protocol):
    """A body, or what is still to come of one: read once, in pieces as they come."""

    @property
    def length_bytes(self) -> int | None:
        """How much it is, where its caller has said so."""
        ...

    @property
    def max_bytes(self) -> int:
        """The most that it can be."""
        ...

    async def read(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            Refused: as `Door.body`, when a piece breaks off, is late, or is too much.
        """
        ...


class Door(Protocol):
    """One request and its answer on the way back."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    """As they came: names in any case, repeated ones repeated."""

    @property
    def gone(self) -> bool:
        """Whether the caller has hung up."""
        ...

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        ...

    async def body(self) -> bytes:
        """The whole body, within its limits.

        Raises:
            Refused: REQUEST_TOO_LARGE, REQUEST_TIMEOUT, INVALID_REQUEST (a body that
                broke off, or is compressed).
        """
        ...

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer in one piece, when the call is done."""
        ...

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin an answer whose bytes follow. Raises ClientGone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes on, waiting while the caller is slow. Raises ClientGone."""
        ...

    def break_off(self) -> None:
        """Close the connection, so that half an answer does not look whole."""
        ...

    def when_gone(self, react: Callable[[], None]) -> None:
        """Call `react` once when the caller hangs up, at once if it has already."""
        ...


@runtime_checkable
class UploadDoor(Protocol):
    """A door that can give a body in pieces, in place of `body`."""

    @property
    def incoming(self) -> Incoming:
        """The body, as it comes."""
        ...


class KeptBody:
    """An `Incoming` that has come already."""

    def __init__(self, body: bytes) -> None:
        self.length_bytes = self.max_bytes = len(body)
        self._body = body

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body


async def incoming_of(door: Door) -> Incoming:
    """The body of a call in pieces, whatever its door can do."""
    return door.incoming if isinstance(door, UploadDoor) else KeptBody(await door.body())
