"""The windows of a budget. A window is a row: nothing is ever reset.

Times are milliseconds since the epoch, UTC, on the ledger's clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

_MS = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(StrEnum):
    """How long the allocation of a budget lasts."""

    LIFETIME = "lifetime"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Window:
    """`start_ms` is inside, `end_ms` is not; a lifetime window has no end."""

    start_ms: int
    end_ms: int | None

    def contains(self, at_ms: int) -> bool:
        """Whether the moment is inside."""
        return self.start_ms <= at_ms and (self.end_ms is None or at_ms < self.end_ms)


def window_at(period: Period, at_ms: int) -> Window:
    """The calendar window (UTC) that the moment falls into."""
    if period is Period.LIFETIME:
        return Window(0, None)
    moment = _EPOCH + at_ms * _MS
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        end = start + timedelta(days=1)
    else:
        start = start.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    return Window((start - _EPOCH) // _MS, (end - _EPOCH) // _MS)


def iso(at_ms: int) -> str:
    """The moment as people write it: `2026-12-01T00:00:00Z`."""
    return _iso(at_ms // 1000)


@lru_cache(maxsize=64)
def _iso(at_s: int) -> str:
    # Every call of a second writes the same one into its log line.
    return (_EPOCH + timedelta(seconds=at_s)).isoformat().replace("+00:00", "Z")
