"""The prices that a hold takes, and why these: the dearest at which the call may be billed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from msgspec import structs

from pricing.bound import BoundClass, InputBound
from pricing.card import Bracket, RateCard, Rates, Unpriced
from pricing.cost import Terms, hold
from proxy.domain.money import usd
from proxy.gateway.estimate import Way

_MILLION: Final = 1_000_000
_FIRST_TOKEN: Final = -1
_STANDARD: Final = frozenset({None})
_ONE: Final = Fraction(1)
_NO_INPUT: Final = InputBound(0, 0, 0, 0, BoundClass.EXACT, ())

_TEXT: Final = ("input", "cache_read", "cache_write")
_IMAGE: Final = (*_TEXT, "input_image", "cache_read_image")
_AUDIO: Final = (*_TEXT, "input_audio", "cache_read_audio")
_UNSEEN: Final = (*_IMAGE, "input_audio", "cache_read_audio")
_OUTPUT: Final = ("output", "reasoning", "output_image")
_SPOKEN: Final = (*_OUTPUT, "output_audio")


@dataclass(frozen=True, slots=True)
class TakenRate:
    """So many tokens of a kind at so many microcents a million; `why` names the rivals."""

    what: str
    tokens: int
    microcents_per_mtok: int
    why: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a way is priced at when all that it wants is granted.

    `above_tokens` -1 is the price that holds from the first token on. `fees_microcents` is
    for the request, for built-in tools and for what is no token (images, audio by time, text
    by character), before the multiplier.
    """

    service_tier: str
    tiers: tuple[str, ...]
    above_tokens: int
    rates: tuple[TakenRate, ...]
    fees_microcents: int
    multiplier: Fraction


def taken(way: Way) -> Taken:
    """The tier, the bracket and the rates of this way's hold."""
    card, terms = way.model.card, way.terms
    tiers = tuple(sorted(tier or "standard" for tier in terms["service_tiers"]))
    if card.free:
        return Taken("standard", tiers, _FIRST_TOKEN, (), 0, _ONE)
    multiplier = terms.get("multiplier", _ONE)
    if not card.standard:
        return Taken("standard", tiers, _FIRST_TOKEN, (), _fees(way), multiplier)
    tier, bracket = max(_reachable(way), key=lambda reached: _held(way, reached[1]))
    return Taken(
        service_tier=tier or "standard",
        tiers=tiers,
        above_tokens=bracket.above_tokens,
        rates=tuple(_rates(way, bracket)),
        fees_microcents=_fees(way),
        multiplier=multiplier,
    )


def _reachable(way: Way) -> Iterator[tuple[str | None, Bracket]]:
    """Every price list that some input within the bound can meet."""
    for tier in way.terms["service_tiers"]:
        for bracket in way.model.card.brackets(tier):
            if bracket.above_tokens < way.bound.total_tokens:
                yield tier, bracket


def _held(way: Way, bracket: Bracket) -> int:
    """The hold, if this bracket were all there is."""
    terms = Terms(**(way.terms | {"service_tiers": _STANDARD}))
    card = _only(way.model.card, bracket)
    return hold(card, way.bound, output_tokens=way.output_tokens, **terms)


def _only(card: RateCard, bracket: Bracket) -> RateCard:
    from_the_first = replace(bracket, above_tokens=_FIRST_TOKEN)
    return replace(card, standard=(from_the_first,), service_tiers={})


def _fees(way: Way) -> int:
    """What is billed apart from the tokens: the request, its tools, its images and the like."""
    terms = Terms(**(way.terms | {"prediction_tokens": 0, "multiplier": _ONE}))
    try:
        return hold(way.model.card, _NO_INPUT, output_tokens=0, **terms)
    except Unpriced:
        # The card bills by token what it could bill by number or length.
        return hold(way.model.card, _NO_INPUT, output_tokens=0, **_by_token(terms))


def _rates(way: Way, bracket: Bracket) -> Iterator[TakenRate]:
    """One line for each kind of token that the call may have."""
    card = replace(_only(way.model.card, bracket), request_fee=0)
    terms = _by_token(way.terms)
    terms = Terms(
        **(
            terms
            | {
                "n": 1,
                "service_tiers": _STANDARD,
                "prediction_tokens": 0,
                "tool_calls": {},
                "multiplier": _ONE,
            }
        )
    )
    bound = way.bound
    kinds: tuple[tuple[str, int, InputBound, Sequence[str]], ...] = (
        ("text input", bound.text_tokens, _million("text_tokens"), _TEXT),
        ("image input", bound.image_tokens, _million("image_tokens"), _IMAGE),
        ("audio input", bound.audio_tokens, _million("audio_tokens"), _AUDIO),
        ("unseen input", bound.unseen_tokens, _million("unseen_tokens"), _UNSEEN),
    )
    for what, tokens, million, rivals in kinds:
        if tokens:
            dearest = hold(card, million, output_tokens=0, **terms)
            yield TakenRate(what, tokens, dearest, _why(card, bracket.rates, rivals))
    dearest = hold(card, _NO_INPUT, output_tokens=_MILLION, **terms)
    tokens = way.terms["n"] * (way.output_tokens + way.terms.get("prediction_tokens", 0))
    spoken = _SPOKEN if way.terms.get("audio_output", False) else _OUTPUT
    yield TakenRate("output", tokens, dearest, _why(card, bracket.rates, spoken))


def _by_token(terms: Terms) -> Terms:
    return Terms(**(terms | {"images": {}, "audio_ms": 0, "characters": 0}))


def _million(kind: str) -> InputBound:
    return structs.replace(_NO_INPUT, **{kind: _MILLION})


def _why(card: RateCard, rates: Rates, rivals: Sequence[str]) -> str:
    """What the rate was the dearest of; the first name alone where they are all the same."""
    known = {name: rate for name in rivals if (rate := getattr(rates, name)) is not None}
    if len(set(known.values())) == 1:
        return rivals[0].replace("_", " ")
    priced = (
        f"{name.replace('_', ' ')} ${usd(rate * _MILLION // card.denominator)}"
        for name, rate in known.items()
    )
    return f"dearest of {', '.join(priced)}"
