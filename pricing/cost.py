"""Rates x quantities, rounded once, up: what a call did cost, can cost, and can still afford.

All amounts are int microcents (1 USD = 10**8). `hold` is an upper bound of `cost`: no call
whose usage stays within the bound and the terms can cost more (docs/semantics.md, holds).
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Required, TypedDict, Unpack

from pricing.bound import InputBound
from pricing.card import Bracket, RateCard, Rates, Unpriced
from pricing.measures import measured_amount
from pricing.usage import Usage

ONE = Fraction(1)
NONE_OF_THEM: Mapping[str, int] = {}
MORE_THAN_ANY_MODEL_WRITES = 2**31 - 1


def cost(
    card: RateCard,
    usage: Usage,
    *,
    cached_in_input: bool,
    service_tier: str | None,
    multiplier: Fraction = ONE,
) -> int:
    """What a provider bills for `usage`, in microcents, rounded up once.

    `cached_in_input`: whether `usage.input_tokens` already counts cached reads and writes
    (OpenAI: yes; Anthropic: no). It has no default: a wrong guess bills a cached prompt
    twice or not at all, and the numbers alone cannot show it (field report 45).
    `service_tier` is the one that served. Parts that exceed their whole are billed as parts.

    Raises:
        Unpriced: the usage holds something the card has no price for.
        ValueError: a count is negative.
    """
    _refuse_negative(usage)
    if card.free:
        return 0
    total = usage.input_tokens
    if not cached_in_input:
        total += usage.cache_read_tokens + usage.cache_write_tokens
    has_tokens = total > 0 or usage.output_tokens > 0
    reached = _reached(card.brackets(service_tier), total)

    amount = _fees(card, usage.tool_calls)
    amount += measured_amount(
        card,
        images=usage.images,
        audio_ms=usage.audio_ms,
        characters=usage.characters,
        has_tokens=has_tokens,
    )
    if reached:
        rates = reached[-1].rates
        amount += _input_amount(card, rates, usage, total) + _output_amount(card, rates, usage)
    return _rounded_up(amount, card, multiplier)


class Terms(TypedDict, total=False):
    """What else decides the dearest price of a call.

    n: answers asked for; the input is billed once, the output n times.
    service_tiers: every tier the call may be served on; None is the standard one.
    cache_write, cache_write_1h: whether the provider may bill writing its cache, by lifetime.
    audio_output: whether the answer may be spoken.
    prediction_tokens: rejected ones bill as output, in every answer.
    tool_calls: the most calls of each built-in tool that carries a fee.
    images: the most images of all answers, by "size/quality" as in a usage.
    audio_ms, characters: the most audio and text that may be billed by its length.
    multiplier: the upstream's, exact.
    """

    n: Required[int]
    service_tiers: Required[frozenset[str | None]]
    cache_write: bool
    cache_write_1h: bool
    audio_output: bool
    prediction_tokens: int
    tool_calls: Mapping[str, int]
    images: Mapping[str, int]
    audio_ms: int
    characters: int
    multiplier: Fraction


def hold(card: RateCard, bound: InputBound, *, output_tokens: int, **terms: Unpack[Terms]) -> int:
    """The most a call can cost, in microcents, rounded up once.

    `output_tokens` is the limit of one answer. What `bound` could not bound (class none) is
    not in the amount: whoever holds it decides that first.

    Raises:
        Unpriced: the call may use something the card has no price for.
    """
    if card.free:
        return 0
    answers = terms["n"]
    billed = answers * (output_tokens + terms.get("prediction_tokens", 0))
    ways = _admissible(card, bound, terms, writes=billed > 0)
    dearest = max([fixed + rate * billed for fixed, rate in ways])
    return _rounded_up(dearest, card, terms.get("multiplier", ONE))


def affordable_output(
    card: RateCard,
    bound: InputBound,
    *,
    amount: int,
    at_most: int = MORE_THAN_ANY_MODEL_WRITES,
    **terms: Unpack[Terms],
) -> int | None:
    """The longest answer, in tokens, whose hold is within `amount`; None when none is.

    The exact inverse of `hold`: one token more would not fit, unless `at_most` was reached.

    Raises:
        Unpriced: as `hold`.
    """
    if card.free:
        return at_most
    multiplier = terms.get("multiplier", ONE)
    # Rounding up never passes a whole amount, so the comparison may be made unrounded.
    spendable = amount * card.denominator * multiplier.denominator
    longest = at_most
    for fixed, rate in _admissible(card, bound, terms, writes=True):
        left = spendable - fixed * multiplier.numerator
        per_token = rate * terms["n"] * multiplier.numerator
        predicted = terms.get("prediction_tokens", 0)
        if per_token:
            longest = min(longest, left // per_token - predicted)
        elif left < 0:
            return None
    return longest if longest >= 0 else None


def _admissible(
    card: RateCard, bound: InputBound, terms: Terms, *, writes: bool
) -> list[tuple[int, int]]:
    """(all that is fixed, rate of an output token) for each way this call may be billed.

    A call that writes nothing needs no price for that, and its rate is 0. Every bracket that
    some input within the bound can reach counts, the short ones too: a provider may make long
    input cheaper.
    """
    apart = _fees(card, terms.get("tool_calls", NONE_OF_THEM)) + measured_amount(
        card,
        images=terms.get("images", NONE_OF_THEM),
        audio_ms=terms.get("audio_ms", 0),
        characters=terms.get("characters", 0),
        has_tokens=writes or bound.total_tokens > 0,
    )
    ways = [
        (
            apart + _dearest_input(card, bracket.rates, bound, terms),
            _dearest_output(card, bracket.rates, terms) if writes else 0,
        )
        for tier in terms["service_tiers"]
        for bracket in _reached(card.brackets(tier), bound.total_tokens)
    ]
    return ways or [(apart, 0)]


def _fees(card: RateCard, calls: Mapping[str, int]) -> int:
    """What is billed for each request, and for so many calls of each built-in tool."""
    if not calls:
        return card.request_fee
    return card.request_fee + sum(card.fee(tool) * count for tool, count in calls.items() if count)


def _dearest_input(card: RateCard, rates: Rates, bound: InputBound, terms: Terms) -> int:
    text = max(rates.input, rates.cache_read)
    if terms.get("cache_write", True):
        text = max(text, rates.cache_write)
    if terms.get("cache_write_1h", False):
        text = max(text, _long_cache_rate(card, rates))
    image = max(text, rates.input_image, rates.cache_read_image)
    audio = text
    if rates.input_audio is not None and rates.cache_read_audio is not None:
        audio = max(text, rates.input_audio, rates.cache_read_audio)
    elif bound.audio_tokens:
        raise Unpriced(card.model, "audio input", "add input_audio_per_mtok in pricing.overrides")
    return (
        text * bound.text_tokens
        + image * bound.image_tokens
        + audio * bound.audio_tokens
        + max(image, audio) * bound.unseen_tokens
    )


def _dearest_output(card: RateCard, rates: Rates, terms: Terms) -> int:
    spoken = 0
    if terms.get("audio_output", False):
        spoken = _audio_output_rate(card, rates)
    return max(*_output_rates(card, rates), rates.output_image or 0, spoken)


def _input_amount(card: RateCard, rates: Rates, usage: Usage, total: int) -> int:
    audio = max(usage.input_audio_tokens - usage.cache_read_audio_tokens, 0)
    image = max(usage.input_image_tokens - usage.cache_read_image_tokens, 0)
    read_apart = usage.cache_read_audio_tokens + usage.cache_read_image_tokens
    read = max(usage.cache_read_tokens - read_apart, 0)
    write_1h = usage.cache_write_1h_tokens
    write = max(usage.cache_write_tokens - write_1h, 0)
    apart = audio + image + read_apart + read + write + write_1h
    amount = (
        rates.input * max(total - apart, 0)
        + rates.cache_read * read
        + rates.cache_write * write
        + rates.input_image * image
        + rates.cache_read_image * usage.cache_read_image_tokens
    )
    if write_1h:
        amount += _long_cache_rate(card, rates) * write_1h
    if audio or usage.cache_read_audio_tokens:
        if rates.input_audio is None or rates.cache_read_audio is None:
            raise Unpriced(card.model, "audio input")
        amount += rates.input_audio * audio + rates.cache_read_audio * usage.cache_read_audio_tokens
    return amount


def _output_amount(card: RateCard, rates: Rates, usage: Usage) -> int:
    spoken, drawn = usage.output_audio_tokens, usage.output_image_tokens
    if not (usage.output_tokens or usage.reasoning_tokens or spoken or drawn):
        return 0
    text = max(usage.output_tokens - usage.reasoning_tokens - spoken - drawn, 0)
    output, reasoning = _output_rates(card, rates)
    amount = output * text + reasoning * usage.reasoning_tokens
    if spoken:
        amount += _audio_output_rate(card, rates) * spoken
    if drawn:
        amount += _image_output_rate(card, rates) * drawn
    return amount


def _long_cache_rate(card: RateCard, rates: Rates) -> int:
    if rates.cache_write_1h is None:
        raise Unpriced(card.model, "long-lived cache writes")
    return rates.cache_write_1h


def _output_rates(card: RateCard, rates: Rates) -> tuple[int, int]:
    """Of text, and of reasoning."""
    if rates.output is None or rates.reasoning is None:
        raise Unpriced(card.model, "output", "add output_per_mtok in pricing.overrides")
    return rates.output, rates.reasoning


def _audio_output_rate(card: RateCard, rates: Rates) -> int:
    if rates.output_audio is None:
        raise Unpriced(card.model, "audio output", "add output_audio_per_mtok in pricing.overrides")
    return rates.output_audio


def _image_output_rate(card: RateCard, rates: Rates) -> int:
    if rates.output_image is None:
        raise Unpriced(card.model, "image output", "add output_image_per_mtok in pricing.overrides")
    return rates.output_image


def _reached(brackets: tuple[Bracket, ...], input_tokens: int) -> list[Bracket]:
    return [bracket for bracket in brackets if bracket.above_tokens < input_tokens]


def _rounded_up(amount: int, card: RateCard, multiplier: Fraction) -> int:
    return -(-amount * multiplier.numerator // (card.denominator * multiplier.denominator))


def _refuse_negative(usage: Usage) -> None:
    for name in Usage.__struct_fields__:
        counted = getattr(usage, name)
        least = min(counted.values(), default=0) if isinstance(counted, Mapping) else counted
        if least is not None and least < 0:
            raise ValueError(f"{name} is negative")
