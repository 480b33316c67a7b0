"""What a usage costs: every token once, at its own rate, rounded once, up."""

import ast
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pricing
from pricing.card import RateCard, Unpriced
from pricing.catalogue import Override
from pricing.cost import cost
from pricing.usage import Usage
from tests.pricing.make import listed_card, simple_card, unhurried

APART = simple_card(
    "1",
    "100",
    cache_read="0.1",
    cache_write="1.25",
    cache_write_1h="2",
    input_image="3",
    cache_read_image="0.5",
    input_audio="10",
    cache_read_audio="5",
    reasoning="200",
    output_audio="300",
    output_image="400",
)


def price(card: RateCard, usage: Usage, *, cached_in_input: bool = True) -> int:
    return cost(card, usage, cached_in_input=cached_in_input, service_tier=None)


PARTS = [
    (Usage(1_000, 0), 100_000),
    (Usage(1_000, 0, cache_read_tokens=1_000), 10_000),
    (Usage(1_000, 0, cache_write_tokens=1_000), 125_000),
    (Usage(1_000, 0, cache_write_tokens=1_000, cache_write_1h_tokens=1_000), 200_000),
    (Usage(1_000, 0, cache_write_tokens=400, cache_write_1h_tokens=100), 117_500),
    (Usage(1_000, 0, input_image_tokens=1_000), 300_000),
    (Usage(1_000, 0, input_audio_tokens=1_000), 1_000_000),
    (Usage(1_000, 0, 600, input_audio_tokens=600, cache_read_audio_tokens=600), 340_000),
    (Usage(1_000, 0, 700, input_audio_tokens=600, cache_read_audio_tokens=600), 331_000),
    (Usage(1_000, 0, 700, input_image_tokens=600, cache_read_image_tokens=600), 61_000),
    (Usage(1_000, 0, 200, input_image_tokens=600, cache_read_image_tokens=200), 170_000),
    (Usage(0, 10), 100_000),
    (Usage(0, 10, output_image_tokens=10), 400_000),
    (Usage(0, 10, output_image_tokens=4), 220_000),
    (Usage(0, 10, reasoning_tokens=10), 200_000),
    (Usage(0, 10, output_audio_tokens=10), 300_000),
    (Usage(0, 10, reasoning_tokens=3, output_audio_tokens=4), 210_000),
]


@pytest.mark.parametrize(("usage", "microcents"), PARTS)
def test_every_kind_of_token_has_its_rate(usage: Usage, microcents: int) -> None:
    assert price(APART, usage) == microcents


@unhurried
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_cached_tokens_are_priced_once_wherever_they_are_counted(
    plain: int, read: int, write: int
) -> None:
    """OpenAI counts them inside the input, Anthropic beside it (field report 45)."""
    inside = Usage(plain + read + write, 0, read, write)
    beside = Usage(plain, 0, read, write)

    assert price(APART, inside) == price(APART, beside, cached_in_input=False)


def test_parts_that_exceed_their_whole_are_billed_as_parts_and_never_negative() -> None:
    """headroomlabs/headroom PR#2757: a negative cost disarms a budget (field report 50)."""
    assert price(APART, Usage(0, 0, cache_read_tokens=1_000)) == 10_000
    assert price(APART, Usage(0, 1, reasoning_tokens=1_000)) == 20_000_000


NEGATIVE = [
    Usage(-1, 0),
    Usage(0, -1),
    Usage(0, 0, -1),
    Usage(0, 0, cache_write_tokens=-1),
    Usage(0, 0, reasoning_tokens=-1),
    Usage(0, 0, output_audio_tokens=-1),
    Usage(0, 0, output_image_tokens=-1),
    Usage(0, 0, audio_ms=-1),
    Usage(0, 0, characters=-1),
    Usage(0, 0, images={"": -1}),
    Usage(0, 0, tool_calls={"web_search": -1}),
]


@pytest.mark.parametrize("usage", NEGATIVE)
def test_a_negative_count_is_an_error(usage: Usage) -> None:
    with pytest.raises(ValueError, match="is negative"):
        price(APART, usage)


@pytest.mark.parametrize("usage", [*NEGATIVE[:1], Usage(5, 5, tool_calls={"web_search": 3})])
def test_a_free_card_costs_nothing_but_still_refuses_nonsense(usage: Usage) -> None:
    card = Override("m", free=True).card("m")

    if usage.input_tokens < 0:
        with pytest.raises(ValueError, match="is negative"):
            price(card, usage)
    else:
        assert price(card, usage) == 0


UNPRICED = [
    (Usage(10, 0, input_audio_tokens=1), "audio input"),
    (Usage(10, 0, 1, cache_read_audio_tokens=1), "audio input"),
    (Usage(0, 10, output_audio_tokens=1), "audio output"),
    (Usage(0, 0, tool_calls={"web_search": 1}), "calls of web_search"),
]


@pytest.mark.parametrize(("usage", "what"), UNPRICED)
def test_what_has_no_price_is_an_error_and_never_the_text_rate(usage: Usage, what: str) -> None:
    """gpt-4o-audio-preview bills audio at 16 times its text; the data lists only the text."""
    card = listed_card("gpt-4o-audio-preview")

    with pytest.raises(Unpriced, match=f"gpt-4o-audio-preview has no price for {what}"):
        price(card, usage)


def test_a_long_lived_cache_write_without_a_price_is_an_error() -> None:
    card = listed_card("gpt-6-sol")
    usage = Usage(10, 0, cache_write_tokens=5, cache_write_1h_tokens=5)

    with pytest.raises(Unpriced, match="long-lived cache writes"):
        price(card, usage)


def test_a_tool_that_was_not_called_needs_no_fee() -> None:
    assert price(listed_card("gpt-4o-audio-preview"), Usage(0, 0, tool_calls={"x": 0})) == 0


def test_an_unpriced_dearer_tier_is_an_error() -> None:
    with pytest.raises(Unpriced, match="service tier priority"):
        cost(listed_card("gpt-4-turbo"), Usage(1, 1), cached_in_input=True, service_tier="priority")


@unhurried
@given(st.integers(0, 10**7), st.integers(0, 10**7), st.fractions(0, 3, max_denominator=1_000))
def test_rounding_happens_once_and_up(input_tokens: int, output: int, multiplier: Fraction) -> None:
    card = simple_card("0.0375", "0.111111")
    exact = (input_tokens * Fraction("3.75") + output * Fraction("11.1111")) * multiplier

    amount = cost(
        card,
        Usage(input_tokens, output),
        cached_in_input=True,
        service_tier=None,
        multiplier=multiplier,
    )

    assert amount - 1 < exact <= amount


def test_no_float_appears_in_the_package() -> None:
    for path in Path(pricing.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_name = isinstance(node, ast.Name) and node.id == "float"
            assert not is_literal, f"{path}:{node.lineno}"  # type: ignore[attr-defined]
            assert not is_name, f"{path}:{node.lineno}"  # type: ignore[attr-defined]


def test_a_model_that_writes_nothing_has_no_price_for_what_it_writes() -> None:
    """Its price is of input alone: nothing that it should write after all is free."""
    embeds = listed_card("text-embedding-3-small")

    assert price(embeds, Usage(1_000, 0)) == 2_000
    with pytest.raises(Unpriced, match="output"):
        price(embeds, Usage(1_000, 1))
