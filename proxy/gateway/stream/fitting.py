"""Holds as long as answers are likely to be, in place of the longest that there may be.

Only where what comes can be seen while it comes: streams of models that bill nothing hidden.
Source: docs/semantics.md, "A stream that outgrows its hold"; field-report 22.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from pricing.bound import BoundClass
from proxy.dialects.dialect import Request
from proxy.domain.money import Unit
from proxy.domain.scope import Scope, derive
from proxy.domain.subject import Subject
from proxy.gateway.estimate import Plan, Way
from proxy.gateway.stream.lengths import Kind, LearningRules, OutputLengths
from proxy.ledger.records import Span


class Fitting:
    """Makes plans that hold less, and learns from what came of them.

    `rules` None: every hold is for the worst case, and nothing is learned.
    """

    def __init__(self, lengths: OutputLengths, rules: LearningRules | None) -> None:
        self._lengths = lengths
        self.rules = rules

    def fit(self, plan: Plan, request: Request, subject: Subject) -> Plan:
        """The plan, holding less where answers of the kind are known to be shorter."""
        rules = self.rules
        if rules is None or not _is_seen(request):
            return plan
        scope = _scope_of(subject)
        ways = [
            self._fitted(way, Kind(way.model.name, plan.api, scope), rules) for way in plan.ways
        ]
        return replace(plan, ways=tuple(ways))

    def learn(self, way: Way, api: str, request: Request, subject: Subject, tokens: int) -> None:
        """The answers of a call came to so many output tokens."""
        if self.rules is None or not _is_seen(request) or not _may_grow(way):
            return
        kind = Kind(way.model.name, api, _scope_of(subject))
        self._lengths.note(kind, -(-tokens // way.terms["n"]))

    def _fitted(self, way: Way, kind: Kind, rules: LearningRules) -> Way:
        if not _may_grow(way):
            return way
        expected = self._lengths.expected(kind, rules)
        if expected is None:
            return way
        held_tokens = expected - -2 * rules.lookahead_tokens // way.terms["n"]
        if held_tokens >= way.output_tokens:
            return way
        amounts = way.amounts_for(held_tokens)
        return replace(way, rung=_all_of(amounts), held_tokens=held_tokens)


def _all_of(amounts: Mapping[Unit, int]) -> dict[Unit, Span]:
    return {unit: Span(amount, amount) for unit, amount in amounts.items()}


def _is_seen(request: Request) -> bool:
    """Whether all that is billed as output comes by, as text, while it is made."""
    return (
        request.stream
        and request.generates
        and not request.hides_answers
        and not request.has_prediction
        and not request.asks_audio
        and not request.paid_tool_calls
        and request.needs_tool_limit is None
    )


def _may_grow(way: Way) -> bool:
    """Whether it is the full length that is held for, and nothing but text comes of it."""
    is_full = all(span.minimum == span.want for span in way.rung.values())
    is_bounded = way.bound.bound_class is not BoundClass.NONE
    return is_full and is_bounded and not way.model.profile.hidden_output


def _scope_of(subject: Subject) -> Scope:
    """Who asks: whatever run it is in."""
    return derive(subject)[-1]
