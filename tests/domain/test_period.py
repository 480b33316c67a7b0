"""The windows of a budget, wherever clocks are set, skipped and repeated."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.period import FOR_EVER, Period, Step, Window, iso, parse_period, window_at
from tests.domain.zones import changes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CALENDAR = (Step.YEAR, Step.MONTH, Step.WEEK, Step.DAY, Step.HOUR)


def ms(text: str) -> int:
    """`2026-03-29T01:00Z` in milliseconds since the epoch."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def window(step: Step, zone: str, at: str) -> tuple[str, str]:
    found = window_at(Period(step, zone), ms(at))
    assert found.end_ms is not None
    return iso(found.start_ms), iso(found.end_ms)


# Days on which clocks are set


@pytest.mark.parametrize(
    ("zone", "at", "start", "end"),
    [
        # 23 hours, 25 hours, and the days beside them.
        ("Europe/Berlin", "2026-03-28T12:00Z", "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z"),
        ("Europe/Berlin", "2026-03-29T00:59Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-03-29T01:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-10-25T00:59Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("Europe/Berlin", "2026-10-25T22:59Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("Europe/Berlin", "2026-10-25T23:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"),
        ("America/New_York", "2026-03-08T12:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01T12:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        # Half an hour.
        (
            *("Australia/Lord_Howe", "2026-04-04T20:00Z"),
            *("2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"),
        ),
        (
            *("Australia/Lord_Howe", "2026-10-03T20:00Z"),
            *("2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"),
        ),
        # A day that never was: the 30th of December 2011.
        ("Pacific/Apia", "2011-12-30T09:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        # No midnight: clocks go from it to one o'clock.
        ("America/Sao_Paulo", "2018-11-04T02:59Z", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-11-04T03:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
        ("Asia/Beirut", "2026-03-28T22:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
        # Midnight twice: clocks go from one o'clock back to it.
        ("America/Havana", "2026-11-01T03:59Z", "2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z"),
        ("America/Havana", "2026-11-01T05:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        # The last hour of a day twice: clocks go from midnight back to eleven.
        ("America/Sao_Paulo", "2018-02-18T02:30Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"),
    ],
)
def test_a_day_lasts_from_its_first_moment_to_that_of_the_next(
    zone: str, at: str, start: str, end: str
) -> None:
    assert window(Step.DAY, zone, at) == (start, end)


@pytest.mark.parametrize(
    ("zone", "at", "start", "end"),
    [
        ("Europe/Berlin", "2026-03-29T00:30Z", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-03-29T01:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
        # The hour that comes twice is two windows.
        ("Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25T01:30Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),
        ("Asia/Kolkata", "2026-11-21T12:00Z", "2026-11-21T11:30:00Z", "2026-11-21T12:30:00Z"),
        # A day of 24 and a half hours ends with half a one.
        (
            *("Australia/Lord_Howe", "2026-04-05T13:10Z"),
            *("2026-04-05T13:00:00Z", "2026-04-05T13:30:00Z"),
        ),
    ],
)
def test_hours_count_from_the_start_of_the_local_day(
    zone: str, at: str, start: str, end: str
) -> None:
    assert window(Step.HOUR, zone, at) == (start, end)


@pytest.mark.parametrize(
    ("step", "zone", "start", "end"),
    [
        (Step.WEEK, "UTC", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        (Step.WEEK, "Asia/Tokyo", "2026-11-15T15:00:00Z", "2026-11-22T15:00:00Z"),
        (Step.MONTH, "UTC", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        (Step.MONTH, "America/New_York", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
        (Step.YEAR, "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        (Step.YEAR, "Europe/Berlin", "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"),
    ],
)
def test_weeks_start_on_monday_and_months_and_years_on_their_first(
    step: Step, zone: str, start: str, end: str
) -> None:
    assert window(step, zone, "2026-11-21T12:00Z") == (start, end)


def test_february_ends_when_it_ends() -> None:
    assert window(Step.MONTH, "UTC", "2028-02-29T23:59Z")[1] == "2028-03-01T00:00:00Z"
    assert window(Step.MONTH, "UTC", "2026-02-28T23:59Z")[1] == "2026-03-01T00:00:00Z"
    assert window(Step.YEAR, "UTC", "2028-12-31T23:59Z")[1] == "2029-01-01T00:00:00Z"


def local_day(zone: ZoneInfo, at_ms: int) -> int:
    return (EPOCH + at_ms * timedelta(milliseconds=1)).astimezone(zone).toordinal()


def check_around(step: Step, zone: str, at_ms: int) -> None:
    """The window of a moment meets its neighbours, and begins with its first day there."""
    period = Period(step, zone)
    found = window_at(period, at_ms)
    assert found.end_ms is not None
    assert found.contains(at_ms)
    assert found == window_at(period, found.start_ms) == window_at(period, found.end_ms - 1)
    assert window_at(period, found.end_ms).start_ms == found.end_ms
    assert window_at(period, found.start_ms - 1).end_ms == found.start_ms
    if step is not Step.HOUR:
        place = ZoneInfo(zone)
        assert local_day(place, found.start_ms - 1) < local_day(place, found.start_ms)


def check_changes(first: int, every: int) -> None:
    moments = [(zone, at_ms) for zone, all_ms in changes() for at_ms in all_ms]
    assert len(moments) > 5_000, "the tz database is there"
    for zone, at_ms in moments[first::every]:
        for step in CALENDAR:
            check_around(step, zone, at_ms - 1)
            check_around(step, zone, at_ms)


def test_windows_leave_no_gap_where_clocks_change() -> None:
    check_changes(0, every=19)


def test_windows_leave_no_gap_where_clocks_skip_midnight_from_before_it() -> None:
    """Toronto's went from half past eleven to half past twelve: the old day ends at twelve."""
    skipped_ms = ms("1919-03-31T04:30Z")
    for at_ms in (skipped_ms - 1, skipped_ms):
        check_around(Step.DAY, "America/Toronto", at_ms)
    assert window(Step.DAY, "America/Toronto", "1919-03-31T04:59Z")[1] == "1919-03-31T05:00:00Z"


@pytest.mark.soak
@pytest.mark.parametrize("first", range(10))
def test_windows_leave_no_gap_wherever_clocks_ever_changed(first: int) -> None:
    check_changes(first, every=10)


@given(
    step=st.sampled_from(CALENDAR),
    zone=st.sampled_from([zone for zone, _ in changes()]),
    at_ms=st.integers(ms("1971-01-01T00:00Z"), ms("2099-01-01T00:00Z")),
)
def test_every_moment_is_in_one_window(step: Step, zone: str, at_ms: int) -> None:
    check_around(step, zone, at_ms)


@given(
    step=st.sampled_from(CALENDAR),
    zone=st.sampled_from([zone for zone, _ in changes()]),
    at_ms=st.integers(ms("1971-01-01T00:00Z"), ms("2099-01-01T00:00Z")),
)
def test_no_window_is_longer_than_its_period_says(step: Step, zone: str, at_ms: int) -> None:
    """But for the hour or so by which clocks are set back in it."""
    period = Period(step, zone)
    found = window_at(period, at_ms)
    assert found.end_ms is not None
    assert period.length_ms is not None
    assert 0 < found.end_ms - found.start_ms <= period.length_ms + 24 * 3_600_000


@pytest.mark.parametrize("period", [Period.LIFETIME, Period(Step.ROLLING, rolling_ms=1_000)])
@pytest.mark.parametrize("at_ms", [0, ms("2026-11-21T12:00Z")])
def test_some_windows_never_end(period: Period, at_ms: int) -> None:
    assert window_at(period, at_ms) == FOR_EVER == Window(0, None)
    assert FOR_EVER.contains(at_ms)


# Rolling


@pytest.mark.parametrize(
    ("rolling_ms", "bucket_ms"), [(3_600_000, 60_000), (1, 1), (60, 1), (61, 2), (90_001, 1_501)]
)
def test_a_rolling_window_is_the_sum_of_sixty_buckets(rolling_ms: int, bucket_ms: int) -> None:
    assert Period(Step.ROLLING, rolling_ms=rolling_ms).bucket_ms == bucket_ms


def test_a_bucket_counts_until_all_of_it_is_outside() -> None:
    hour = Period(Step.ROLLING, rolling_ms=3_600_000)
    spent_at_ms = ms("2026-11-21T12:00:07Z")
    bucket = spent_at_ms // hour.bucket_ms
    gone_at_ms = ms("2026-11-21T13:01:00Z")
    assert hour.oldest_bucket(gone_at_ms - 1) == bucket
    assert hour.oldest_bucket(gone_at_ms) == bucket + 1


@given(rolling_ms=st.integers(60, 10**9), spent_at_ms=st.integers(0, 10**12), data=st.data())
def test_what_was_spent_counts_for_its_time_and_at_most_a_bucket_longer(
    rolling_ms: int, spent_at_ms: int, data: st.DataObject
) -> None:
    period = Period(Step.ROLLING, rolling_ms=rolling_ms)
    bucket = spent_at_ms // period.bucket_ms
    inside_ms = data.draw(st.integers(0, rolling_ms), label="still inside")
    assert bucket >= period.oldest_bucket(spent_at_ms + inside_ms)
    outside_ms = rolling_ms + period.bucket_ms
    assert bucket < period.oldest_bucket(spent_at_ms + outside_ms)


@given(rolling_ms=st.integers(1, 10**9), at_ms=st.integers(10**9, 10**12))
def test_no_more_buckets_count_than_sixty_and_the_one_that_leaves(
    rolling_ms: int, at_ms: int
) -> None:
    period = Period(Step.ROLLING, rolling_ms=rolling_ms)
    assert 1 <= at_ms // period.bucket_ms - period.oldest_bucket(at_ms) <= 60


# Texts and order


@pytest.mark.parametrize(
    ("period", "text"),
    [
        (Period.LIFETIME, "lifetime"),
        (Period.DAY, "day"),
        (Period(Step.DAY, "Europe/Berlin"), "day@Europe/Berlin"),
        (Period(Step.MONTH, "America/Argentina/Buenos_Aires"), None),
        (Period(Step.HOUR, "Etc/GMT+5"), "hour@Etc/GMT+5"),
        (Period(Step.ROLLING, rolling_ms=86_400_000), "rolling:86400000"),
    ],
)
def test_a_period_is_read_as_it_was_written(period: Period, text: str | None) -> None:
    assert text in (None, str(period))
    assert parse_period(str(period)) == period


@pytest.mark.parametrize(
    "text", ["", "decade", "rolling", "rolling:", "rolling:soon", "day:5", "day@", "day@UTC"]
)
def test_what_is_no_period_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are whoever's finds it first
        parse_period(text)


def test_the_longest_period_comes_first() -> None:
    rolling_day = Period(Step.ROLLING, rolling_ms=86_400_000)
    rolling_second = Period(Step.ROLLING, rolling_ms=1_000)
    in_order = [
        *(Period.LIFETIME, Period.YEAR, Period.MONTH, Period.WEEK),
        *(Period.DAY, Period(Step.DAY, "Europe/Berlin"), rolling_day),
        *(Period.HOUR, rolling_second),
    ]
    assert sorted(reversed(in_order), key=lambda period: period.order) == in_order
    assert all(a.order != b.order for a, b in pairwise(in_order)), "no two are the same"
