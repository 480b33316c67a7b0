"""Published prices, and what it means when one is missing: quotes in, a rate card out.

A quote is what a price page says: USD per million tokens, USD per thousand calls, and
USD per hour of audio, million characters and image.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from math import lcm
from types import MappingProxyType

from pricing.card import (
    AUDIO_MS_PER_QUOTE,
    CALLS_PER_QUOTE,
    CHARACTERS_PER_QUOTE,
    MICROCENTS_PER_USD,
    TOKENS_PER_QUOTE,
    Bracket,
    RateCard,
    Rates,
)

BASE = -1
"""`above_tokens` of the price that holds from the first token on."""

Steps = tuple[tuple[int, Decimal], ...]
"""(above_tokens, USD per million tokens), ascending, the first at BASE."""

PriceList = Mapping[str, Steps]
"""Steps by the name of a field of `Rates`. With any, `input` is there; none prices no token."""

Exact = dict[str, Decimal | None]
RATES = tuple(each.name for each in fields(Rates))


@dataclass(frozen=True, slots=True)
class Quote:
    """All prices of one model at one instant. Fees are USD per thousand calls.

    `audio_hour` and `characters_million` are USD for so much, None where that has no price;
    `image_fees` USD per image, by "size/quality".
    """

    standard: PriceList
    service_tiers: Mapping[str, PriceList] = field(default_factory=dict)
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    request_fee: Decimal = Decimal(0)
    audio_hour: Decimal | None = None
    characters_million: Decimal | None = None
    image_fees: Mapping[str, Decimal] = field(default_factory=dict)


def flat(usd_per_mtok: Decimal) -> Steps:
    """One price for every input length."""
    return ((BASE, usd_per_mtok),)


def card_of(
    model: str,
    source: str,
    quotes: Sequence[Quote],
    *,
    audio_as_text: bool,
    is_override: bool = False,
) -> RateCard:
    """The card of a model whose price is one of `quotes`: every rate the dearest of them.

    `audio_as_text`: a missing audio price means the text price, not an unknown one.
    A tier or a fee that one of the quotes lacks is not priced at all.
    """
    standard = _dearest([quote.standard for quote in quotes], audio_as_text)
    tiers = {
        tier: _dearest([quote.service_tiers[tier] for quote in quotes], audio_as_text)
        for tier in _common(quote.service_tiers for quote in quotes)
    }
    fees = _dearest_fees([quote.fees for quote in quotes])
    image_fees = _dearest_fees([quote.image_fees for quote in quotes])
    request_fee = max(quote.request_fee for quote in quotes)
    audio_hour = _max(quote.audio_hour for quote in quotes)
    characters_million = _max(quote.characters_million for quote in quotes)

    all_brackets = (standard, *tiers.values())
    token_usd = [usd for each in all_brackets for _, exact in each for usd in exact.values()]
    scale = _Scale(
        (TOKENS_PER_QUOTE, token_usd),
        (CALLS_PER_QUOTE, [*fees.values(), request_fee]),
        (1, image_fees.values()),
        (AUDIO_MS_PER_QUOTE, [audio_hour]),
        (CHARACTERS_PER_QUOTE, [characters_million]),
    )
    return RateCard(
        model=model,
        source=source,
        denominator=scale.denominator,
        standard=scale.brackets(standard),
        service_tiers=MappingProxyType(
            {tier: scale.brackets(brackets) for tier, brackets in tiers.items()}
        ),
        fees=scale.fees(fees, CALLS_PER_QUOTE),
        request_fee=scale.fee(request_fee, CALLS_PER_QUOTE),
        audio_ms=scale.rate(audio_hour, AUDIO_MS_PER_QUOTE),
        character=scale.rate(characters_million, CHARACTERS_PER_QUOTE),
        image_fees=scale.fees(image_fees, 1),
        is_override=is_override,
    )


def _dearest_fees(quoted: Sequence[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    return {name: max(fees[name] for fees in quoted) for name in _common(quoted)}


def _common(maps: Iterable[Mapping[str, object]]) -> list[str]:
    first, *rest = maps
    return [key for key in first if all(key in other for other in rest)]


def _dearest(lists: Sequence[PriceList], audio_as_text: bool) -> list[tuple[int, Exact]]:
    """Complete prices for each input length at which some list changes, the dearest of all.

    None at all where one of the lists prices no token.
    """
    edges = sorted({above for prices in lists for steps in prices.values() for above, _ in steps})
    brackets: list[tuple[int, Exact]] = []
    if not all(lists):
        return brackets
    for above in edges:
        complete = [_complete(_at(prices, above), audio_as_text) for prices in lists]
        brackets.append((above, {each: _max(exact[each] for exact in complete) for each in RATES}))
    return brackets


def _at(prices: PriceList, above_tokens: int) -> dict[str, Decimal]:
    return {
        name: [usd for above, usd in steps if above <= above_tokens][-1]
        for name, steps in prices.items()
    }


def _complete(prices: Mapping[str, Decimal], audio_as_text: bool) -> Exact:
    """Fill in what a price page leaves out because it is not billed apart."""
    text, output = prices["input"], prices.get("output")
    # A cache that costs to write costs more to keep: its long lifetime cannot be guessed.
    long_write = None if "cache_write" in prices else text
    input_audio = prices.get("input_audio", text if audio_as_text else None)
    cache_read, input_image = prices.get("cache_read", text), prices.get("input_image", text)
    cached_image = input_image if "input_image" in prices else cache_read
    return {
        "input": text,
        "cache_read": cache_read,
        "cache_write": prices.get("cache_write", text),
        "cache_write_1h": prices.get("cache_write_1h", long_write),
        "input_image": input_image,
        "cache_read_image": prices.get("cache_read_image", cached_image),
        "input_audio": input_audio,
        "cache_read_audio": prices.get("cache_read_audio", input_audio),
        "output": output,
        "reasoning": prices.get("reasoning", output),
        "output_audio": prices.get("output_audio", output if audio_as_text else None),
        "output_image": prices.get("output_image", output),
    }


def _max(values: Iterable[Decimal | None]) -> Decimal | None:
    """The dearest; unknown when one of them is."""
    dearest = Decimal(0)
    for value in values:
        if value is None:
            return None
        dearest = max(dearest, value)
    return dearest


class _Scale:
    """The denominator that makes quoted prices whole numbers, and these numbers."""

    def __init__(self, *quoted: tuple[int, Iterable[Decimal | None]]) -> None:
        """`quoted` are prices in USD by how many units each of them is for."""
        exact = [
            _microcents(usd, per) for per, prices in quoted for usd in prices if usd is not None
        ]
        self.denominator = lcm(*(rate.denominator for rate in exact))

    def fee(self, usd: Decimal, per: int) -> int:
        return int(_microcents(usd, per) * self.denominator)

    def rate(self, usd: Decimal | None, per: int) -> int | None:
        return None if usd is None else self.fee(usd, per)

    def fees(self, usd: Mapping[str, Decimal], per: int) -> Mapping[str, int]:
        return MappingProxyType({name: self.fee(fee, per) for name, fee in usd.items()})

    def brackets(self, quoted: list[tuple[int, Exact]]) -> tuple[Bracket, ...]:
        scaled = []
        for above, exact in quoted:
            rates = {name: self.rate(usd, TOKENS_PER_QUOTE) for name, usd in exact.items()}
            # Only rates that may be None are, see _complete; a dict cannot say so.
            scaled.append(Bracket(above, Rates(**rates)))  # type: ignore[arg-type]
        return tuple(scaled)


def _microcents(usd: Decimal, per: int) -> Fraction:
    return Fraction(usd) * MICROCENTS_PER_USD / per
