"""The rates of one model, exact: integers over one denominator, made for multiplying.

A rate is microcents (1 USD = 10**8) per token times `RateCard.denominator`; a fee is
microcents per call, image, character or millisecond times the same. Nothing here rounds:
`cost` does, once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType

from pricing.usage import sides_of

DEARER_SERVICE_TIERS = frozenset({"priority", "fast"})
"""Tiers that cost more than the standard one. A card without their rates cannot guess them.

Source: https://developers.openai.com/api/docs/pricing (priority, since renamed fast).
"""

MICROCENTS_PER_USD = 100_000_000
TOKENS_PER_QUOTE = 1_000_000
CALLS_PER_QUOTE = 1_000
CHARACTERS_PER_QUOTE = 1_000_000
AUDIO_MS_PER_QUOTE = 3_600_000


class Unpriced(LookupError):
    """`model` has no price for `what`; no amount may be made up for it."""

    def __init__(self, model: str, what: str, hint: str = "") -> None:
        super().__init__(f"{model} has no price for {what}{hint and f'; {hint}'}")
        self.model = model
        self.what = what


@dataclass(frozen=True, slots=True)
class Rates:
    """What each kind of token costs. None: the provider bills it apart and no price is known.

    A model that writes nothing (one for embeddings) has no price for `output`.
    """

    input: int
    cache_read: int
    cache_write: int
    cache_write_1h: int | None
    input_image: int
    cache_read_image: int
    input_audio: int | None
    cache_read_audio: int | None
    output: int | None
    reasoning: int | None
    output_audio: int | None
    output_image: int | None


@dataclass(frozen=True, slots=True)
class Bracket:
    """Rates of a whole call whose input is longer than `above_tokens` (-1: any input).

    The edge belongs to the bracket below. A provider whose long-context price starts *at*
    a length is quoted one token lower: x-ai's 200,000 stands as 199,999.
    """

    above_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class RateLine:
    """One line for people: USD per `per`, above `above_tokens` of input."""

    service_tier: str
    above_tokens: int
    what: str
    usd: Decimal
    per: str


@dataclass(frozen=True, slots=True, eq=False)
class RateCard:
    """The rates of one model for one span of time, by service tier and input length.

    `standard` is empty where no token has a price. `audio_ms` and `character` are fees of a
    millisecond of audio and of a character of text, None where they have none. `image_fees`
    go by "size/quality"; either side may be left out where it makes no difference.
    `free` is said by the data or an override, never concluded from a zero.
    `is_override`: the price is the user's own; it holds whatever the service tier.
    """

    model: str
    source: str
    denominator: int
    standard: tuple[Bracket, ...]
    service_tiers: Mapping[str, tuple[Bracket, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    fees: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    request_fee: int = 0
    audio_ms: int | None = None
    character: int | None = None
    image_fees: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    free: bool = False
    is_override: bool = False

    def brackets(self, service_tier: str | None) -> tuple[Bracket, ...]:
        """The brackets of a tier, shortest input first; None is the standard tier.

        A tier that is not dearer by its nature and has no rates of its own (flex, scale,
        a provider's own name for its default) costs the standard rate at most.

        Raises:
            Unpriced: a dearer tier for which no rates are published.
        """
        if service_tier is None:
            return self.standard
        published = self.service_tiers.get(service_tier)
        if published is not None:
            return published
        if service_tier in DEARER_SERVICE_TIERS and not self.is_override:
            raise Unpriced(self.model, f"service tier {service_tier}")
        return self.standard

    def fee(self, tool: str) -> int:
        """The fee of one call of a built-in tool.

        Raises:
            Unpriced: the card knows no fee for `tool`.
        """
        try:
            return self.fees[tool]
        except KeyError:
            hint = "add it to tool_fees in pricing.overrides"
            raise Unpriced(self.model, f"calls of {tool}", hint) from None

    def image_fee(self, kind: str) -> int:
        """The most that one image of "size/quality" may cost.

        The fee that says most about an image holds for it. What is not known of one ("" or
        "auto") may be anything that has a fee.

        Raises:
            Unpriced: the card knows no fee for such an image.
        """
        wanted = sides_of(kind)
        fees = {
            each: fee for each, fee in self.image_fees.items() if _may_be(wanted, sides_of(each))
        }
        if not fees:
            hint = "add it to image_fees in pricing.overrides"
            raise Unpriced(self.model, f"images of {kind or 'any size'}", hint)
        if all(wanted):
            return max((sum(map(bool, sides_of(each))), fee) for each, fee in fees.items())[1]
        return max(fees.values())

    def breakdown(self) -> tuple[RateLine, ...]:
        """Every rate as `spendgate price` shows it. A rate that repeats the input's or the
        output's is left out, and so is a tier that repeats the standard one."""
        return (*self._token_lines(), *self._fee_lines())

    def _token_lines(self) -> Iterator[RateLine]:
        apart = {tier: own for tier, own in self.service_tiers.items() if own != self.standard}
        for tier, brackets in {"standard": self.standard, **apart}.items():
            for bracket in brackets:
                for what, rate in _telling_rates(bracket.rates):
                    usd = self._usd(rate, TOKENS_PER_QUOTE)
                    yield RateLine(tier, bracket.above_tokens, what, usd, "million tokens")

    def _fee_lines(self) -> Iterator[RateLine]:
        for tool, fee in self.fees.items():
            usd = self._usd(fee, CALLS_PER_QUOTE)
            yield RateLine("standard", -1, tool, usd, "thousand calls")
        if self.request_fee:
            usd = self._usd(self.request_fee, CALLS_PER_QUOTE)
            yield RateLine("standard", -1, "request", usd, "thousand calls")
        if self.audio_ms is not None:
            usd = self._usd(self.audio_ms, AUDIO_MS_PER_QUOTE)
            yield RateLine("standard", -1, "audio", usd, "hour")
        if self.character is not None:
            usd = self._usd(self.character, CHARACTERS_PER_QUOTE)
            yield RateLine("standard", -1, "text input", usd, "million characters")
        for kind, fee in self.image_fees.items():
            what = f"image {kind}".rstrip()
            yield RateLine("standard", -1, what, self._usd(fee, 1), "image")

    def _usd(self, rate: int, per: int) -> Decimal:
        return Decimal(rate * per) / (self.denominator * MICROCENTS_PER_USD)


def _may_be(wanted: tuple[str, str], priced: tuple[str, str]) -> bool:
    return all(
        not ours or not theirs or ours == theirs
        for ours, theirs in zip(wanted, priced, strict=True)
    )


_MAIN_RATES = {
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
    "cache_read_image": "cache_read",
}
"""The rate that another one repeats where it is not billed apart; else it is the input's."""


def _telling_rates(rates: Rates) -> Iterator[tuple[str, int]]:
    for each in fields(rates):
        rate = getattr(rates, each.name)
        main = _MAIN_RATES.get(each.name, "input")
        repeats = each.name not in ("input", "output") and rate == getattr(rates, main)
        if rate is not None and not repeats:
            yield each.name, rate
