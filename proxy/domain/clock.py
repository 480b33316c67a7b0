"""Time is an argument. Rules take `now_ms`; the rooms with input and output take a Clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch. May step in either direction."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds for measuring durations. Never steps back."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ns(self) -> int:
        return time.perf_counter_ns()
