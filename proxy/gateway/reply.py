"""The caller's side of a call: where the answer goes, and whether anyone still listens."""

from collections.abc import Callable, Mapping
from typing import Protocol


class ClientGone(Exception):
    """The caller hung up before the end of its answer."""


class Reply(Protocol):
    """One answer on its way to the caller."""

    def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer in one piece, when the call is done."""
        ...

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin an answer whose bytes follow. Raises ClientGone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes on, waiting while the caller is slow. Raises ClientGone."""
        ...

    def break_off(self) -> None:
        """Close the connection, so that a half answer does not look whole."""
        ...

    def when_gone(self, react: Callable[[], None]) -> None:
        """Call `react` once when the caller hangs up, at once if it has already."""
        ...
