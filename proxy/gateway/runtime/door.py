"""A call at the door, as the steps see it: its head, its body when asked for, its answer.

`server.py` makes doors of sockets; tests make them of lists.
"""

from collections.abc import Callable, Mapping
from typing import Protocol


class ClientGone(Exception):
    """The caller hung up before the end of its answer."""


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
