"""A stream goes on as far as its hold covers it, and the hold grows beside it."""

import json
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest

from proxy.dialects.stream import MAX_RAW_BYTES
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of
from proxy.domain.errors import (
    LedgerUnavailable,
    Reason,
    Refused,
    ReservationFinalized,
)
from proxy.gateway.ending import Ending, Outcome
from proxy.gateway.metered import Disconnects
from tests.dialects.examples import chunk, events
from tests.gateway.stream.rig import (
    END,
    HELD,
    LIMIT,
    LOOKAHEAD,
    TEXT,
    TOKENS,
    Course,
    Room,
    Upstream,
    flowing,
    refusal,
    token,
)

LATE_MS = 5
"""What a stream may be late by where nothing holds it up: none waits for the ledger."""


def lateness_ms(course: Course, *, every_ms: int) -> int:
    """By how much the piece that was latest came after it could have."""
    arrivals = enumerate(course.door.heard, start=1)
    return max(at_ms - number * every_ms for number, (at_ms, _) in arrivals)


def last_reasons(text: bytes) -> list[Any]:
    """Why the choices ended, as the caller heard."""
    chunks = [json.loads(data_of(event)) for event in text.split(b"\n\n") if b"{" in event]
    return [
        choice["finish_reason"]
        for each in chunks
        for choice in each["choices"]
        if choice.get("finish_reason")
    ]


def test_a_stream_within_its_hold_is_neither_counted_nor_asked_for() -> None:
    course = Course(flowing(20, every_ms=10))

    assert course.run().ending.outcome is Outcome.COMPLETE
    assert course.counts.counted_at_ms == []
    assert course.room.asked == []


def test_a_long_stream_flows_while_its_hold_grows() -> None:
    course = Course(flowing(5_000, every_ms=10), Room(answers_after_ms=80))

    metered = course.run()

    assert metered.ending.outcome is Outcome.COMPLETE
    assert course.door.tokens == 5_000
    assert lateness_ms(course, every_ms=10) <= LATE_MS
    assert [by[TOKENS] for _, _, by in course.room.asked] == [200, 400, 800, 1_600, 3_200]
    assert course.hold is not None
    assert course.hold.amounts == course.room.held
    assert course.metrics.holds_grown._value.get() == 5


def test_per_chunk_nothing_is_counted_decoded_or_asked() -> None:
    decoded: list[bytes] = []
    decodes_by_piece: list[int] = []

    def counting(text: bytes) -> object:
        decoded.append(text)
        return read_leniently(text)

    course = Course(flowing(5_000, every_ms=10))
    heard = course.door.write

    async def write(data: bytes) -> None:
        decodes_by_piece.append(len(decoded))
        await heard(data)

    with patch("proxy.dialects.chat.events.read_leniently", counting):
        course.door.write = write  # type: ignore[method-assign]
        course.run()

    counts = len(course.counts.counted_at_ms)
    assert counts < 80
    assert len(course.room.asked) <= 6
    # Beside that, what is kept unread is read from time to time, for it to be bounded.
    batches = 5_000 * len(token()) // MAX_RAW_BYTES
    assert sum(b > a for a, b in pairwise(decodes_by_piece)) <= counts + batches + 1
    assert len(decoded) <= 5_002


def test_what_the_hold_does_not_cover_waits_for_the_ledger() -> None:
    burst = token() * HELD
    course = Course(Upstream([(0, token()), (10, burst), (10, END)]), Room(answers_after_ms=300))

    course.run()

    times = [at_ms for at_ms, _ in course.door.heard]
    assert times == [0, 310, 320]
    ((_, _, by),) = course.room.asked
    assert by[TOKENS] >= HELD


def test_the_ledger_is_asked_four_times_a_second_however_fast_the_stream_is() -> None:
    course = Course(Upstream([(1, token() * 100)] * 50 + [(1, END)]))

    metered = course.run()

    assert metered.ending.outcome is Outcome.COMPLETE
    assert course.door.tokens == 5_000
    asked_at_ms = [at_ms for at_ms, _, _ in course.room.asked]
    assert all(b - a >= 250 for a, b in pairwise(asked_at_ms))


@pytest.mark.parametrize("every_ms", [6, 10, 400])
@pytest.mark.parametrize("left_tokens", [0, 40, 700])
def test_a_stream_that_no_budget_has_room_for_ends_within_its_hold(
    every_ms: int, left_tokens: int
) -> None:
    course = Course(flowing(5_000, every_ms=every_ms), Room(left_tokens))

    metered = course.run()

    held_tokens = HELD + (left_tokens - course.room.left_tokens)
    assert course.room.left_tokens < 32
    assert held_tokens - LOOKAHEAD < course.door.tokens <= held_tokens - LOOKAHEAD + 1
    assert metered.ending == Ending(
        Outcome.CUT,
        status=200,
        answer_bytes=metered.ending.answer_bytes,
        streamed=True,
    )
    assert last_reasons(course.door.text) == ["length"]
    assert course.door.text.endswith(b"data: [DONE]\n\n")
    assert not course.door.is_broken_off
    assert course.upstream.aborted_at_ms is not None
    ((event, said),) = course.log.lines
    assert (event, said["reservation_id"]) == ("stream_cut", "rsv_1")
    assert said["output_tokens"] == course.door.tokens
    assert course.metrics.streams_cut._value.get() == 1


def test_the_upstream_is_closed_before_the_caller_hears_of_it() -> None:
    course = Course(flowing(5_000, every_ms=10), Room(0))

    course.run()

    assert course.upstream.aborted_at_ms == course.door.heard[-1][0]


def test_what_has_come_when_a_stream_is_cut_goes_on_and_counts() -> None:
    pieces = [(10, token())] * 150 + [(10, token())] + [(0, token())] * 20
    pieces += [(0, token()[:40]), (50, token()[40:])]
    course = Course(Upstream(pieces), Room(0))

    metered = course.run()

    assert course.door.tokens == 171
    assert metered.answer is not None
    assert metered.answer.delivered_texts() == (TEXT * 171,)


def test_a_stream_whose_end_has_come_is_not_cut() -> None:
    pieces = [(10, token())] * 151 + [(0, token()), (0, END)]
    course = Course(Upstream(pieces), Room(0))

    metered = course.run()

    assert metered.ending.outcome is Outcome.COMPLETE
    assert last_reasons(course.door.text) == ["stop"]
    assert course.log.lines == []


def test_usage_is_told_to_who_asked_for_it() -> None:
    course = Course(flowing(5_000, every_ms=10), Room(0), asks_usage=True)

    course.run()

    usage = json.loads(data_of(course.door.text.split(b"\n\n")[-3]))["usage"]
    assert usage["completion_tokens"] == course.door.tokens


def test_every_answer_of_a_call_counts() -> None:
    both = [
        events([chunk({}, choices=[{"index": index, "delta": {"content": TEXT}}])])
        for index in (0, 1)
    ]
    course = Course(Upstream([(10, both[number % 2]) for number in range(5_000)]), Room(0), n=2)

    course.run()

    assert course.door.tokens == 2 * HELD - LOOKAHEAD + 1
    assert last_reasons(course.door.text) == ["length", "length"]


def test_a_call_without_a_hold_for_less_flows_as_ever() -> None:
    course = Course(flowing(5_000, every_ms=1), Room(0))

    assert course.run(grows=False).ending.outcome is Outcome.COMPLETE
    assert course.counts.counted_at_ms == []


def test_a_hold_for_all_that_may_come_is_not_looked_at_any_more() -> None:
    course = Course(flowing(2 * LIMIT, every_ms=10))

    assert course.run().ending.outcome is Outcome.COMPLETE
    assert course.hold is not None
    assert course.hold.held_tokens == LIMIT
    assert len(course.counts.counted_at_ms) < 120


@pytest.mark.parametrize(
    "failure",
    [
        refusal(Reason.BUDGET_FROZEN),
        Refused(Reason.TENANT_SUSPENDED, "no"),
        ReservationFinalized("EXPIRED"),
    ],
)
def test_a_hold_that_may_not_grow_ends_its_stream_at_its_end(failure: Exception) -> None:
    course = Course(flowing(5_000, every_ms=10), Room(fails=[failure] * 99))

    assert course.run().ending.outcome is Outcome.CUT
    assert course.door.tokens == HELD - LOOKAHEAD + 1
    assert lateness_ms(course, every_ms=10) <= LATE_MS


def test_a_budget_that_is_funded_in_time_ends_nothing() -> None:
    frozen = refusal(Reason.BUDGET_FROZEN)
    course = Course(flowing(1_000, every_ms=10), Room(fails=[frozen]))

    assert course.run().ending.outcome is Outcome.COMPLETE


def test_while_the_ledger_is_away_a_stream_ends_with_its_hold() -> None:
    course = Course(flowing(5_000, every_ms=10), Room(fails=[LedgerUnavailable()] * 99))

    assert course.run().ending.outcome is Outcome.CUT
    assert course.door.tokens == HELD - LOOKAHEAD + 1


def test_where_calls_may_leave_without_a_hold_a_stream_goes_on_without() -> None:
    course = Course(
        flowing(5_000, every_ms=10), Room(fails=[LedgerUnavailable()] * 99), goes_on=True
    )

    assert course.run().ending.outcome is Outcome.COMPLETE
    assert len(course.room.asked) == 1


def test_a_question_without_an_answer_is_asked_again_as_it_was() -> None:
    course = Course(flowing(1_000, every_ms=10), Room(fails=[LedgerUnavailable()]))

    assert course.run().ending.outcome is Outcome.COMPLETE
    (_, first, by), (_, again, by_again), (_, other, _) = course.room.asked[:3]
    assert (first, by) == (again, by_again)
    assert other != first


def test_while_nobody_listens_a_stream_is_read_as_far_as_its_hold_reaches() -> None:
    course = Course(
        flowing(5_000, every_ms=10), Room(0), disconnects=Disconnects("drain", 60_000, None)
    )
    course.door.leaves_after = 3

    metered = course.run()

    assert metered.ending.outcome is Outcome.CUT
    assert metered.answer is not None
    assert metered.answer.delivered_texts() == (TEXT * (HELD - LOOKAHEAD + 1),)
    assert len(course.door.heard) == 3


def test_an_answer_in_one_piece_holds_all_that_it_may_be() -> None:
    body = json.dumps({"model": "gpt-4.1-mini", "choices": [], "usage": {}}).encode()
    course = Course(Upstream([(10, body)], headers={"Content-Type": "application/json"}))

    course.run()

    ((at_ms, _, by),) = course.room.asked
    assert (at_ms, by[TOKENS]) == (0, LIMIT - HELD)


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_holds_nothing_more(status: int) -> None:
    headers = {"Content-Type": "application/json"}
    course = Course(Upstream([(10, b"{}")], status=status, headers=headers))

    course.run()

    assert course.room.asked == []


def test_a_stream_that_breaks_off_is_one_that_broke_off() -> None:
    course = Course(Upstream([(10, token())] * 100))

    assert course.run().ending.outcome is Outcome.BROKEN
    assert course.door.is_broken_off
