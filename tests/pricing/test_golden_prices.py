"""Amounts worked out by hand from the public price pages; no amount here is computed.

https://developers.openai.com/api/docs/pricing
https://platform.claude.com/docs/en/about-claude/pricing
https://api-docs.deepseek.com/quick_start/pricing
https://docs.x.ai/docs/models
https://docs.perplexity.ai/getting-started/pricing

In microcents: $1 per million tokens is 100 a token, $1 per thousand calls is 100,000 a call.
"""

from fractions import Fraction

import pytest

from pricing.cost import cost
from pricing.usage import Usage
from tests.pricing.make import listed_card, ms

OPENAI = [
    # gpt-4o: 2.50 in, 1.25 cached, 10 out
    pytest.param("gpt-4o", Usage(1_000, 500), None, 750_000, id="text"),
    pytest.param("gpt-4o", Usage(1_000, 500), "default", 750_000, id="default tier"),
    pytest.param("gpt-4o", Usage(1_000, 500, 400), None, 700_000, id="cached input"),
    # priority: 4.25, 2.125, 17
    pytest.param("gpt-4o", Usage(1_000, 500, 400), "priority", 1_190_000, id="priority"),
    # flex: 0.625 in, 5 out
    pytest.param("gpt-5", Usage(1_000, 500), "flex", 312_500, id="flex"),
    pytest.param("gpt-4o-mini", Usage(1, 0), None, 15, id="one token"),
    # 1,000 x 15, one cached at 7.5, one out at 60: 15,067.5
    pytest.param("gpt-4o-mini", Usage(1_001, 1, 1), None, 15_068, id="rounded up"),
    # one cached at 0.5
    pytest.param("gpt-5-nano", Usage(1, 0, 1), None, 1, id="half a microcent"),
    pytest.param("gpt-5-nano", Usage(2, 0, 2), None, 1, id="two halves"),
    # reasoning is inside the output and costs the same: 15 in, 60 out
    pytest.param("o1", Usage(100, 900, reasoning_tokens=800), None, 5_550_000, id="reasoning"),
    # 2 in, 2.50 written to the cache
    pytest.param("gpt-6-sol", Usage(1_000, 0, 0, 400), None, 220_000, id="cache write"),
    # more than 272,000 of input doubles the input and half again the output
    pytest.param("gpt-6-sol", Usage(272_000, 1_000), None, 55_400_000, id="long edge below"),
    pytest.param("gpt-6-sol", Usage(272_001, 1_000), None, 110_300_400, id="long edge above"),
    # 32 and 64 for audio, 2.50 and 10 for text
    pytest.param(
        "gpt-audio",
        Usage(100, 50, input_audio_tokens=60, output_audio_tokens=30),
        None,
        414_000,
        id="audio",
    ),
    # 2 in, 8 out, web search at 10 per thousand calls
    pytest.param(
        "gpt-4.1", Usage(10, 10, tool_calls={"web_search": 2}), None, 2_010_000, id="tool fee"
    ),
    pytest.param("gpt-4o", Usage(0, 0), None, 0, id="nothing used"),
    # 0.02 in, and nothing that could come out
    pytest.param("text-embedding-3-small", Usage(1_001, 0), None, 2_002, id="embeddings"),
    pytest.param("text-embedding-3-large", Usage(3, 0), None, 39, id="large embeddings"),
    # 1.50 in, 2 out
    pytest.param("gpt-3.5-turbo-instruct", Usage(10, 4), None, 2_300, id="completion"),
    pytest.param("babbage-002", Usage(10, 4), None, 560, id="cheap completion"),
    pytest.param(
        "ft:gpt-4o-mini-2024-07-18:acme::9abc", Usage(10, 10), None, 1_500, id="fine-tuned"
    ),
]


@pytest.mark.parametrize(("model", "usage", "service_tier", "microcents"), OPENAI)
def test_an_openai_call_costs_what_the_price_page_says(
    model: str, usage: Usage, service_tier: str | None, microcents: int
) -> None:
    card = listed_card(model)

    assert cost(card, usage, cached_in_input=True, service_tier=service_tier) == microcents


def test_anthropic_counts_cached_tokens_beside_the_input_and_prices_lifetimes_apart() -> None:
    """3 in, 0.30 read, 3.75 written for 5 minutes, 6 for an hour, 15 out (field report 45)."""
    card = listed_card("claude-sonnet-4-5-20250929", "anthropic")
    usage = Usage(1_000, 300, 2_000, 500, cache_write_1h_tokens=100)

    assert cost(card, usage, cached_in_input=False, service_tier=None) == 1_020_000


def test_cached_tokens_beside_the_input_reach_the_long_context_price() -> None:
    """Above 200,000 of input: 6 in, 0.60 read, 22.50 out."""
    card = listed_card("claude-sonnet-4-5", "anthropic", ms("2026-01-15T00:00:00"))
    usage = Usage(1_000, 100, 199_001)

    assert cost(card, usage, cached_in_input=False, service_tier=None) == 12_765_060


@pytest.mark.parametrize(
    ("instant", "microcents"),
    [
        ("2026-03-01T00:29:59", 68_500),
        ("2026-03-01T00:30:00", 137_000),
        ("2026-03-01T16:29:59", 137_000),
        ("2026-03-01T16:30:00", 68_500),
    ],
)
def test_an_off_peak_price_holds_by_the_minute(instant: str, microcents: int) -> None:
    """0.27 and 1.10 from 00:30 to 16:30 UTC, half of it else."""
    card = listed_card("deepseek-chat", "deepseek", ms(instant))

    assert cost(card, Usage(1_000, 1_000), cached_in_input=True, service_tier=None) == microcents


@pytest.mark.parametrize(
    ("instant", "microcents"),
    [("2025-06-09T23:59:59", 1_000_000), ("2025-06-10T00:00:00", 200_000)],
)
def test_a_new_price_starts_at_midnight_utc(instant: str, microcents: int) -> None:
    """o3 fell from 10 to 2 per million on 2025-06-10."""
    card = listed_card("o3", at_ms=ms(instant))

    assert cost(card, Usage(1_000, 0), cached_in_input=True, service_tier=None) == microcents


@pytest.mark.parametrize(
    ("input_tokens", "microcents"), [(199_999, 39_999_800), (200_000, 80_000_000)]
)
def test_an_edge_that_belongs_to_the_long_context_is_kept(
    input_tokens: int, microcents: int
) -> None:
    """x.ai asks the higher price from 200,000 tokens on, OpenAI beyond 272,000."""
    card = listed_card("grok-4.6", "x-ai")

    assert cost(card, Usage(input_tokens, 0), cached_in_input=True, service_tier=None) == microcents


def test_a_fee_for_each_request_is_billed_with_every_answer() -> None:
    """1 per million tokens either way, and 12 per thousand requests."""
    card = listed_card("sonar", "perplexity")

    assert cost(card, Usage(1, 1), cached_in_input=True, service_tier=None) == 1_200_200


def test_an_upstreams_multiplier_is_applied_before_the_one_rounding() -> None:
    """15 microcents x 1.1 x 3 is 49.5; rounding each token first would make it 51."""
    card = listed_card("gpt-4o-mini")
    multiplier = Fraction(11, 10)

    amount = cost(card, Usage(3, 0), cached_in_input=True, service_tier=None, multiplier=multiplier)

    assert amount == 50
