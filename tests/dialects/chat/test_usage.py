"""The billed quantities, out of every shape in which upstreams report them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import Usage
from proxy.dialects.chat.usage import read_usage, reported_usage
from proxy.dialects.usage import UsageFault

_PLAIN = {"prompt_tokens": 100, "completion_tokens": 20}


def test_every_quantity_is_read() -> None:
    reported = {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {
            "cached_tokens": 1408,
            "cache_write_tokens": 512,
            "audio_tokens": 11,
            "image_tokens": 12,
            "text_tokens": 1983,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 192,
            "audio_tokens": 13,
            "image_tokens": 16,
            "accepted_prediction_tokens": 14,
            "rejected_prediction_tokens": 15,
        },
    }
    assert read_usage(reported) == (
        Usage(
            input_tokens=2006,
            output_tokens=300,
            cache_read_tokens=1408,
            cache_write_tokens=512,
            input_audio_tokens=11,
            input_image_tokens=12,
            output_audio_tokens=13,
            output_image_tokens=16,
            reasoning_tokens=192,
        ),
        None,
    )


def test_no_report_is_neither_a_usage_nor_a_fault() -> None:
    assert read_usage(None) == (None, None)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (_PLAIN, Usage(100, 20)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 100.0, "completion_tokens": 2e1}, Usage(100, 20)),
        ({"prompt_tokens": "100", "completion_tokens": "020"}, Usage(100, 20)),
        (_PLAIN | {"total_tokens": None, "cost": "0.01"}, Usage(100, 20)),
        (_PLAIN | {"prompt_tokens_details": None}, Usage(100, 20)),
        (_PLAIN | {"prompt_tokens_details": []}, Usage(100, 20)),
        (_PLAIN | {"prompt_tokens_details": {"cached_tokens": None}}, Usage(100, 20)),
        (_PLAIN | {"prompt_tokens_details": {"cached_tokens": 100}}, Usage(100, 20, 100)),
        (_PLAIN | {"total_tokens": 119}, Usage(100, 20)),
        (_PLAIN | {"completion_tokens": 2**31 - 1}, Usage(100, 2**31 - 1)),
    ],
)
def test_odd_but_sound_reports_are_read(reported: dict[str, Any], usage: Usage) -> None:
    assert read_usage(reported) == (usage, None)


def test_reasoning_that_only_the_total_shows_is_output() -> None:
    """x.ai leaves reasoning out of the completion, and in the total."""
    reported = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94},
    }
    assert read_usage(reported) == (Usage(32, 103, reasoning_tokens=94), None)


@pytest.mark.parametrize(
    ("reported", "fault"),
    [
        ({}, "incomplete"),
        ({"total_tokens": 5}, "incomplete"),
        ({"prompt_tokens": 5}, "incomplete"),
        ({"completion_tokens": 5, "prompt_tokens": None}, "incomplete"),
        ([], "not_a_count"),
        ("12", "not_a_count"),
        (True, "not_a_count"),
        (_PLAIN | {"prompt_tokens": -1}, "not_a_count"),
        (_PLAIN | {"completion_tokens": -0.5}, "not_a_count"),
        (_PLAIN | {"completion_tokens": 1.5}, "not_a_count"),
        (_PLAIN | {"completion_tokens": float("nan")}, "not_a_count"),
        (_PLAIN | {"completion_tokens": float("inf")}, "not_a_count"),
        (_PLAIN | {"completion_tokens": True}, "not_a_count"),
        (_PLAIN | {"completion_tokens": "many"}, "not_a_count"),
        (_PLAIN | {"completion_tokens": "-2"}, "not_a_count"),
        (_PLAIN | {"completion_tokens": "1" * 5000}, "not_a_count"),
        (_PLAIN | {"completion_tokens": [1]}, "not_a_count"),
        (_PLAIN | {"total_tokens": -120}, "not_a_count"),
        (_PLAIN | {"prompt_tokens_details": {"cached_tokens": -1}}, "not_a_count"),
        (_PLAIN | {"completion_tokens": 2**31}, "implausible"),
        (_PLAIN | {"completion_tokens": 1e300}, "implausible"),
        (_PLAIN | {"total_tokens": 99}, "contradictory"),
        (_PLAIN | {"total_tokens": 0}, "contradictory"),
        (_PLAIN | {"prompt_tokens_details": {"cached_tokens": 101}}, "contradictory"),
        (_PLAIN | {"prompt_tokens_details": {"cache_write_tokens": 101}}, "contradictory"),
        (
            _PLAIN | {"prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 60}},
            "contradictory",
        ),
        (_PLAIN | {"prompt_tokens_details": {"audio_tokens": 101}}, "contradictory"),
        (
            _PLAIN | {"prompt_tokens_details": {"audio_tokens": 60, "image_tokens": 60}},
            "contradictory",
        ),
        (_PLAIN | {"completion_tokens_details": {"reasoning_tokens": 21}}, "contradictory"),
        (_PLAIN | {"completion_tokens_details": {"image_tokens": 21}}, "contradictory"),
        (_PLAIN | {"completion_tokens_details": {"audio_tokens": 21}}, "contradictory"),
    ],
)
def test_a_usage_that_cannot_be_counts_as_missing_and_says_why(
    reported: object, fault: str
) -> None:
    assert read_usage(reported) == (None, UsageFault(fault))


@pytest.mark.parametrize(
    "answer",
    [
        {"usage": _PLAIN},
        {"usage": _PLAIN, "choices": [{"usage": {"prompt_tokens": 1}}]},
        {"usage": None, "choices": [{"index": 0}, {"index": 1, "usage": _PLAIN}]},
        {"choices": [None, {"usage": _PLAIN}]},
        {"choices": [], "x_groq": {"id": "req_1", "usage": _PLAIN}},
    ],
)
def test_usage_is_found_where_upstreams_put_it(answer: dict[str, Any]) -> None:
    assert reported_usage(answer) == _PLAIN


@pytest.mark.parametrize(
    "answer",
    [{}, {"usage": None}, {"choices": {"usage": 1}}, {"choices": ["usage"], "x_groq": "usage"}],
)
def test_where_none_is_none_is_found(answer: dict[str, Any]) -> None:
    assert reported_usage(answer) is None


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens"]), inner
        )
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("prompt_tokens", "completion_tokens", "total_tokens"),
                *("prompt_tokens_details", "completion_tokens_details"),
            ]
        ),
        _ANY | st.integers(0, 1000),
    )
)
def test_whatever_is_reported_no_quantity_is_negative_or_more_than_its_whole(
    reported: dict[str, Any],
) -> None:
    usage, fault = read_usage(reported)
    assert (usage is None) is (fault is not None)
    if usage is not None:
        assert 0 <= usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens
        assert 0 <= usage.output_audio_tokens <= usage.output_tokens
        assert usage.output_tokens >= int(reported["completion_tokens"])


@pytest.mark.parametrize(
    ("fields", "microcents"),
    [
        ({}, None),
        ({"cost": 0.95}, 95_000_000),
        ({"cost": 0}, 0),
        ({"cost": 0.00014, "is_byok": False}, 14_000),
        ({"cost": 1e-9}, 1),
        ({"cost": 0.1, "cost_details": {"upstream_inference_cost": 19}}, 10_000_000),
        (
            {"cost": 0.1, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
            30_000_000,
        ),
        ({"cost": 0.1, "is_byok": True, "cost_details": None}, 10_000_000),
        ({"cost": -1}, None),
        ({"cost": "0.1"}, None),
        ({"cost": True}, None),
        ({"cost": float("nan")}, None),
        ({"cost": 10**9}, None),
    ],
)
def test_what_the_provider_says_it_billed_is_read_where_it_can_be_an_amount(
    fields: dict[str, Any], microcents: int | None
) -> None:
    usage, fault = read_usage(_PLAIN | fields)

    assert fault is None
    assert usage is not None
    assert usage.billed_microcents == microcents
