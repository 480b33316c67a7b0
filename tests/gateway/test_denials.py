"""An agent that is refused in a loop: answered from memory, until its scope changes."""

import pytest

from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.gateway.dedupe.denials import (
    REMEMBERED_MAX,
    REMEMBERED_NS,
    Denials,
    Question,
    question_of,
)
from proxy.ledger.records import Rung, Span

TENANT, BOT = Scope("tenant:dev"), Scope("tenant:dev/agent:bot")
USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS


def question(
    *scopes: Scope, usd: int = 5, tokens: int = 8, free: frozenset[Unit] = frozenset()
) -> Question:
    plan: list[Rung] = [{USD: Span(usd, usd), TOKENS: Span(tokens, tokens)}]
    return question_of(scopes or (TENANT, BOT), plan, free)


QUESTION = question()


class Clock:
    now_ns = 0

    def now_ms(self) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return self.now_ns


def refusal(reason: Reason = Reason.BUDGET_EXCEEDED, scope: Scope = BOT) -> BudgetRefused:
    return BudgetRefused(reason, Shortage(scope, Unit.USD_MICROCENTS, 5, 1, None))


def denies(denials: Denials, asked: Question = QUESTION) -> bool:
    try:
        denials.check(asked)
    except BudgetRefused as refused:
        return refused.shortage == refusal().shortage
    return False


def test_the_same_question_gets_the_same_answer() -> None:
    denials = Denials(Clock())
    assert not denies(denials)
    denials.remember(QUESTION, refusal())
    assert denies(denials)


@pytest.mark.parametrize(
    "other",
    [
        question(TENANT),
        question(usd=4),
        question(tokens=7),
        question(free=frozenset({USD})),
        QUESTION._replace(rungs=()),
    ],
)
def test_another_question_is_asked_anew(other: Question) -> None:
    denials = Denials(Clock())
    denials.remember(QUESTION, refusal())
    assert not denies(denials, other)


def test_a_denial_is_forgotten_within_a_second() -> None:
    clock = Clock()
    denials = Denials(clock)
    denials.remember(QUESTION, refusal())
    clock.now_ns = REMEMBERED_NS - 1
    assert denies(denials)
    clock.now_ns = REMEMBERED_NS
    assert not denies(denials)
    clock.now_ns = 0
    assert not denies(denials)


def test_a_settlement_in_the_scope_that_was_short_asks_anew() -> None:
    denials = Denials(Clock())
    denials.remember(QUESTION, refusal())
    denials.forget([TENANT])
    assert denies(denials)
    denials.forget([TENANT, BOT])
    assert not denies(denials)


@pytest.mark.parametrize("reason", [Reason.BUDGET_BUSY, Reason.COOLDOWN])
def test_what_calls_in_flight_may_free_is_not_remembered(reason: Reason) -> None:
    denials = Denials(Clock())
    denials.remember(QUESTION, refusal(reason))
    assert not denies(denials)


def test_memory_is_bounded() -> None:
    denials = Denials(Clock())
    for number in range(REMEMBERED_MAX + 1):
        denials.remember(question(usd=number), refusal())
    assert not denies(denials, question(usd=0))
    assert denies(denials, question(usd=REMEMBERED_MAX))
