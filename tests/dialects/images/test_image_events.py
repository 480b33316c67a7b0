"""Streamed images: previews cost nothing until their image says what it cost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.dialects.answer import Answer
from proxy.dialects.images import IMAGES
from proxy.dialects.stream import AnswerStream
from proxy.dialects.usage import UsageFault
from tests.dialects.images.examples import ANSWER_USAGE, COMPLETED, PREVIEW, stream

SENT = stream([PREVIEW, PREVIEW | {"partial_image_index": 1}, COMPLETED])
WITH_PREVIEWS = replace(ANSWER_USAGE, output_tokens=4_260, output_image_tokens=4_260)


def relay(pieces: list[bytes], *, n: int = 1, cost: str | None = None) -> tuple[bytes, Answer]:
    cost_of = (lambda _: cost) if cost is not None else None
    relayed = AnswerStream(IMAGES.new_reader(n), strip_usage=False, cost_of=cost_of)
    sent = b"".join([*map(relayed.feed, pieces), relayed.finish()])
    return sent, relayed.answer


def test_the_documented_stream() -> None:
    sent, answer = relay([SENT])

    assert sent == SENT
    assert (answer.usage, answer.usage_fault) == (WITH_PREVIEWS, None)
    assert answer.complete


def test_split_at_every_byte_it_says_the_same() -> None:
    for place in range(len(SENT) + 1):
        sent, answer = relay([SENT[:place], SENT[place:]])

        assert sent == SENT
        assert (answer.usage, answer.complete) == (WITH_PREVIEWS, True)


def test_cut_at_every_byte_it_is_never_complete_and_never_free() -> None:
    for length in range(len(SENT.rstrip(b"\n"))):
        sent, answer = relay([SENT[:length]])

        assert sent == SENT[:length]
        assert not answer.complete
        assert answer.usage is None
        assert not answer.countable


def test_each_image_of_several_adds_its_own_usage() -> None:
    sent = stream([PREVIEW, COMPLETED, COMPLETED])

    _, half = relay([stream([PREVIEW, COMPLETED])], n=2)
    _, answer = relay([sent], n=2)

    assert not half.complete
    assert answer.complete
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_image_tokens) == (100, 8_520)
    assert answer.usage.images == {"1024x1024/high": 2}


def test_an_edit_ends_with_an_event_of_its_own() -> None:
    _, answer = relay([stream([COMPLETED | {"type": "image_edit.completed"}])])

    assert (answer.usage, answer.complete) == (WITH_PREVIEWS, True)


def test_one_usage_that_cannot_be_spoils_the_sum() -> None:
    bad = COMPLETED | {"usage": {"input_tokens": -1, "output_tokens": 1}}

    for events in ([bad, COMPLETED], [COMPLETED, bad]):
        _, answer = relay([stream(events)], n=2)
        assert (answer.usage, answer.usage_fault) == (None, UsageFault.NOT_A_COUNT)
        assert answer.complete


def test_an_image_without_usage_is_counted() -> None:
    told = {name: value for name, value in COMPLETED.items() if name != "usage"}

    _, answer = relay([stream([told])])

    assert answer.usage is not None
    assert answer.usage.images == {"1024x1024/high": 1}


@pytest.mark.parametrize(
    "last",
    [
        {"type": "error", "error": {"message": "image_generation.completed"}},
        {"type": "other.completed", "usage": COMPLETED["usage"]},
        {"type": ["image_generation.completed"], "usage": COMPLETED["usage"]},
    ],
)
def test_what_is_no_image_completes_nothing(last: dict[str, Any]) -> None:
    sent = b"data: " + json.dumps(last).encode() + b"\n\n"

    _, answer = relay([sent])

    assert (answer.usage, answer.complete) == (None, False)


def test_an_image_of_many_megabytes_is_read_to_its_usage() -> None:
    large = stream([COMPLETED | {"b64_json": "A" * 12 * 2**20}])
    pieces = [large[place : place + 2**16] for place in range(0, len(large), 2**16)]

    sent, answer = relay(pieces)

    assert sent == large
    assert (answer.usage, answer.complete) == (WITH_PREVIEWS, True)


def test_the_cost_stands_in_the_event_that_tells_the_usage() -> None:
    sent, _ = relay([SENT], cost="0.13")

    assert sent.count(b"cost_usd") == 1
    last = json.loads(sent.rstrip(b"\n").rpartition(b"data: ")[2])
    assert last["usage"]["cost_usd"] == "0.13"
    assert last["b64_json"] == COMPLETED["b64_json"]


@given(st.binary(max_size=40), st.integers(0, len(SENT)))
def test_any_bytes_anywhere_are_survived(noise: bytes, place: int) -> None:
    broken = SENT[:place] + noise + SENT[place:]

    sent, answer = relay([broken])

    assert sent == broken
    assert answer.usage is None or answer.complete
