"""The windows of a budget. A window is a row: nothing is ever reset.

Times are milliseconds since the epoch, on the ledger's clock. A calendar is read in the
budget's time zone (IANA names); its windows leave no gap and never overlap, whatever a
zone does to its clocks.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

import msgspec

_MS: Final = timedelta(milliseconds=1)
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_MS: Final = 3_600_000
_BUCKETS: Final = 60


class Step(StrEnum):
    """After what time a budget has a new window."""

    LIFETIME = "lifetime"
    YEAR = "year"
    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    HOUR = "hour"
    ROLLING = "rolling"


_LENGTHS_MS: Final = {
    Step.YEAR: 366 * 24 * _HOUR_MS,
    Step.MONTH: 31 * 24 * _HOUR_MS,
    Step.WEEK: 7 * 24 * _HOUR_MS,
    Step.DAY: 24 * _HOUR_MS,
    Step.HOUR: _HOUR_MS,
}


class Period(msgspec.Struct, frozen=True):
    """How long the allocation of a budget lasts.

    `rolling_ms` is set for ROLLING alone: what was spent counts for that long.
    """

    LIFETIME: ClassVar["Period"]
    YEAR: ClassVar["Period"]
    MONTH: ClassVar["Period"]
    WEEK: ClassVar["Period"]
    DAY: ClassVar["Period"]
    HOUR: ClassVar["Period"]

    step: Step
    timezone: str = "UTC"
    rolling_ms: int = 0

    def __str__(self) -> str:
        """As ledgers keep it: `day`, `day@Europe/Berlin`, `rolling:86400000`."""
        if self.step is Step.ROLLING:
            return f"{self.step}:{self.rolling_ms}"
        return self.step if self.timezone == "UTC" else f"{self.step}@{self.timezone}"

    @property
    def length_ms(self) -> int | None:
        """The longest that a window lasts; None for ever."""
        return self.rolling_ms or _LENGTHS_MS.get(self.step)

    @property
    def order(self) -> tuple[int, str]:
        """Sorts the budgets of a scope: the longest is checked first."""
        length_ms = self.length_ms
        return (-length_ms if length_ms is not None else -(10**18), str(self))

    @property
    def bucket_ms(self) -> int:
        """How long one of the buckets is that a rolling window is the sum of."""
        return -(-self.rolling_ms // _BUCKETS)

    def oldest_bucket(self, at_ms: int) -> int:
        """The number of the oldest bucket that still counts: a part of it is inside.

        A bucket's number is its start divided by `bucket_ms`.
        """
        return (at_ms - self.rolling_ms) // self.bucket_ms


Period.LIFETIME = Period(Step.LIFETIME)
Period.YEAR = Period(Step.YEAR)
Period.MONTH = Period(Step.MONTH)
Period.WEEK = Period(Step.WEEK)
Period.DAY = Period(Step.DAY)
Period.HOUR = Period(Step.HOUR)


@lru_cache(maxsize=1024)
def parse_period(text: str) -> Period:
    """Read what `str` of a period wrote.

    Raises:
        ValueError: nothing wrote that.
    """
    step, _, rolling_ms = text.partition(":")
    if rolling_ms:
        period = Period(Step(step), rolling_ms=int(rolling_ms))
    else:
        step, _, timezone = text.partition("@")
        period = Period(Step(step), timezone or "UTC")
    if str(period) != text:
        raise ValueError(f"{text!r} is no period")
    return period


@dataclass(frozen=True, slots=True)
class Window:
    """`start_ms` is inside, `end_ms` is not; a window that never ends has none."""

    start_ms: int
    end_ms: int | None

    def contains(self, at_ms: int) -> bool:
        """Whether the moment is inside."""
        return self.start_ms <= at_ms and (self.end_ms is None or at_ms < self.end_ms)


FOR_EVER: Final = Window(0, None)


def window_at(period: Period, at_ms: int) -> Window:
    """The window that the moment falls into. A rolling one is always the same."""
    if period.step in (Step.LIFETIME, Step.ROLLING):
        return FOR_EVER
    zone = ZoneInfo(period.timezone)
    if period.step is Step.HOUR:
        return _hour_at(_calendar_window(Step.DAY, zone, at_ms), at_ms)
    return _calendar_window(period.step, zone, at_ms)


def _hour_at(day: Window, at_ms: int) -> Window:
    """Hours count from the start of the local day, and the last one ends with it."""
    assert day.end_ms is not None, "a day ends"
    start_ms = at_ms - (at_ms - day.start_ms) % _HOUR_MS
    return Window(start_ms, min(start_ms + _HOUR_MS, day.end_ms))


def _calendar_window(step: Step, zone: ZoneInfo, at_ms: int) -> Window:
    first = _first_day(step, (_EPOCH + at_ms * _MS).astimezone(zone).date())
    window = _from_day(step, zone, first)
    # Clocks set back over midnight show the old date once more in a window that has begun.
    if window.end_ms is not None and at_ms >= window.end_ms:
        return _from_day(step, zone, _next_first(step, first))
    # And those set forward from before it show the new date in one that has not ended.
    if at_ms < window.start_ms:
        return _from_day(step, zone, _first_day(step, first - _DAY))
    return window


def _from_day(step: Step, zone: ZoneInfo, first: date) -> Window:
    return Window(_midnight_ms(zone, first), _midnight_ms(zone, _next_first(step, first)))


def _first_day(step: Step, day: date) -> date:
    """The first day of the calendar's window that the day is in; weeks start on Monday."""
    match step:
        case Step.YEAR:
            return day.replace(month=1, day=1)
        case Step.MONTH:
            return day.replace(day=1)
        case Step.WEEK:
            return day - day.weekday() * _DAY
        case _:
            return day


def _next_first(step: Step, first: date) -> date:
    return _first_day(step, first + timedelta(milliseconds=_LENGTHS_MS[step]))


def _midnight_ms(zone: ZoneInfo, day: date) -> int:
    """The first moment of the day there. A midnight that clocks skip is when it would have been."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (midnight.astimezone(UTC) - _EPOCH) // _MS


def iso(at_ms: int) -> str:
    """The moment as people write it: `2026-12-01T00:00:00Z`."""
    return _iso(at_ms // 1000)


@lru_cache(maxsize=64)
def _iso(at_s: int) -> str:
    # Every call of a second writes the same one into its log line.
    return (_EPOCH + timedelta(seconds=at_s)).isoformat().replace("+00:00", "Z")
