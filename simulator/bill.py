"""What was really consumed, and what it costs. This is the oracle of the tests.

Amounts are microcents (1 USD = 10**8), int, rounded up once for each call.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from simulator.rates import PriceList

Outcome = Literal["running", "completed", "refused", "cut", "aborted"]

# USD per million tokens -> microcents per token: 10**8 / 10**6.
_MICROCENTS_PER_TOKEN = 100
# USD for an image or an hour -> USD per million, as rates are.
_MILLION = 1_000_000
_SECONDS_PER_HOUR = 3_600
NO_FACTOR = Decimal(1)
# USD per thousand calls -> USD per million, which a call then counts as one token of.
_THOUSANDS_PER_MILLION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Tokens that went in. `prompt_tokens` includes all the others."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """Written to a cache of the usual lifetime; what lives for an hour is not among them."""
    cache_write_1h_tokens: int = 0
    audio_tokens: int = 0
    audio_seconds: int = 0
    """Of sound that is billed by the hour: no tokens."""
    characters: int = 0
    """Of text that is billed by them: no tokens."""
    image_tokens: int = 0
    """Of models that bill images apart from text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Tokens that came out, each counted in one place."""

    text_tokens: int = 0
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    images: tuple[str, ...] = ()
    """Those that have a fee, by size and quality: no tokens."""
    rejected_prediction_tokens: int = 0
    accepted_prediction_tokens: int = 0
    """Of the text: a part that was predicted. Not counted again."""
    web_searches: int = 0
    """Searches that the provider did on the way: no tokens, but a fee for each."""

    @property
    def completion_tokens(self) -> int:
        """All that is billed as output."""
        return (
            self.text_tokens
            + self.reasoning_tokens
            + self.audio_tokens
            + self.image_tokens
            + self.rejected_prediction_tokens
        )

    def __add__(self, other: "Output") -> "Output":
        return Output(
            text_tokens=self.text_tokens + other.text_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            audio_tokens=self.audio_tokens + other.audio_tokens,
            image_tokens=self.image_tokens + other.image_tokens,
            images=self.images + other.images,
            rejected_prediction_tokens=(
                self.rejected_prediction_tokens + other.rejected_prediction_tokens
            ),
            accepted_prediction_tokens=(
                self.accepted_prediction_tokens + other.accepted_prediction_tokens
            ),
            web_searches=self.web_searches + other.web_searches,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One call on the bill. Counts only: no word of a prompt or an answer is here.

    `completion_id` is the id that the answer carries, `request_id` its x-request-id.
    """

    request_id: str
    completion_id: str
    model: str
    service_tier: str
    input: Input
    output: Output
    amount_microcents: int
    outcome: Outcome


def amount_microcents(
    prices: PriceList,
    service_tier: str,
    consumed: Input,
    produced: Output,
    *,
    factor: Decimal = NO_FACTOR,
) -> int:
    """What one call costs, rounded up once. `factor` makes every token so much dearer.

    Tokens without a rate of their own are billed as plain input or output.
    Raises KeyError: the tier is not sold for this model, or such an image.
    """
    search = _or(prices.web_search, Decimal(0)) * _THOUSANDS_PER_MILLION
    rates = prices.rates_for(service_tier, consumed.prompt_tokens).times(factor)
    plain_input = (
        consumed.prompt_tokens
        - consumed.cached_tokens
        - consumed.cache_write_tokens
        - consumed.cache_write_1h_tokens
        - consumed.audio_tokens
        - consumed.image_tokens
    )
    plain_output = produced.completion_tokens - produced.audio_tokens - produced.image_tokens
    image_fees = sum((Fraction(prices.image_fees[kind]) for kind in produced.images), Fraction(0))
    usd_per_million = (
        plain_input * Fraction(rates.input)
        + consumed.cached_tokens * Fraction(_or(rates.cached_input, rates.input))
        + consumed.cache_write_tokens * Fraction(_or(rates.cache_write, rates.input))
        + consumed.cache_write_1h_tokens * Fraction(_or(rates.cache_write_1h, rates.input))
        + consumed.audio_tokens * Fraction(_or(rates.audio_input, rates.input))
        + plain_output * Fraction(rates.output)
        + produced.audio_tokens * Fraction(_or(rates.audio_output, rates.output))
        + consumed.image_tokens * Fraction(_or(rates.image_input, rates.input))
        + produced.image_tokens * Fraction(_or(rates.image_output, rates.output))
        + image_fees * _MILLION
        + consumed.characters * Fraction(_or(prices.characters, Decimal(0)))
        + Fraction(consumed.audio_seconds * _MILLION, _SECONDS_PER_HOUR)
        * Fraction(_or(prices.audio_hour, Decimal(0)))
        + produced.web_searches * Fraction(search)
    )
    return math.ceil(usd_per_million * _MICROCENTS_PER_TOKEN)


def _or(rate: Decimal | None, fallback: Decimal) -> Decimal:
    return fallback if rate is None else rate
