"""What answers say about usage: where, in which shape, and where nothing."""

from collections.abc import Callable
from typing import Any, Literal

import pytest

from simulator import Behaviour, Report, Simulator
from tests.simulator.calls import HELLO, call

STREAM = HELLO | {"stream": True}
ASKING = STREAM | {"stream_options": {"include_usage": True}}
Place = Literal["as_asked", "nowhere", "extra_event", "last_content_event", "every_event"]
# 9 tokens in and 2 out: role, two words, the end.
EVENTS = 4


async def usages(simulator: Simulator, body: dict[str, Any], report: Report) -> list[Any]:
    """The usage of each event; "absent" where the field is not there."""
    stream = await call(simulator, body, Behaviour(output_tokens=2, report=report))
    *events, done = stream.events()
    assert done == "[DONE]"
    return [event.get("usage", "absent") for event in events]


def total(usage: Any) -> Any:
    return usage["total_tokens"] if isinstance(usage, dict) else usage


@pytest.mark.parametrize(
    ("body", "place", "totals"),
    [
        (STREAM, "as_asked", ["absent"] * EVENTS),
        (ASKING, "as_asked", [None] * EVENTS + [11]),
        (STREAM, "nowhere", ["absent"] * EVENTS),
        (ASKING, "nowhere", [None] * EVENTS),
        (STREAM, "extra_event", ["absent"] * EVENTS + [11]),
        (ASKING, "extra_event", [None] * EVENTS + [11]),
        (STREAM, "last_content_event", ["absent"] * 3 + [11]),
        (ASKING, "last_content_event", [None] * 3 + [11]),
        (STREAM, "every_event", [9, 10, 11, 11]),
        (ASKING, "every_event", [9, 10, 11, 11]),
    ],
)
async def test_usage_stands_where_it_was_placed(
    simulator: Simulator, body: dict[str, Any], place: Place, totals: list[Any]
) -> None:
    found = await usages(simulator, body, Report(place=place))

    assert [total(usage) for usage in found] == totals


@pytest.mark.parametrize(
    ("body", "nulls", "totals"),
    [
        (STREAM, "always", [None] * EVENTS),
        (ASKING, "never", ["absent"] * EVENTS + [11]),
    ],
)
async def test_nulls_stand_where_they_were_placed(
    simulator: Simulator,
    body: dict[str, Any],
    nulls: Literal["always", "never"],
    totals: list[Any],
) -> None:
    found = await usages(simulator, body, Report(nulls=nulls))

    assert [total(usage) for usage in found] == totals


@pytest.mark.parametrize("place", ["as_asked", "last_content_event", "every_event"])
async def test_the_usage_of_a_stream_includes_what_was_hidden(
    simulator: Simulator, place: Place
) -> None:
    behaviour = Behaviour(reasoning_tokens=70, output_tokens=2, report=Report(place=place))
    stream = await call(simulator, ASKING | {"model": "o3"}, behaviour)

    usage = stream.events()[-2]["usage"]
    assert usage["completion_tokens"] == 72
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 70


async def test_the_usage_event_has_no_choices(simulator: Simulator) -> None:
    stream = await call(simulator, ASKING)

    choices = [event["choices"] for event in stream.events()[:-1]]
    assert choices[-1] == []
    assert all(len(each) == 1 for each in choices[:-1])


PLAIN: dict[str, Any] = {
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "total_tokens": 11,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


@pytest.mark.parametrize(
    ("shape", "looks"),
    [
        ("plain", lambda usage: usage == PLAIN),
        ("zero", lambda usage: usage["total_tokens"] == usage["prompt_tokens"] == 0),
        ("floats", lambda usage: repr(usage["prompt_tokens"]) == "9.0"),
        ("fractions", lambda usage: usage["completion_tokens"] == 2.5),
        ("strings", lambda usage: usage["prompt_tokens"] == "9"),
        ("booleans", lambda usage: usage["prompt_tokens"] is True),
        ("negative", lambda usage: usage["prompt_tokens"] == -10),
        ("no_total", lambda usage: "total_tokens" not in usage and usage["prompt_tokens"] == 9),
        ("no_counts", lambda usage: set(usage) == set(PLAIN) - set(list(PLAIN)[:3])),
        ("no_details", lambda usage: usage == dict(list(PLAIN.items())[:3])),
        ("null_details", lambda usage: usage["prompt_tokens_details"] is None),
        ("empty", lambda usage: usage == {}),
    ],
)
@pytest.mark.parametrize("body", [HELLO, ASKING], ids=["json", "stream"])
async def test_usage_has_the_shape_it_was_given(
    simulator: Simulator, body: dict[str, Any], shape: Any, looks: Callable[[Any], bool]
) -> None:
    behaviour = Behaviour(output_tokens=2, report=Report(shape=shape))
    answer = await call(simulator, body, behaviour)

    said = answer.json() if body is HELLO else answer.events()[-2]
    assert looks(said["usage"])


async def test_a_json_answer_can_say_nothing_of_usage(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO, Behaviour(report=Report(place="nowhere")))

    assert "usage" not in answer.json()


async def test_cache_writes_are_reported_where_there_are_any(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO, Behaviour(cache_write_tokens=5))

    details = answer.json()["usage"]["prompt_tokens_details"]
    assert details == {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 5}
