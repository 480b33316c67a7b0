"""What may be sent again, and after which pause."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.gateway.attempts.retries import RetryRules, may_repeat, pause_ms
from proxy.gateway.ending import Ending, Outcome

NOW_MS = 1_795_348_800_000  # Sun, 22 Nov 2026 12:00:00 GMT
PATIENT = RetryRules(max_attempts=9, backoff_ms=500, max_wait_ms=10_000)


@pytest.mark.parametrize(
    ("ending", "may"),
    [
        (Ending(Outcome.NOT_SENT), True),
        (Ending(Outcome.NO_STATUS), False),
        (Ending(Outcome.FAILED, 500), True),
        (Ending(Outcome.FAILED, 501), False),
        (Ending(Outcome.FAILED, 503), True),
        (Ending(Outcome.FAILED, 529), True),
        (Ending(Outcome.REFUSED, 429), True),
        (Ending(Outcome.REFUSED, 302), False),
        (Ending(Outcome.REFUSED, 400), False),
        (Ending(Outcome.REFUSED, 401), False),
        (Ending(Outcome.REFUSED, 408), False),
        (Ending(Outcome.BROKEN, 503), False),
        (Ending(Outcome.BROKEN, 200, streamed=True), False),
        (Ending(Outcome.COMPLETE, 200), False),
        (Ending(Outcome.COMPLETE, 200, streamed=True), False),
    ],
)
def test_only_what_failed_as_a_whole_is_sent_again(ending: Ending, may: bool) -> None:
    assert may_repeat(ending, RetryRules(), has_key=False) is may
    assert may_repeat(ending, RetryRules(), has_key=True) is may


@pytest.mark.parametrize(("has_key", "may"), [(False, True), (True, False)])
def test_what_may_have_been_billed_is_sent_again_by_choice_and_never_under_a_key(
    has_key: bool, may: bool
) -> None:
    rules = RetryRules(after_no_status=True)

    assert may_repeat(Ending(Outcome.NO_STATUS), rules, has_key=has_key) is may
    assert not may_repeat(Ending(Outcome.BROKEN, 503), rules, has_key=has_key)


def pause(headers: Mapping[str, str], *, made: int = 1, jitter: float = 0.0) -> int | None:
    return pause_ms(CIMultiDict(headers), PATIENT, made=made, now_ms=NOW_MS, jitter=jitter)


@pytest.mark.parametrize(
    ("made", "jitter", "expected_ms"),
    [
        (1, 0.0, 500),
        (1, 1.0, 250),
        (2, 0.0, 1_000),
        (3, 0.5, 1_500),
        (5, 0.0, 8_000),
        (6, 0, 10_000),
    ],
)
def test_the_pause_doubles_up_to_the_longest_and_is_shortened_at_random(
    made: int, jitter: float, expected_ms: int
) -> None:
    assert pause({}, made=made, jitter=jitter) == expected_ms


@pytest.mark.parametrize(
    ("headers", "expected_ms"),
    [
        ({"Retry-After": "2"}, 2_000),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "1.25"}, 1_250),
        ({"Retry-After": "10"}, 10_000),
        ({"retry-after-ms": "420"}, 420),
        ({"retry-after-ms": "420.2"}, 421),
        ({"retry-after-ms": "30", "Retry-After": "9"}, 30),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9_000),
        ({"Retry-After": "Sun, 22 Nov 2026 12:00:07 GMT"}, 7_000),
        ({"Retry-After": "Sun, 22 Nov 2026 11:59:00 GMT"}, 0),
        ({"X-Should-Retry": "true", "Retry-After": "3"}, 3_000),
    ],
)
def test_the_word_of_the_upstream_goes_before_ours(
    headers: dict[str, str], expected_ms: int
) -> None:
    assert pause(headers, made=4, jitter=0.7) == expected_ms


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "10.001"},
        {"Retry-After": "86400"},
        {"Retry-After": "9" * 400},
        {"retry-after-ms": "10001"},
        {"Retry-After": "Sun, 22 Nov 2026 12:00:11 GMT"},
        {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"},
        {"X-Should-Retry": "false"},
        {"X-Should-Retry": " False ", "Retry-After": "1"},
    ],
)
def test_who_wants_to_be_left_alone_for_longer_is_not_asked_again(headers: dict[str, str]) -> None:
    assert pause(headers) is None


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "1e3", "0x10", "1.2.3", ".", "inf", "nan", "٣", "1 2", "Mon, 99"]
)
def test_what_cannot_be_read_is_no_word(text: str) -> None:
    assert pause({"Retry-After": text}) == 500


@given(
    text=st.text(max_size=40),
    made=st.integers(1, 12),
    jitter=st.floats(0, 1),
    backoff_ms=st.integers(1, 600_000),
    max_wait_ms=st.integers(1, 600_000),
)
def test_no_pause_is_longer_than_the_longest_whatever_an_upstream_says(
    text: str, made: int, jitter: float, backoff_ms: int, max_wait_ms: int
) -> None:
    rules = RetryRules(backoff_ms=backoff_ms, max_wait_ms=max_wait_ms)
    for name in ("Retry-After", "retry-after-ms", "x-should-retry"):
        waits = pause_ms(CIMultiDict({name: text}), rules, made=made, now_ms=NOW_MS, jitter=jitter)
        assert waits is None or 0 <= waits <= max_wait_ms
