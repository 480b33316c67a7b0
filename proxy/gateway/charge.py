"""What a call did cost, by the price of the model that served it.

Source: docs/semantics.md, "Settlement by outcome"; field-report 45-54.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec.structs import replace

from pricing.card import Unpriced
from pricing.catalogue import Catalogue, Model, UnknownModel
from pricing.cost import Terms, cost, hold
from pricing.usage import Usage, image_kind, sides_of
from proxy.dialects.answer import Answer
from proxy.dialects.dialect import Dialect
from proxy.domain.clock import Clock
from proxy.domain.money import Unit, usd
from proxy.gateway.candidates.amounts import plus
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.ending import (
    Charge,
    Charged,
    Ending,
    GivenBack,
    KeepUncertain,
    LeftUncertain,
    Outcome,
    Release,
    Sentence,
    judge,
)
from proxy.gateway.estimate import UNITS, Way
from proxy.gateway.tools.listed import calls_in, charged_for

_SNAPSHOT: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})")
"""What a provider adds to a model's name when it names the version that served."""

_TOKENS_PER_CHOICE: Final = 4
"""What ends an answer and frames it: billed as output, never delivered as text."""


_NOTHING: Final = dict.fromkeys(UNITS, 0)


class Pricer:
    """Prices what was used or delivered."""

    def __init__(
        self,
        catalogue: Catalogue,
        counter: Counter,
        clock: Clock,
        *,
        missing_usage: Literal["counted", "hold"],
    ) -> None:
        self._catalogue = catalogue
        self._counter = counter
        self._clock = clock
        self._missing_usage = missing_usage

    async def sentence(
        self,
        dialect: Dialect,
        ending: Ending,
        answer: Answer | None,
        *,
        way: Way,
        held: Mapping[Unit, int],
    ) -> Sentence:
        """What the ending of a call does to its hold of `held`, in numbers.

        Usage that has no price (a kind of token the rate card does not know) charges the
        hold, marked estimated: never less than was held, never an error at the end of a
        call that has already been billed.
        """
        model = self.served_model(way, answer)
        ending, answer = _with_known_usage(ending, answer, way, model)
        verdict = judge(
            ending,
            hidden_output=(
                way.hides_answers or way.model.profile.hidden_output or model.profile.hidden_output
            ),
            missing_usage=self._missing_usage,
        )
        if isinstance(verdict, Release):
            return GivenBack()
        if isinstance(verdict, KeepUncertain):
            return LeftUncertain()
        used = charged_for(way.tools, calls_in(way.tools, answer))
        try:
            actual = await self._actual(dialect, verdict.charge, held, way, model, answer, used)
        except Unpriced:
            return Charged(held, estimated=True, model=model.name)
        return Charged(
            actual,
            estimated=verdict.estimated,
            model=model.name,
            fees=used.get(Unit.USD_MICROCENTS, 0),
        )

    def reported_usd(self, dialect: Dialect, way: Way, answer: Answer) -> str | None:
        """What the usage that an answer reports costs; None without one that has a price."""
        if answer.usage is None:
            return None
        model = self.served_model(way, answer)
        used = charged_for(way.tools, calls_in(way.tools, answer))
        try:
            cost_microcents = self._cost(dialect, answer.usage, way, model, answer.service_tier)
        except Unpriced:
            return None
        return usd(cost_microcents + used.get(Unit.USD_MICROCENTS, 0))

    def served_model(self, way: Way, answer: Answer | None) -> Model:
        """The model that did the work: the one the answer names, where it has a price.

        A dated snapshot of an overridden model keeps the override.
        """
        named = answer.model if answer is not None else None
        if named is None or named == way.model.name:
            return way.model
        is_snapshot = named.startswith(way.model.name) and _SNAPSHOT.fullmatch(
            named[len(way.model.name) :]
        )
        if is_snapshot and way.model.card.is_override:
            return way.model
        at_ms = self._clock.now_ms()
        try:
            return self._catalogue.model(
                named, provider=way.route.provider, from_ms=at_ms, until_ms=at_ms
            )
        except UnknownModel:
            return way.model

    async def _actual(
        self,
        dialect: Dialect,
        charge: Charge,
        held: Mapping[Unit, int],
        way: Way,
        model: Model,
        answer: Answer | None,
        used: Mapping[Unit, int],
    ) -> Mapping[Unit, int]:
        """What the model is billed for, and the calls of tools beside it."""
        if answer is None:
            return held
        billed: Mapping[Unit, int] = _NOTHING
        if answer.usage is not None:
            billed = {
                Unit.USD_MICROCENTS: self._cost(
                    dialect, answer.usage, way, model, answer.service_tier
                ),
                Unit.TOKENS: _tokens(answer.usage, cached_in_input=dialect.cached_in_input),
            }
        least = _in_units_of(held, plus(billed, used))
        if charge is Charge.USAGE:
            return least
        if charge is Charge.HOLD or not answer.countable:
            least = {unit: max(held[unit], amount) for unit, amount in least.items()}
        counted = plus(await self._by_count(way, model, answer, held=held), used)
        return {unit: max(amount, counted.get(unit, 0)) for unit, amount in least.items()}

    def _cost(
        self, dialect: Dialect, usage: Usage, way: Way, model: Model, service_tier: str | None
    ) -> int:
        """By what the upstream says it billed, or by what it counted."""
        if usage.billed_microcents is not None and way.route.says_what_it_bills:
            return usage.billed_microcents
        return cost(
            model.card,
            _with_what_was_asked(usage, way.terms),
            cached_in_input=dialect.cached_in_input,
            service_tier=_tier(service_tier),
            multiplier=way.terms.get("multiplier", way.route.multiplier),
        )

    async def _by_count(
        self, way: Way, model: Model, answer: Answer, *, held: Mapping[Unit, int]
    ) -> Mapping[Unit, int]:
        """The whole prompt at its dearest rate in the tier that served, and every token that came.

        What ends an answer and frames it counts toward its limit, so with all of it the call
        costs no more than was held, unless more was delivered.
        """
        tokens = await self._counter.count_texts(answer.delivered_texts(), model.profile)
        tokens += answer.delivered().sound_tokens
        choices = max(way.terms["n"], answer.choices)
        allowed = choices * way.paid_tokens(held)
        billed = max(tokens, min(tokens + choices * _TOKENS_PER_CHOICE, allowed))
        alone = Terms(**(way.terms | {"n": 1}))
        if answer.service_tier is not None:
            alone["service_tiers"] = frozenset({_tier(answer.service_tier)})
        return {
            Unit.USD_MICROCENTS: hold(model.card, way.bound, output_tokens=billed, **alone),
            Unit.TOKENS: way.bound.total_tokens + billed,
        }


def _with_known_usage(
    ending: Ending, answer: Answer | None, way: Way, model: Model
) -> tuple[Ending, Answer | None]:
    """Where no token has a price, the length of what went in may be all that is billed."""
    known = way.request.known_usage
    is_whole = ending.outcome is Outcome.COMPLETE and not ending.has_usage
    if answer is None or known is None or not is_whole or model.card.standard:
        return ending, answer
    return replace(ending, has_usage=True), replace(answer, usage=known)


def _with_what_was_asked(usage: Usage, terms: Terms) -> Usage:
    """What an answer leaves unsaid is as it was asked for.

    Of a tool that it does not count, every call is billed; an image is of the size and the
    quality that the call names.
    """
    calls, images = terms.get("tool_calls"), terms.get("images")
    if calls:
        usage = replace(usage, tool_calls={**calls, **usage.tool_calls})
    if images and usage.images:
        size, quality = sides_of(next(iter(images)))
        known: dict[str, int] = {}
        for told, count in usage.images.items():
            told_size, told_quality = sides_of(told)
            kind = image_kind(told_size or size, told_quality or quality)
            known[kind] = known.get(kind, 0) + count
        usage = replace(usage, images=known)
    return usage


def _in_units_of(held: Mapping[Unit, int], actual: Mapping[Unit, int]) -> Mapping[Unit, int]:
    """A charge in the units of the hold. Where calls are counted, one that was made is one."""
    amounts = {unit: actual.get(unit, 0) for unit in held}
    return {**amounts, Unit.CALLS: held[Unit.CALLS]} if Unit.CALLS in held else amounts


def _tokens(usage: Usage, *, cached_in_input: bool) -> int:
    tokens = usage.input_tokens + usage.output_tokens
    if not cached_in_input:
        tokens += usage.cache_read_tokens + usage.cache_write_tokens
    return tokens


def _tier(named: str | None) -> str | None:
    """A service tier as rate cards know it."""
    return None if named == "default" else named
