"""Remembers what is answered to a call, on its way out."""

from collections.abc import Callable, Mapping
from typing import Final

from proxy.gateway.dedupe.places import OF_A_PLACE, size_bytes_of
from proxy.gateway.respond import Answer
from proxy.gateway.runtime.door import Door

_OF_THEN: Final = ("x-ratelimit-", "anthropic-ratelimit-", "retry-after", "x-budget-remaining-usd")
"""Beginnings of headers about how things stood when the call was made."""


class Recording:
    """A door that remembers what was answered through it. The upstream hears of no compression."""

    def __init__(self, door: Door, body: bytes, max_bytes: int) -> None:
        self._door = door
        self._body = body
        self._max_bytes = max_bytes
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_whole = False
        self.method = door.method
        self.path = door.path
        self.query = door.query
        self.headers = tuple(
            [pair for pair in door.headers if pair[0].lower() != "accept-encoding"]
        )

    @property
    def gone(self) -> bool:
        return self._door.gone

    def header(self, name: str) -> str | None:
        return None if name.lower() == "accept-encoding" else self._door.header(name)

    async def body(self) -> bytes:
        return self._body

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._begin(status, headers)
        self._add(body)
        self._is_whole = True
        self._door.answer(status, headers, body)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        self._begin(status, headers)
        await self._door.start(status, headers)

    async def write(self, data: bytes) -> None:
        self._add(data)
        await self._door.write(data)

    def break_off(self) -> None:
        self._status = 0
        self._door.break_off()

    def when_gone(self, react: Callable[[], None]) -> None:
        self._door.when_gone(react)

    def whole(self) -> Answer | None:
        """All that was answered; None where it was cut, too long, or never heard to its end."""
        heard = self._is_whole or not self._door.gone
        if not self._status or not heard or self._size_bytes > self._max_bytes:
            return None
        return Answer(self._status, self._headers, b"".join(self._pieces))

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._status = status
        self._headers = {
            name: value for name, value in headers.items() if not name.lower().startswith(_OF_THEN)
        }
        self._size_bytes = OF_A_PLACE + size_bytes_of(self._headers, b"")

    def _add(self, data: bytes) -> None:
        self._size_bytes += len(data)
        if self._size_bytes > self._max_bytes:
            self._pieces.clear()
        else:
            self._pieces.append(data)
