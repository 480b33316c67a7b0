"""Step 2. The most a call can cost, as a plan: a ladder of ways to run it, dearest first.

The hold of every way is an upper bound, in money and in tokens: dearest admissible rates,
every output token up to the limit, times `n`. What the limit is, and where it has to be
written into the body, is decided here. Rules: docs/semantics.md, "The hold is a bound".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from pricing.bound import BoundClass, InputBound
from pricing.card import Unpriced
from pricing.catalogue import Catalogue, Model, UnknownModel
from pricing.cost import Terms, affordable_output
from pricing.drawing import count_drawn
from proxy.dialects.dialect import Dialect, Request
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit, usd
from proxy.gateway.candidates.amounts import held, plus, rung_of
from proxy.gateway.candidates.bodies import Bodies, Body
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.lacking import lacking
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.candidates.unbounded import unbounded_cost
from proxy.gateway.routes import Route, Routes
from proxy.gateway.tools.listed import ListedTool, ListedTools, held_for
from proxy.ledger.records import Rung
from proxy.policies import Wish

UNITS: Final = (Unit.USD_MICROCENTS, Unit.TOKENS)
"""What a call is held and charged in. Nothing that passes here has a price in the others."""


class Way(msgspec.Struct, frozen=True):
    """One way to run a call, at the upstream of its route.

    `rung` is in UNITS, in CALLS where those are counted, and in RISK_POINTS where tools have
    some. `request` is the call as policy leaves it for this model, `changed` says what policy
    changed in it. `output_tokens` is the limit for each of the `n` answers when all of `want`
    is granted; `writes_limit` says that the limit has to stand in the body, `hides_answers`
    that some of the `n` are paid for and never shown. `held_tokens` is how long an answer is
    held for where it may be longer, and the hold then grows. `tools` are those of the call
    that are listed: each is held for once in each answer.
    """

    rung: Rung
    route: Route
    model: Model
    bound: InputBound
    terms: Terms
    output_tokens: int
    writes_limit: bool
    request: Request
    changed: tuple[str, ...] = ()
    hides_answers: bool = False
    held_tokens: int | None = None
    tools: tuple[ListedTool, ...] = ()

    @property
    def for_tools(self) -> Mapping[Unit, int]:
        """What is held for the tools; units in which that is nothing are left out."""
        return held_for(self.tools, answers=self.terms["n"])

    def amounts_for(self, output_tokens: int) -> Mapping[Unit, int]:
        """The most that answers of this length are billed as, in each unit."""
        counted = {unit: span.want for unit, span in self.rung.items()}
        billed = held(self.model, self.bound, self.terms, output_tokens)
        return counted | plus(billed, self.for_tools)

    def most_of(self, amounts: Mapping[Unit, int]) -> Mapping[Unit, int]:
        """What the call can be billed as at most, where it leaves with a grant of these."""
        return amounts if self.held_tokens is None else self.amounts_for(self.output_tokens)

    def output_tokens_for(self, amounts: Mapping[Unit, int]) -> int:
        """The longest answer that a grant of these amounts pays for, in each of its units."""
        return min([self.affordable_tokens(unit, amount) for unit, amount in amounts.items()])

    def paid_tokens(self, amounts: Mapping[Unit, int]) -> int:
        """The longest answer that a hold of these amounts pays for, however it came to them."""
        if self.held_tokens is None:
            return self.output_tokens_for(amounts)
        paid = [self.payable_tokens(unit, amounts[unit]) for unit in UNITS]
        return min(self.output_tokens, *paid)

    def affordable_tokens(self, unit: Unit, amount: int) -> int:
        """The longest answer whose hold in this unit is within `amount`; 0 for none."""
        if amount >= self.rung[unit].want or not self.output_tokens:
            return self.output_tokens
        if unit not in UNITS:
            return 0
        return self.payable_tokens(unit, amount)

    def payable_tokens(self, unit: Unit, amount: int) -> int:
        """The same, whatever the call allows an answer."""
        if unit is Unit.TOKENS:
            left = (amount - self.bound.total_tokens) // self.terms["n"]
            return max(0, left - self.terms.get("prediction_tokens", 0))
        amount -= self.for_tools.get(unit, 0)
        return affordable_output(self.model.card, self.bound, amount=amount, **self.terms) or 0


_ONE_CALL: Final[dict[Unit, int]] = {Unit.CALLS: 1}
_MONEY: Final = Unit.USD_MICROCENTS
_FREE_OF_CHARGE: Final = frozenset({_MONEY})
_NOT_FREE: Final[frozenset[Unit]] = frozenset()


class Plan(msgspec.Struct, frozen=True):
    """The ladder of a call in one dialect, and what it costs nothing of.

    `skipped` are models that might have stood in, each with what it lacks for this call;
    `policy` is the one that decided about the wish.
    """

    api: str
    ways: tuple[Way, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    policy: str | None = None

    @property
    def rungs(self) -> tuple[Rung, ...]:
        return tuple([way.rung for way in self.ways])

    @property
    def estimate(self) -> int:
        """What the first rung would hold, in microcents."""
        return self.ways[0].rung[Unit.USD_MICROCENTS].want

    @property
    def free(self) -> frozenset[Unit]:
        """Money, for a call that costs none however it runs. Its tokens count all the same."""
        if all([way.model.card.free and not way.for_tools.get(_MONEY) for way in self.ways]):
            return _FREE_OF_CHARGE
        return _NOT_FREE

    def affordable_max_tokens(self, unit: Unit, remaining: int) -> int:
        """The longest answer that `remaining` would pay for, on the cheapest way; 0 for none."""
        way = self.ways[-1]
        return min(way.affordable_tokens(unit, remaining), way.output_tokens)


class Estimator:
    """Makes plans."""

    def __init__(
        self,
        catalogue: Catalogue,
        counter: Counter,
        degrade: Degrade,
        routes: Routes,
        ceilings: Ceilings,
        tools: ListedTools | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._counter = counter
        self._degrade = degrade
        self.routes = routes
        self._ceilings = ceilings
        self._tools = tools or ListedTools()

    async def plan(
        self,
        dialect: Dialect,
        request: Request,
        wish: Wish,
        *,
        at_ms: int,
        routes: Routes | None = None,
    ) -> Plan:
        """The ways to run this call, dearest first, from what policy left of the wish.

        Prices are the dearest in force from `at_ms` on, while the hold lasts. `routes` are those
        of a further attempt, where an upstream stands in for another.

        Raises:
            Refused: MODEL_NOT_SERVED, MODEL_NOT_PRICED, UNBOUNDED_COST, CALL_TOO_EXPENSIVE.
        """
        bodies = Bodies(dialect, request, wish, gives_notes=self._degrade.gives_notes)
        until_ms = at_ms + self._ceilings.hold_ms
        routes = routes or self.routes
        own_route = routes.of(request.model, deployment=request.deployment)
        ways: list[Way] = []
        skipped: list[tuple[str, str]] = []
        for name in self._candidates(request, wish):
            if ways and name == request.model:
                break
            is_own = name == request.model
            route = own_route if is_own else routes.stand_in(name, beside=own_route)
            if route is None:
                continue
            model = self._priced(name, route, at_ms, until_ms)
            body = await bodies.body_for(model)
            bound = await self._counter.count(dialect, body.request, model.profile)
            missing = lacking(model, body.request, bound)
            if missing is not None and name != request.model:
                skipped.append((name, missing))
                continue
            ways.extend(self._ways(body, wish, route, model, bound))
        return Plan(dialect.name, tuple(self._under_ceiling(ways)), tuple(skipped), wish.policy)

    def _candidates(self, request: Request, wish: Wish) -> Iterator[str]:
        """The wish, its stand-ins, and the caller's own model should none of them serve."""
        wished = wish.model or request.model
        yield wished
        if self._degrade.shorten:
            chain = self._degrade.fallback_models.get(wished, ())
            yield from filter(wish.limits.allows_model, chain)
        if wished != request.model:
            yield request.model

    def _priced(self, name: str, route: Route, from_ms: int, until_ms: int) -> Model:
        try:
            return self._catalogue.model(
                name, provider=route.provider, from_ms=from_ms, until_ms=until_ms
            )
        except UnknownModel as unknown:
            near = f" Did you mean {', '.join(unknown.near)}?" if unknown.near else ""
            raise Refused(
                Reason.MODEL_NOT_PRICED,
                f"No price is known for model {name!r}.{near} "
                "Price it under pricing.overrides, or mark it `free: true`.",
                param="model",
            ) from None

    def _ways(
        self, body: Body, wish: Wish, route: Route, model: Model, bound: InputBound
    ) -> Sequence[Way]:
        """The model in full, then shortened."""
        try:
            return self._priced_ways(body, wish, route, model, bound)
        except Unpriced as unpriced:
            raise Refused(Reason.MODEL_NOT_PRICED, f"{unpriced}.", param="model") from None

    def _priced_ways(
        self, body: Body, wish: Wish, route: Route, model: Model, bound: InputBound
    ) -> Sequence[Way]:
        request, calls = body.request, _ONE_CALL if self._ceilings.counts_calls else {}
        terms = self._terms(request, route)
        limit, writes = self._limit(request, wish, model, bound, terms)
        full = held(model, bound, terms, limit)
        if bound.bound_class is BoundClass.NONE and not _is_measured(request, model):
            full = self._unseen_held(request, model, bound, full)
        tools = self._tools.among(request.tools)
        for_tools = held_for(tools, answers=request.n)
        full = plus(full, for_tools)
        way = Way(
            rung=rung_of(full, full | calls),
            route=route,
            model=model,
            bound=bound,
            terms=terms,
            output_tokens=limit,
            writes_limit=writes,
            request=request,
            changed=body.changed,
            hides_answers=request.hides_answers,
            tools=tools,
        )
        least = self._degrade.min_output_tokens + self._thought_tokens(request, model)
        is_bound = bound.bound_class is not BoundClass.NONE
        if self._degrade.shorten and is_bound and least < limit and request.may_be_limited:
            minimum = plus(held(model, bound, terms, least), for_tools)
            rung = rung_of(minimum, full | calls)
            return [way, replace(way, rung=rung, writes_limit=True)]
        return [way]

    def _thought_tokens(self, request: Request, model: Model) -> int:
        """What a thought that nobody sees takes of the limit before the answer begins."""
        thinks = model.profile.hidden_output and request.reasoning_effort != "none"
        return max(request.thinking_tokens, self._degrade.min_reasoning_tokens if thinks else 0)

    def _unseen_held(
        self, request: Request, model: Model, bound: InputBound, counted: dict[Unit, int]
    ) -> dict[Unit, int]:
        """What is held for input that nothing bounds: the amount that was named for it.

        It names no tokens: those that were counted are held, and the call may pass them.

        Raises:
            Refused: UNBOUNDED_COST, when no amount is named.
        """
        named = self._unbounded(request, bound)
        if model.card.free:
            return counted
        money = Unit.USD_MICROCENTS
        return {**counted, money: max(counted[money], named)}

    def _limit(
        self, request: Request, wish: Wish, model: Model, bound: InputBound, terms: Terms
    ) -> tuple[int, bool]:
        """The output limit of the call in full, and whether it has to stand in the body.

        A stand-in may know the caller's limit by another field, or allow less: it is written
        anew. What is written leaves room for the input.
        """
        if not request.generates or _is_measured(request, model):
            return 0, False
        if request.draws is not None and model.profile.drawing_rule is not None:
            tokens = count_drawn(model.profile.drawing_rule, request.draws)
            return tokens or self._limit_by_window(request, model, bound, terms), False
        may_write = request.may_be_limited
        asked, own = request.max_output_tokens, model.profile.max_output_tokens
        limit = _least(asked, wish.max_tokens if may_write else None, own)
        if limit is None:
            limit = self._limit_by_window(request, model, bound, terms)
        is_for_another = asked is not None and model.name != request.model
        writes = may_write and (own is None or limit < own or is_for_another)
        if writes and (is_for_another or limit != asked):
            limit = min(limit, _room(model, bound) or limit)
        return limit, writes

    def _limit_by_window(
        self, request: Request, model: Model, bound: InputBound, terms: Terms
    ) -> int:
        """The output limit where neither the call nor the model has one."""
        if model.profile.context_window is not None:
            return _room(model, bound) or 1
        amount = self._unbounded(request, bound)
        return max(1, affordable_output(model.card, bound, amount=amount, **terms) or 0)

    def _unbounded(self, request: Request, bound: InputBound) -> int:
        """What is held for a call that nothing bounds.

        Raises:
            Refused: UNBOUNDED_COST, when nothing may be.
        """
        if self._ceilings.unbounded_microcents is None:
            raise unbounded_cost(request, bound)
        return self._ceilings.unbounded_microcents

    def _terms(self, request: Request, route: Route) -> Terms:
        """What else decides the dearest price: None is the standard service tier."""
        return Terms(
            n=request.n,
            service_tiers=_service_tiers(request.service_tier, route),
            audio_output=request.asks_audio,
            prediction_tokens=len(request.body) if request.has_prediction else 0,
            tool_calls=request.paid_tool_calls,
            cache_write=request.caches,
            cache_write_1h=request.caches_long,
            images=request.images,
            audio_ms=request.audio_ms,
            characters=request.characters,
            multiplier=route.multiplier * request.surcharge,
        )

    def _under_ceiling(self, ways: list[Way]) -> list[Way]:
        """The ways that `limits.max_usd_per_call` leaves open.

        Raises:
            Refused: CALL_TOO_EXPENSIVE, when it leaves none.
        """
        ceiling = self._ceilings.max_microcents_per_call
        if ceiling is None:
            return ways
        money = Unit.USD_MICROCENTS
        open_ways = [way for way in ways if way.rung[money].want <= ceiling]
        if not open_ways:
            raise Refused(
                Reason.CALL_TOO_EXPENSIVE,
                f"This call can cost ${usd(ways[-1].rung[money].minimum)}; a call may cost at most "
                f"${usd(ceiling)} (limits.max_usd_per_call). Do not retry.",
            )
        return open_ways


def _is_measured(request: Request, model: Model) -> bool:
    """Whether the model is paid by the length or the number of things, and not by tokens."""
    return not model.card.standard and bool(
        request.images or request.audio_ms or request.characters
    )


def _service_tiers(asked: str | None, route: Route) -> frozenset[str | None]:
    """Every tier that may serve a call: the one it asks for may have no room for it."""
    if asked is None or asked == "auto":
        return route.auto_tiers
    return frozenset({None if asked == "default" else asked, None})


def _least(*limits: int | None) -> int | None:
    return min([limit for limit in limits if limit is not None], default=None)


def _room(model: Model, bound: InputBound) -> int | None:
    """What the counted input leaves of the window; None where that is unknown, or nothing."""
    window = model.profile.context_window
    counted_tokens = bound.total_tokens - bound.unseen_tokens
    return window - counted_tokens if window is not None and window > counted_tokens else None
