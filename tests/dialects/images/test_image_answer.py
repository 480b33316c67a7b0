"""What an answer with images says of itself, read without decoding one."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.cost import cost
from pricing.usage import Usage
from proxy.dialects.answer import add_cost
from proxy.dialects.images import IMAGES
from proxy.dialects.images.usage import read_usage
from proxy.dialects.usage import UsageFault
from tests.dialects.images.examples import (
    ANSWER,
    ANSWER_MICROCENTS,
    ANSWER_USAGE,
    COUNTED_ANSWER,
    encoded,
)
from tests.pricing.make import listed_card

WHOLE = encoded(ANSWER)


def test_the_documented_answer() -> None:
    answer = IMAGES.read_answer(WHOLE)

    assert (answer.usage, answer.usage_fault) == (ANSWER_USAGE, None)
    assert answer.complete
    assert (answer.model, answer.service_tier) == (None, None)


def test_the_documented_answer_costs_what_the_price_page_says() -> None:
    card = listed_card("gpt-image-1.5")
    usage = IMAGES.read_answer(WHOLE).usage

    assert usage is not None
    amount = cost(card, usage, cached_in_input=True, service_tier=None)
    assert amount == ANSWER_MICROCENTS


def test_images_that_come_without_usage_are_counted() -> None:
    answer = IMAGES.read_answer(encoded(COUNTED_ANSWER))

    assert answer.usage == Usage(0, 0, images={"/": 2})
    assert answer.complete


def test_an_answer_of_nothing_has_no_usage() -> None:
    answer = IMAGES.read_answer(encoded(COUNTED_ANSWER | {"data": []}))

    assert (answer.usage, answer.complete) == (None, True)
    assert not answer.countable


def test_cut_at_every_byte_it_is_never_complete_and_never_free() -> None:
    for length in range(len(WHOLE)):
        answer = IMAGES.read_answer(WHOLE[:length])

        assert not answer.complete
        assert answer.usage is None
        assert not answer.countable


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b'{"error": {"message": "no"}}', b"\xff", b'{"data": 1}']
)
def test_what_is_no_answer_is_not_complete(text: bytes) -> None:
    answer = IMAGES.read_answer(text)

    assert (answer.usage, answer.complete) == (None, False)


@given(st.binary(max_size=40), st.integers(0, len(WHOLE)))
def test_any_bytes_anywhere_are_survived(noise: bytes, place: int) -> None:
    answer = IMAGES.read_answer(WHOLE[:place] + noise + WHOLE[place:])

    assert not answer.countable
    assert answer.usage is None or answer.usage.output_tokens >= 0


def test_an_image_is_passed_over_and_not_decoded() -> None:
    sent = encoded(ANSWER | {"data": [{"b64_json": "A" * 2**20} for _ in range(8)]})

    tracemalloc.start()
    try:
        answer = IMAGES.read_answer(sent)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert answer.usage is not None
    assert answer.usage.images == {"1024x1024/high": 8}
    assert peak_bytes < 64 * 1024


def report(**fields: Any) -> dict[str, Any]:
    return {"input_tokens": 100, "output_tokens": 500, "total_tokens": 600} | fields


USAGES = [
    # What is not said to be text is dearer.
    (report(), Usage(100, 500, input_image_tokens=100, output_image_tokens=500)),
    (
        report(
            input_tokens_details={"text_tokens": 30, "image_tokens": 70},
            output_tokens_details={"text_tokens": 200, "image_tokens": 300},
        ),
        Usage(100, 500, input_image_tokens=70, output_image_tokens=300),
    ),
    # Parts that do not add up: the rest is images.
    (
        report(output_tokens_details={"text_tokens": 200, "image_tokens": 1}),
        Usage(100, 500, input_image_tokens=100, output_image_tokens=300),
    ),
    # What the total has beyond the sum was billed as something.
    (report(total_tokens=650), Usage(100, 550, input_image_tokens=100, output_image_tokens=550)),
    (
        report(
            input_tokens_details={
                "text_tokens": 40,
                "image_tokens": 60,
                "cached_tokens": 50,
                "cached_tokens_details": {"text_tokens": 20, "image_tokens": 30},
            }
        ),
        Usage(
            100,
            500,
            50,
            input_image_tokens=60,
            cache_read_image_tokens=30,
            output_image_tokens=500,
        ),
    ),
    # Of cached tokens that nobody tells apart the text is cheaper, and there is no more of it.
    (
        report(input_tokens_details={"text_tokens": 40, "cached_tokens": 50}),
        Usage(
            100,
            500,
            50,
            input_image_tokens=60,
            cache_read_image_tokens=10,
            output_image_tokens=500,
        ),
    ),
    (
        report(
            input_tokens_details={"text_tokens": 40},
            cached_tokens=50,
            cached_tokens_details={"cached_text_tokens": 0, "cached_image_tokens": 50},
        ),
        Usage(
            100,
            500,
            50,
            input_image_tokens=60,
            cache_read_image_tokens=50,
            output_image_tokens=500,
        ),
    ),
    ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, Usage(0, 0)),
    (
        report(cost=0.01, input_tokens_details={"text_tokens": 100}),
        Usage(100, 500, output_image_tokens=500, billed_microcents=1_000_000),
    ),
]


def test_a_report_of_nothing_is_of_nothing() -> None:
    """Zero is a usage (field-report 38)."""
    nothing = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}

    assert read_usage(nothing, images=1, size=None, quality=None) == (Usage(0, 0), None)


@pytest.mark.parametrize(("reported", "usage"), USAGES)
def test_every_token_that_is_reported_has_its_kind(reported: Any, usage: Usage) -> None:
    assert read_usage(reported, images=0, size=None, quality=None) == (usage, None)


FAULTS = [
    ({}, UsageFault.INCOMPLETE),
    ({"input_tokens": 5}, UsageFault.INCOMPLETE),
    ([], UsageFault.NOT_A_COUNT),
    (report(output_tokens=-1), UsageFault.NOT_A_COUNT),
    (report(output_tokens=2**40), UsageFault.IMPLAUSIBLE),
    (report(total_tokens=5), UsageFault.CONTRADICTORY),
    (report(input_tokens_details={"text_tokens": 101}), UsageFault.CONTRADICTORY),
    (report(output_tokens_details={"text_tokens": 501}), UsageFault.CONTRADICTORY),
    (report(cached_tokens=101), UsageFault.CONTRADICTORY),
]


@pytest.mark.parametrize(("reported", "fault"), FAULTS)
def test_a_report_that_cannot_be_true_counts_as_none(reported: Any, fault: UsageFault) -> None:
    assert read_usage(reported, images=2, size="1024x1024", quality="low") == (None, fault)


def test_the_cost_stands_beside_the_usage() -> None:
    told = add_cost(WHOLE, "0.13349")

    assert json.loads(told)["usage"]["cost_usd"] == "0.13349"
    assert json.loads(told)["data"] == ANSWER["data"]
