"""Time that only a test moves."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

PAUSE_MS: Final = 100
"""What waits no longer than this is a pause; what waits longer is a deadline."""


@dataclass(eq=False)
class ManualAlarm:
    """One call that is due."""

    at_ms: int
    number: int
    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class ManualTimers:
    """A clock that stands still until it is told to move."""

    at_ms: int = 5_000
    alarms: list[ManualAlarm] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count()

    def now_ms(self) -> int:
        return self.at_ms

    def call_at(self, at_ms: int, callback: Callable[[], object]) -> ManualAlarm:
        alarm = ManualAlarm(at_ms, next(self._numbers), callback)
        self.alarms.append(alarm)
        return alarm

    def advance(self, by_ms: int) -> None:
        """Move on, and make all calls that fall due, each at its own time."""
        end_ms = self.at_ms + by_ms
        while due := [alarm for alarm in self.waiting if alarm.at_ms <= end_ms]:
            alarm = min(due, key=lambda alarm: (alarm.at_ms, alarm.number))
            alarm.cancel()
            self.at_ms = max(self.at_ms, alarm.at_ms)
            alarm.callback()
        self.at_ms = end_ms

    @property
    def waiting(self) -> list[ManualAlarm]:
        """What is still due."""
        self.alarms = [alarm for alarm in self.alarms if not alarm.is_cancelled]
        return self.alarms

    async def next_pause(self) -> int:
        """Let the loop turn until somebody pauses; for how long."""
        while True:
            soonest_ms = min((alarm.at_ms for alarm in self.waiting), default=None)
            if soonest_ms is not None and soonest_ms - self.at_ms <= PAUSE_MS:
                return soonest_ms - self.at_ms
            await asyncio.sleep(0)

    async def skipping_pauses(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run this, with time that moves whenever somebody pauses."""

        async def skip() -> None:
            while True:
                self.advance(await self.next_pause())

        loop = asyncio.get_running_loop()
        skipper = loop.create_task(skip())
        try:
            return await work
        finally:
            skipper.cancel()
