"""Denials remembered for a moment: an agent that is refused in a loop costs almost nothing.

A denial holds until its scope changes by a settlement here, and at most for a second, in
which somebody may have funded the scope elsewhere. Source: docs/semantics.md, "Retries and
replays"; some SDKs try a 429 again whatever its headers say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.domain.clock import Clock
from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.ledger.records import Rung, Span

REMEMBERED_NS: Final = 1_000_000_000
REMEMBERED_MAX: Final = 10_000


_PASSING: Final = frozenset({Reason.BUDGET_BUSY, Reason.COOLDOWN})


class Question(NamedTuple):
    """What was asked: a hold on these scopes, by these rungs, free in these units."""

    scopes: tuple[Scope, ...]
    rungs: tuple[tuple[tuple[Unit, Span], ...], ...]
    free: frozenset[Unit]


def question_of(scopes: tuple[Scope, ...], plan: Iterable[Rung], free: frozenset[Unit]) -> Question:
    """The question that a plan asks."""
    return Question(scopes, tuple([tuple(rung.items()) for rung in plan]), free)


@dataclass(frozen=True, slots=True)
class _Denial:
    reason: Reason
    shortage: Shortage
    until_ns: int


class Denials:
    """The answers to questions that were denied just now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._denials: dict[Question, _Denial] = {}
        self._by_scope: dict[str, set[Question]] = {}

    def check(self, question: Question) -> None:
        """Raises BudgetRefused when the same question was just denied."""
        if not self._denials:
            return
        denial = self._denials.get(question)
        if denial is None:
            return
        if self._clock.monotonic_ns() >= denial.until_ns:
            self._forget(question, denial)
            return
        raise BudgetRefused(denial.reason, denial.shortage)

    def remember(self, question: Question, refusal: BudgetRefused) -> None:
        """Keep a denial. One that waits for calls in flight, or for a moment, is not kept."""
        if refusal.reason in _PASSING:
            return
        if len(self._denials) >= REMEMBERED_MAX:
            self._denials.clear()
            self._by_scope.clear()
        until_ns = self._clock.monotonic_ns() + REMEMBERED_NS
        self._denials[question] = _Denial(refusal.reason, refusal.shortage, until_ns)
        self._by_scope.setdefault(refusal.shortage.scope, set()).add(question)

    def forget(self, scopes: Iterable[Scope]) -> None:
        """These scopes have changed."""
        if self._by_scope:
            for scope in scopes:
                for question in self._by_scope.pop(scope, ()):
                    self._denials.pop(question, None)

    def _forget(self, question: Question, denial: _Denial) -> None:
        del self._denials[question]
        questions = self._by_scope.get(denial.shortage.scope, set())
        questions.discard(question)
        if not questions:
            self._by_scope.pop(denial.shortage.scope, None)
