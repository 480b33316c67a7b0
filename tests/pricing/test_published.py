"""Quotes become cards without losing a digit, and names are never guessed."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import cast

import genai_prices
import pytest
from genai_prices.types import ClauseAnd, ClauseRegex, ClauseStartsWith, ModelInfo, ModelPrice
from hypothesis import given
from hypothesis import strategies as st

from pricing.card import RateCard, RateLine, Unpriced
from pricing.cost import cost
from pricing.published import listing
from pricing.published.listing import NotListed, find_listing, near_names, provider_at
from pricing.published.matching import fit
from pricing.published.quote import Quote, card_of, flat
from pricing.usage import Usage
from tests.pricing.make import NOW, USD, listed_card, ms, simple_card, unhurried


def card_from(*quotes: Quote, audio_as_text: bool = False) -> RateCard:
    return card_of("model", "test", quotes, audio_as_text=audio_as_text)


def prices(**usd: str) -> dict[str, tuple[tuple[int, Decimal], ...]]:
    return {name: flat(Decimal(price)) for name, price in usd.items()}


@unhurried
@given(USD, USD)
def test_a_card_keeps_every_digit_of_a_price(input_usd: Decimal, output_usd: Decimal) -> None:
    card = simple_card(str(input_usd), str(output_usd))
    rates = card.standard[0].rates

    assert Fraction(rates.input, card.denominator) == Fraction(input_usd) * 100
    assert rates.output is not None
    assert Fraction(rates.output, card.denominator) == Fraction(output_usd) * 100


def test_what_a_price_page_leaves_out_costs_what_it_belongs_to() -> None:
    rates = simple_card("3", "15").standard[0].rates

    assert (rates.cache_read, rates.cache_write, rates.cache_write_1h) == (300, 300, 300)
    assert (rates.input_image, rates.reasoning) == (300, 1_500)


def test_audio_without_a_price_is_unknown_unless_it_is_billed_as_text() -> None:
    quote = Quote(prices(input="3", output="15"))

    apart = card_from(quote).standard[0].rates
    as_text = card_from(quote, audio_as_text=True).standard[0].rates

    assert (apart.input_audio, apart.cache_read_audio, apart.output_audio) == (None, None, None)
    assert (as_text.input_audio, as_text.cache_read_audio, as_text.output_audio) == (
        300,
        300,
        1_500,
    )


def test_cached_audio_without_a_price_is_not_discounted() -> None:
    rates = simple_card("3", "15", input_audio="40", cache_read="1").standard[0].rates

    assert rates.cache_read_audio == 4_000


def test_a_long_lived_cache_cannot_be_guessed_from_a_short_lived_one() -> None:
    """OpenAI lists one write price and bills its 12 hour lifetime at 2.5 times the input."""
    assert simple_card("2", "8", cache_write="2.5").standard[0].rates.cache_write_1h is None


def test_the_dearest_of_several_prices_is_taken_rate_by_rate() -> None:
    old = Quote(prices(input="10", output="40"), {"flex": prices(input="5", output="20")})
    new = Quote(prices(input="2", output="80"), {"flex": prices(input="1", output="4")})

    card = card_from(old, new)

    assert (card.standard[0].rates.input, card.standard[0].rates.output) == (1_000, 8_000)
    assert card.service_tiers["flex"][0].rates.input == 500


def test_a_tier_or_fee_that_one_of_several_prices_lacks_is_not_priced() -> None:
    old = Quote(prices(input="1", output="1"))
    new = Quote(prices(input="1", output="1"), {"priority": prices(input="2", output="2")})

    card = card_from(old, Quote(new.standard, new.service_tiers, {"web_search": Decimal(10)}))

    with pytest.raises(Unpriced):
        card.brackets("priority")
    with pytest.raises(Unpriced, match="calls of web_search"):
        card.fee("web_search")


def test_steps_at_different_lengths_make_a_bracket_each() -> None:
    steps = {
        "input": ((-1, Decimal(1)), (200, Decimal(2))),
        "output": ((-1, Decimal(5)), (100, Decimal(6))),
    }
    brackets = card_from(Quote(steps)).standard

    assert [each.above_tokens for each in brackets] == [-1, 100, 200]
    assert [each.rates.input for each in brackets] == [100, 100, 200]
    assert [each.rates.output for each in brackets] == [500, 600, 600]


@pytest.mark.parametrize("tier", ["priority", "fast"])
def test_a_dearer_tier_without_a_price_is_refused_and_a_cheaper_one_is_not(tier: str) -> None:
    card = listed_card("gpt-4-turbo")

    assert card.brackets("flex") == card.brackets("scale") == card.brackets(None) == card.standard
    with pytest.raises(Unpriced, match=f"service tier {tier}"):
        card.brackets(tier)


def test_a_tier_has_no_price_before_the_date_it_was_listed_for() -> None:
    before = listed_card("gpt-4o", at_ms=ms("2026-10-11T23:59:59"))
    after = listed_card("gpt-4o", at_ms=ms("2026-10-12T00:00:00"))

    assert after.brackets("priority") != after.standard
    with pytest.raises(Unpriced, match="service tier priority"):
        before.brackets("priority")


def test_what_a_provider_sells_as_a_speed_is_a_tier() -> None:
    """Fast mode: https://platform.claude.com/docs/en/build-with-claude/fast-mode"""
    card = listed_card("claude-opus-5", "anthropic")

    fast, standard = card.brackets("fast")[0].rates, card.brackets(None)[0].rates
    assert standard.output is not None
    assert (fast.input, fast.output) == (2 * standard.input, 2 * standard.output)
    with pytest.raises(Unpriced, match="service tier fast"):
        listed_card("claude-sonnet-5", "anthropic").brackets("fast")


def test_a_breakdown_shows_each_telling_rate_once() -> None:
    quote = Quote(
        prices(input="2.5", cache_read="1.25", output="10"),
        {"default": prices(input="2.5", cache_read="1.25", output="10")},
        {"web_search": Decimal(10)},
        Decimal("0.5"),
    )

    assert card_from(quote).breakdown() == (
        RateLine("standard", -1, "input", Decimal("2.5"), "million tokens"),
        RateLine("standard", -1, "cache_read", Decimal("1.25"), "million tokens"),
        RateLine("standard", -1, "output", Decimal(10), "million tokens"),
        RateLine("standard", -1, "web_search", Decimal(10), "thousand calls"),
        RateLine("standard", -1, "request", Decimal("0.5"), "thousand calls"),
    )


EXACT_NAMES = [
    ("gpt-4o", "openai", "gpt-4o"),
    ("GPT-4o", "openai", "gpt-4o"),
    ("gpt-4o-2024-05-13", "openai", "gpt-4o-2024-05-13"),
    ("gpt-6-sol-2026-09-22", "openai", "gpt-6-sol"),
    ("gpt-4o-mini-audio-preview-2024-12-17", "openai", "gpt-4o-mini-audio-preview"),
    ("ft:gpt-4o-mini-2024-07-18:acme::9abc", "openai", "ft:gpt-4o-mini"),
    ("claude-haiku-4-5-20251001", "anthropic", "claude-haiku-4-5"),
    ("claude-sonnet-4-20250514", "anthropic", "claude-sonnet-4-0"),
    ("gemini-2.5-pro", "google", "gemini-2.5-pro"),
    ("gemini-2.0-flash-001", "google", "gemini-2.0-flash"),
]


@pytest.mark.parametrize(("name", "provider", "listed"), EXACT_NAMES)
def test_a_listed_name_is_found_with_at_most_its_release_behind(
    name: str, provider: str, listed: str
) -> None:
    assert find_listing(name, provider).info.id == listed


GUESSED_NAMES = [
    ("gpt-4o-nano", "openai"),
    ("gpt-4o-audio-preview-turbo", "openai"),
    ("my-gpt-4o", "openai"),
    ("openai/gpt-4o", "openai"),
    ("text-moderation-7", "openai"),
    ("deepseek-chat-v3.1", "deepseek"),
    ("claude-opus-4-50", "anthropic"),
    ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "google"),
    ("gemini-2.5-pro-experimental", "google"),
    ("gpt-4o", "azure"),
    ("gpt-4o", "anthropic"),
    ("gpt-4o", "nobody"),
    ("", "openai"),
]


@pytest.mark.parametrize(("name", "provider"), GUESSED_NAMES)
def test_a_name_that_would_have_to_be_guessed_is_not_listed(name: str, provider: str) -> None:
    """The look-up of genai-prices finds most of these, by prefix, part or other provider."""
    with pytest.raises(NotListed):
        find_listing(name, provider)


def test_every_condition_of_a_listing_has_to_hold() -> None:
    clause = ClauseAnd([ClauseStartsWith("model-a"), ClauseRegex("^(?!.*-preview)")])

    assert fit(clause, "model-a-2026-01-01") > 0
    assert fit(clause, "model-a-preview") == 0


UNMETERED = [
    ("mistral-ocr-2512", "mistral", "cannot be metered"),
    ("voxtral-small-24b-2507", "mistral", "both by token and by what is no token"),
    ("gemini-2.5-flash-image", "google", "images that its API does not count apart"),
    ("sonar-deep-research", "perplexity", "output_citation_mtok"),
    ("gpt-4o", "github-copilot", "without a price"),
]


@pytest.mark.parametrize(("name", "provider", "why"), UNMETERED)
def test_a_listing_that_cannot_be_metered_says_why(name: str, provider: str, why: str) -> None:
    with pytest.raises(NotListed, match=why):
        find_listing(name, provider)


@pytest.mark.parametrize(
    ("usd", "why"),
    [("0", "nothing says that it is free"), ("-1", "negative"), ("NaN", "not a number")],
)
def test_a_listed_price_that_would_make_calls_free_is_none(
    usd: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cost that is negative or not a number disarms a budget (field report 50)."""
    gpt_4o = find_listing("gpt-4o", "openai").info
    wrong = ModelInfo(
        id="wrong",
        match=gpt_4o.match,
        prices=ModelPrice(input_mtok=Decimal(usd), output_mtok=Decimal(usd)),
    )
    monkeypatch.setattr(listing._PROVIDERS["openai"], "models", [wrong])

    with pytest.raises(NotListed, match=why):
        find_listing("gpt-4o", "openai")


def test_a_listed_price_of_another_kind_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_listing("gpt-4o", "openai")
    odd = ModelPrice(input_mtok=cast(Decimal, "2.50"), output_mtok=Decimal(10))
    monkeypatch.setattr(found.info, "prices", odd)

    with pytest.raises(NotListed, match=r"not a number: 2\.50"):
        found.quote(NOW)


def test_a_model_is_free_only_when_its_name_says_so() -> None:
    assert find_listing("deepseek/deepseek-r1:free", "openrouter").free
    assert not find_listing("deepseek/deepseek-r1", "openrouter").free


def test_near_names_are_names_with_a_price() -> None:
    assert near_names("gpt-4o-mni", "openai", at_most=2)[0] == "gpt-4o-mini"
    assert "mistral-ocr-2512" not in near_names("mistral-ocr-2512", "mistral", at_most=3)
    assert near_names("gpt-4o", "nobody", at_most=3) == ()


def test_a_provider_is_known_by_the_address_of_its_api() -> None:
    assert provider_at("https://api.openai.com/v1") == "openai"
    assert provider_at("https://openrouter.ai/api/v1") == "openrouter"
    assert provider_at("http://127.0.0.1:8080/v1") is None


def usable_models() -> Iterator[tuple[str, str]]:
    for provider in ("openai", "anthropic", "google", "mistral", "groq", "deepseek", "x-ai"):
        for info in listing._PROVIDERS[provider].models:
            try:
                found = find_listing(info.id, provider)
            except NotListed:
                continue
            if found.info is info and (found.free or found.quote(NOW).standard):
                yield info.id, provider


@unhurried
@given(
    st.sampled_from(sorted(usable_models())),
    st.integers(0, 2_000_000),
    st.integers(0, 2_000_000),
    st.integers(0, 200_000),
)
def test_text_costs_what_genai_prices_itself_computes(
    model: tuple[str, str], plain: int, cached: int, output: int
) -> None:
    """A second opinion on the arithmetic, on prices, tiers and edges of 250 models."""
    name, provider = model
    found = find_listing(name, provider)
    card = listed_card(name, provider)
    if any(bracket.rates.output is None for bracket in card.brackets(None)):
        output = 0  # it writes nothing
    usage = Usage(plain + cached, output, cached)
    theirs = found.info.calc_price(
        genai_prices.Usage(
            input_tokens=plain + cached, cache_read_tokens=cached, output_tokens=output
        ),
        listing._PROVIDERS[provider],
        genai_request_timestamp=datetime.fromtimestamp(NOW // 1_000, UTC),
    )
    expected = Fraction(theirs.total_price) * 10**8

    ours = cost(card, usage, cached_in_input=True, service_tier=None)

    assert ours == -(-expected.numerator // expected.denominator)


def test_nothing_is_downloaded_and_price_data_waits_until_it_is_needed() -> None:
    program = """
import socket, sys
def refuse(*_): raise AssertionError("a connection was opened")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from pricing.catalogue import Catalogue
catalogue = Catalogue()
assert "genai_prices" not in sys.modules
catalogue.load()
assert "genai_prices.data" in sys.modules
catalogue.model("gpt-4o", provider="openai", from_ms=0, until_ms=1)
from pricing.tokens import Tokenizers
Tokenizers().load()
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={})
