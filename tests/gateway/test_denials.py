"""An agent that is refused in a loop: answered from memory, until its scope changes."""

import pytest

from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.gateway.denials import REMEMBERED_MAX, REMEMBERED_NS, Denials, Question
from proxy.ledger.protocol import Rung

TENANT, BOT = Scope("tenant:dev"), Scope("tenant:dev/agent:bot")
QUESTION: Question = ((TENANT, BOT), (Rung(5, 5),))


class Clock:
    now_ns = 0

    def now_ms(self) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return self.now_ns


def refusal(reason: Reason = Reason.BUDGET_EXCEEDED, scope: Scope = BOT) -> BudgetRefused:
    return BudgetRefused(reason, Shortage(scope, Unit.USD_MICROCENTS, 5, 1, None))


def denies(denials: Denials, question: Question = QUESTION) -> bool:
    try:
        denials.check(question)
    except BudgetRefused as refused:
        return refused.shortage == refusal().shortage
    return False


def test_the_same_question_gets_the_same_answer() -> None:
    denials = Denials(Clock())
    assert not denies(denials)
    denials.remember(QUESTION, refusal())
    assert denies(denials)


@pytest.mark.parametrize(
    "question", [((TENANT,), QUESTION[1]), (QUESTION[0], (Rung(4, 4),)), (QUESTION[0], ())]
)
def test_another_question_is_asked_anew(question: Question) -> None:
    denials = Denials(Clock())
    denials.remember(QUESTION, refusal())
    assert not denies(denials, question)


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


def test_what_calls_in_flight_may_free_is_not_remembered() -> None:
    denials = Denials(Clock())
    denials.remember(QUESTION, refusal(Reason.BUDGET_BUSY))
    assert not denies(denials)


def test_memory_is_bounded() -> None:
    denials = Denials(Clock())
    for number in range(REMEMBERED_MAX + 1):
        denials.remember((QUESTION[0], (Rung(number, number),)), refusal())
    assert not denies(denials, (QUESTION[0], (Rung(0, 0),)))
    assert denies(denials, (QUESTION[0], (Rung(REMEMBERED_MAX, REMEMBERED_MAX),)))
