"""What is concluded from the lengths of past answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.scope import Scope
from proxy.gateway.stream.lengths import (
    ANSWERS_KEPT,
    KINDS_MAX,
    Kind,
    LearningRules,
    OutputLengths,
)

KIND = Kind("gpt-4o", "chat", Scope("tenant:dev/agent:a"))
RULES = LearningRules(quantile_pct=95, margin_pct=0, answers_min=1, lookahead_tokens=0)


def noted(*tokens: int, kind: Kind = KIND) -> OutputLengths:
    lengths = OutputLengths()
    for each in tokens:
        lengths.note(kind, each)
    return lengths


def rules(**changes: int) -> LearningRules:
    return LearningRules(**({field: getattr(RULES, field) for field in FIELDS} | changes))


FIELDS = LearningRules.__struct_fields__


@pytest.mark.parametrize(
    ("quantile_pct", "expected"), [(1, 1), (50, 50), (95, 95), (96, 96), (100, 100)]
)
def test_so_many_of_the_past_answers_were_no_longer(quantile_pct: int, expected: int) -> None:
    lengths = noted(*range(100, 0, -1))

    assert lengths.expected(KIND, rules(quantile_pct=quantile_pct)) == expected


def test_of_few_answers_the_longest_counts() -> None:
    assert noted(7, 3, 5).expected(KIND, RULES) == 7


def test_a_margin_is_added_and_rounded_up() -> None:
    assert noted(301).expected(KIND, rules(margin_pct=25)) == 377


def test_nothing_is_concluded_from_fewer_answers_than_are_asked_for() -> None:
    lengths = noted(*[300] * 19)
    assert lengths.expected(KIND, rules(answers_min=20)) is None

    lengths.note(KIND, 300)

    assert lengths.expected(KIND, rules(answers_min=20)) == 300


@pytest.mark.parametrize(
    "other",
    [
        KIND._replace(model="gpt-4o-mini"),
        KIND._replace(api="responses"),
        KIND._replace(scope=Scope("tenant:dev/agent:b")),
    ],
)
def test_answers_of_another_kind_say_nothing(other: Kind) -> None:
    assert noted(300, kind=other).expected(KIND, RULES) is None


def test_answers_of_long_ago_are_forgotten() -> None:
    lengths = noted(*[9_000] * ANSWERS_KEPT, *[300] * ANSWERS_KEPT)

    assert lengths.expected(KIND, rules(quantile_pct=100)) == 300


def test_kinds_are_bounded_and_those_that_are_asked_for_stay() -> None:
    lengths = noted(300)
    for number in range(2 * KINDS_MAX):
        lengths.note(KIND._replace(model=f"model-{number}"), 1)
        assert lengths.expected(KIND, RULES) == 300

    assert len(lengths) == KINDS_MAX


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(1, 100))
def test_the_conclusion_is_a_past_length_that_enough_others_did_not_pass(
    past: list[int], quantile_pct: int
) -> None:
    expected = noted(*past).expected(KIND, rules(quantile_pct=quantile_pct))

    assert expected in past
    assert 100 * sum(each <= expected for each in past) >= quantile_pct * len(past)
