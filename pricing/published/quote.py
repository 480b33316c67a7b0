"""Published prices, and what it means when one is missing: quotes in, a rate card out.

A quote is what a price page says: USD per million tokens, USD per thousand calls.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from math import lcm
from types import MappingProxyType

from pricing.card import (
    CALLS_PER_QUOTE,
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
"""Steps by the name of a field of `Rates`; `input` is always there."""

Exact = dict[str, Decimal | None]
RATES = tuple(each.name for each in fields(Rates))

MICROCENTS_PER_QUOTED_TOKEN_USD = MICROCENTS_PER_USD // TOKENS_PER_QUOTE
MICROCENTS_PER_QUOTED_CALL_USD = MICROCENTS_PER_USD // CALLS_PER_QUOTE


@dataclass(frozen=True, slots=True)
class Quote:
    """All prices of one model at one instant. Fees are USD per thousand calls."""

    standard: PriceList
    service_tiers: Mapping[str, PriceList] = field(default_factory=dict)
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    request_fee: Decimal = Decimal(0)


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
    fees = {
        tool: max(quote.fees[tool] for quote in quotes)
        for tool in _common(quote.fees for quote in quotes)
    }
    request_fee = max(quote.request_fee for quote in quotes)

    token_usd = [
        usd
        for brackets in (standard, *tiers.values())
        for _, exact in brackets
        for usd in exact.values()
        if usd is not None
    ]
    denominator = _denominator(token_usd, [*fees.values(), request_fee])
    return RateCard(
        model=model,
        source=source,
        denominator=denominator,
        standard=_scaled(standard, denominator),
        service_tiers=MappingProxyType(
            {tier: _scaled(brackets, denominator) for tier, brackets in tiers.items()}
        ),
        fees=MappingProxyType({tool: _fee(usd, denominator) for tool, usd in fees.items()}),
        request_fee=_fee(request_fee, denominator),
        is_override=is_override,
    )


def _common(maps: Iterable[Mapping[str, object]]) -> list[str]:
    first, *rest = maps
    return [key for key in first if all(key in other for other in rest)]


def _dearest(lists: Sequence[PriceList], audio_as_text: bool) -> list[tuple[int, Exact]]:
    """Complete prices for each input length at which some list changes, the dearest of all."""
    edges = sorted({above for prices in lists for steps in prices.values() for above, _ in steps})
    brackets = []
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
    return {
        "input": text,
        "cache_read": prices.get("cache_read", text),
        "cache_write": prices.get("cache_write", text),
        "cache_write_1h": prices.get("cache_write_1h", long_write),
        "input_image": prices.get("input_image", text),
        "input_audio": input_audio,
        "cache_read_audio": prices.get("cache_read_audio", input_audio),
        "output": output,
        "reasoning": prices.get("reasoning", output),
        "output_audio": prices.get("output_audio", output if audio_as_text else None),
    }


def _max(values: Iterable[Decimal | None]) -> Decimal | None:
    """The dearest; unknown when one of them is."""
    dearest = Decimal(0)
    for value in values:
        if value is None:
            return None
        dearest = max(dearest, value)
    return dearest


def _denominator(token_usd: Iterable[Decimal], call_usd: Iterable[Decimal]) -> int:
    rates = [
        *(Fraction(usd) * MICROCENTS_PER_QUOTED_TOKEN_USD for usd in token_usd),
        *(Fraction(usd) * MICROCENTS_PER_QUOTED_CALL_USD for usd in call_usd),
    ]
    return lcm(*(rate.denominator for rate in rates))


def _scaled(brackets: list[tuple[int, Exact]], denominator: int) -> tuple[Bracket, ...]:
    scaled = []
    for above, exact in brackets:
        rates = {name: _rate(usd, denominator) for name, usd in exact.items()}
        # Only rates that may be None are, see _complete; a dict cannot say so.
        scaled.append(Bracket(above, Rates(**rates)))  # type: ignore[arg-type]
    return tuple(scaled)


def _rate(usd: Decimal | None, denominator: int) -> int | None:
    if usd is None:
        return None
    return int(Fraction(usd) * MICROCENTS_PER_QUOTED_TOKEN_USD * denominator)


def _fee(usd: Decimal, denominator: int) -> int:
    return int(Fraction(usd) * MICROCENTS_PER_QUOTED_CALL_USD * denominator)
