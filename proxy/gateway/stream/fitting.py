"""Holds as long as answers are likely to be, in place of the longest that there may be.

Only where what comes can be seen while it comes: streams of models that bill nothing hidden.
Source: docs/semantics.md, "A stream that outgrows its hold"; field-report 22.
"""

from msgspec.structs import replace

from pricing.bound import BoundClass
from proxy.dialects.answer import Answer
from proxy.dialects.dialect import Dialect, Request
from proxy.domain.scope import Scope, derive
from proxy.domain.subject import Subject
from proxy.gateway.estimate import Plan, Way
from proxy.gateway.outbox.unheld import Unheld
from proxy.gateway.stream.hold import GrowingHold
from proxy.gateway.stream.lengths import Kind, LearningRules, OutputLengths
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Grant, Span


class Fitting:
    """Makes plans that hold less, and learns from what came of them.

    `rules` None: every hold is for the worst case, and nothing is learned.
    """

    def __init__(self, lengths: OutputLengths, rules: LearningRules | None, ledger: Ledger) -> None:
        self._lengths = lengths
        self._rules = rules
        self._ledger = ledger

    def fit(self, plan: Plan, dialect: Dialect, request: Request, subject: Subject) -> Plan:
        """The plan, holding less where answers of the kind are known to be shorter."""
        rules = self._rules
        if rules is None or not dialect.ends_streams or not _is_seen(request):
            return plan
        scope = _scope_of(subject)
        ways = [
            self._fitted(way, Kind(way.model.name, plan.api, scope), rules) for way in plan.ways
        ]
        return replace(plan, ways=tuple(ways))

    def hold_of(self, grant: Grant, way: Way) -> GrowingHold | None:
        """The hold that was granted for this way, where it may have to grow."""
        if way.held_tokens is None or isinstance(grant, Unheld):
            return None
        return GrowingHold(self._ledger, grant, way)

    def learn(
        self, plan: Plan, way: Way, request: Request, subject: Subject, answer: Answer | None
    ) -> None:
        """The call was answered so."""
        usage = answer.usage if answer is not None and answer.complete else None
        if self._rules is None or usage is None or not _is_seen(request) or not _may_grow(way):
            return
        kind = Kind(way.model.name, plan.api, _scope_of(subject))
        self._lengths.note(kind, -(-usage.output_tokens // way.terms["n"]))

    def _fitted(self, way: Way, kind: Kind, rules: LearningRules) -> Way:
        if not _may_grow(way):
            return way
        expected = self._lengths.expected(kind, rules)
        if expected is None:
            return way
        held_tokens = expected - -2 * rules.lookahead_tokens // way.terms["n"]
        if held_tokens >= way.output_tokens:
            return way
        less = {unit: Span(held, held) for unit, held in way.amounts_for(held_tokens).items()}
        return replace(way, rung={**way.rung, **less}, held_tokens=held_tokens)


def _is_seen(request: Request) -> bool:
    """Whether all that is billed as output comes by, as text, while it is made."""
    return (
        request.stream
        and request.generates
        and not request.hides_answers
        and not request.has_prediction
        and not request.asks_audio
        and request.needs_tool_limit is None
    )


def _may_grow(way: Way) -> bool:
    """Whether it is the full length that is held for, and nothing but text comes of it."""
    is_full = all(span.minimum == span.want for span in way.rung.values())
    is_bounded = way.bound.bound_class is not BoundClass.NONE
    searches = bool(way.terms.get("tool_calls"))
    return is_full and is_bounded and not searches and not way.model.profile.hidden_output


def _scope_of(subject: Subject) -> Scope:
    """Who asks: whatever run it is in."""
    return derive(subject)[-1]
