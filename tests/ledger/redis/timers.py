"""Time that only a test moves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


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
