"""The billed quantities, out of every shape in which they are reported."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.cost import cost
from pricing.usage import Usage
from proxy.dialects.messages.usage import merged, read_usage, tier_of
from proxy.dialects.usage import UsageFault
from tests.dialects.messages.examples import CACHED_USAGE
from tests.pricing.make import listed_card

NONE_SEARCHED = {"web_search": 0}


def _usage(*counts: int, **more: Any) -> Usage:
    names = Usage.__struct_fields__[: len(counts)]
    return Usage(**(dict(zip(names, counts, strict=True)) | {"tool_calls": NONE_SEARCHED} | more))


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"input_tokens": 12, "output_tokens": 6}, _usage(12, 6)),
        ({"input_tokens": 0, "output_tokens": 0}, _usage(0, 0)),
        (CACHED_USAGE, _usage(2048, 503, 1800, 248, 100)),
        (
            {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 7},
            _usage(1, 1, 0, 7),
        ),
        # what a lifetime is told of counts even when the total says less
        (CACHED_USAGE | {"cache_creation_input_tokens": None}, _usage(2048, 503, 1800, 248, 100)),
        # and what is told of none may have been written to the dearer
        (CACHED_USAGE | {"cache_creation_input_tokens": 300}, _usage(2048, 503, 1800, 300, 152)),
        (
            {
                "input_tokens": 105,
                "output_tokens": 6039,
                "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
            },
            _usage(105, 6039, tool_calls={"web_search": 2}),
        ),
        (
            {
                "input_tokens": 1,
                "output_tokens": 900,
                "output_tokens_details": {"thinking_tokens": 700},
                "cache_creation": None,
                "server_tool_use": None,
            },
            _usage(1, 900, reasoning_tokens=700),
        ),
        # what a router says that it billed
        (
            {"input_tokens": 12, "output_tokens": 6, "cost": 0.000126},
            _usage(12, 6, billed_microcents=12_600),
        ),
        # the rounds of a loop are in the counts at the top, a summary is not
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                    {"type": "message", "input_tokens": 10, "output_tokens": 5},
                ],
            },
            _usage(180_010, 3_505),
        ),
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "iterations": [
                    {"type": "compaction", "output_tokens": 1, **CACHED_USAGE, "input_tokens": 1}
                ],
            },
            _usage(11, 508, 1800, 248, 100),
        ),
    ],
)
def test_a_report_is_read(reported: dict[str, Any], usage: Usage) -> None:
    assert read_usage(reported) == (usage, None)


@pytest.mark.parametrize(
    ("reported", "fault"),
    [
        ({}, UsageFault.INCOMPLETE),
        ({"input_tokens": 1}, UsageFault.INCOMPLETE),
        ({"output_tokens": 1}, UsageFault.INCOMPLETE),
        ("1", UsageFault.NOT_A_COUNT),
        ({"input_tokens": -1, "output_tokens": 1}, UsageFault.NOT_A_COUNT),
        ({"input_tokens": 1, "output_tokens": 10**12}, UsageFault.IMPLAUSIBLE),
        (
            {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 1.5},
            UsageFault.NOT_A_COUNT,
        ),
        (
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "output_tokens_details": {"thinking_tokens": 2},
            },
            UsageFault.CONTRADICTORY,
        ),
        # another model has another price
        (
            {"input_tokens": 1, "output_tokens": 1, "iterations": [{"type": "advisor_message"}]},
            UsageFault.INCOMPLETE,
        ),
    ],
)
def test_a_report_that_cannot_be_true_is_none(reported: object, fault: UsageFault) -> None:
    assert read_usage(reported) == (None, fault)


def test_nothing_reported_is_nothing_wrong() -> None:
    assert read_usage(None) == (None, None)


@pytest.mark.parametrize(
    ("model", "reported", "microcents"),
    [
        # $5 and $25 a million tokens: 12 x 500 + 6 x 2,500
        ("claude-opus-4-5", {"input_tokens": 12, "output_tokens": 6}, 21_000),
        # $0.50 for reading, $6.25 and $10 for writing: field-report 45
        ("claude-opus-4-5", CACHED_USAGE, 2_564_000),
        # above 200,000 tokens of input, cached ones too, Sonnet 4.5 cost $6 and $22.50
        (
            "claude-sonnet-4-5",
            {"input_tokens": 1, "cache_read_input_tokens": 200_000, "output_tokens": 1},
            12_002_850,
        ),
        # $10 for a thousand searches
        (
            "claude-haiku-4-5",
            {
                "input_tokens": 0,
                "output_tokens": 0,
                "server_tool_use": {"web_search_requests": 3},
            },
            3_000_000,
        ),
    ],
)
def test_a_report_costs_what_the_price_page_says(
    model: str, reported: dict[str, Any], microcents: int
) -> None:
    usage, _ = read_usage(reported)
    assert usage is not None
    card = listed_card(model, "anthropic")
    assert cost(card, usage, cached_in_input=False, service_tier=None) == microcents


@pytest.mark.parametrize(
    ("reported", "tier"),
    [
        ({"service_tier": "standard"}, "default"),
        ({"service_tier": "priority"}, "default"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"speed": "standard"}, "default"),
        ({}, None),
        (None, None),
    ],
)
def test_only_a_speed_has_a_price_of_its_own(reported: object, tier: str | None) -> None:
    assert tier_of(reported) == tier


def test_a_later_report_leaves_out_what_does_not_change() -> None:
    after = {"input_tokens": 500, "output_tokens": 89, "cache_creation": None}
    both = merged(CACHED_USAGE, after)
    assert read_usage(both) == (_usage(2048, 89, 1800, 248, 100), None)


_counts = st.dictionaries(
    st.sampled_from(["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]),
    st.integers(0, 10**6) | st.none(),
)


@given(_counts, _counts)
def test_no_count_of_what_went_in_becomes_less_by_a_later_report(
    before: dict[str, int | None], after: dict[str, int | None]
) -> None:
    both = merged(before, after)
    for report in (before, after):
        assert all(both[name] >= count for name, count in report.items() if count is not None)


def test_what_came_out_is_what_the_later_report_says() -> None:
    """A start says one token, or two, of a message that may stay empty (field-report 38)."""
    assert merged({"output_tokens": 2}, {"output_tokens": 0}) == {"output_tokens": 0}
    assert merged({"output_tokens": 2}, {"output_tokens": None}) == {"output_tokens": 2}
