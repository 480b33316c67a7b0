"""The keys that this process knows, each with its first call or what that was answered."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.gateway.respond import Answer

OF_A_PLACE: Final = 512
"""Bytes that a key costs without an answer, about."""


@dataclass(frozen=True, slots=True)
class DedupeRules:
    """For how long answers are kept after their calls, and how much memory they may take."""

    window_ms: int
    max_bytes: int


@dataclass(eq=False, slots=True)
class Place:
    """One key. `answer` None: its call runs, or ended and cost nothing and may be made again.

    `attempt` counts the holds that were made for it and given back.
    """

    fingerprint: str
    nonce: str
    attempt: int = 1
    is_running: bool = True
    answer: Answer | None = field(default=None, repr=False)
    waiting: set[asyncio.Event] = field(default_factory=set)
    end_of_window: asyncio.TimerHandle | None = None

    @property
    def is_unused(self) -> bool:
        """Whether nothing was held for it yet: its call was refused, and may become another."""
        return not self.is_running and self.answer is None and self.attempt == 1

    @property
    def size_bytes(self) -> int:
        answer = self.answer
        return OF_A_PLACE + (0 if answer is None else size_bytes_of(answer.headers, answer.body))


class Places:
    """The keys of a process, oldest end first. They outlive a reload."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._places)

    def find(self, name: str) -> Place | None:
        """The place of a key."""
        return self._places.get(name)

    def begin(self, name: str, place: Place) -> None:
        """Its call begins."""
        self.drop(name)
        place.is_running = True
        place.answer = None
        self._places[name] = place

    def keep(self, name: str, place: Place, rules: DedupeRules) -> None:
        """Its call has ended. The oldest go where there is no room for this one."""
        self._places.pop(name, None)
        self._places[name] = place
        self._size_bytes += place.size_bytes
        loop = asyncio.get_running_loop()
        place.end_of_window = loop.call_later(rules.window_ms / 1000, self.drop, name)
        while self._size_bytes > rules.max_bytes:
            self.drop(next(each for each in self._places if not self._places[each].is_running))

    def drop(self, name: str) -> None:
        """Forget a key; from now on the ledger alone knows of it."""
        place = self._places.pop(name, None)
        if place is not None and place.end_of_window is not None:
            place.end_of_window.cancel()
            place.end_of_window = None
            self._size_bytes -= place.size_bytes


def size_bytes_of(headers: Mapping[str, str], body: bytes) -> int:
    """What an answer takes in memory, about."""
    return len(body) + sum(len(name) + len(value) for name, value in headers.items())
