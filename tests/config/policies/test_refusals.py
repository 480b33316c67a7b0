"""Policies that say nothing, too much, or what cannot be, and where the finding points."""

import pytest

from proxy.config.convert import budget_lines, counts_calls
from proxy.domain.money import Unit
from proxy.domain.period import Period, Step
from tests.config.test_elsewhere import ELSEWHERE
from tests.config.writing import problems, read

WHEN = "policies: [{name: a, scope: '*', n: 1, when: %s}]"
SAYS = "policies: [{name: a, scope: '*', %s}]"
PACED = "{name: %s, scope: '*', caps: {max_steps_remaining: 3}}"


@pytest.mark.parametrize(
    ("when", "path", "problem"),
    [
        ("{}", "", "empty: it would always hold"),
        ("{used_pct: {}}", ".used_pct", "no bound: give gte, gt, lt or lte"),
        (
            "{used_pct: {gte: 1, gt: 2}}",
            ".used_pct",
            "two bounds on the same side: keep the stricter one",
        ),
        ("{used_pct: {gt: 4, lt: 5}}", ".used_pct", "nothing is within these bounds"),
        ("{remaining: {lt: 5}}", ".remaining.lt", 'a bare number below one cent: write "$5.00"'),
        ("{remaining: {unit: TOKENS}}", ".remaining", "no bound: give gte, gt, lt or lte"),
        ("{burn_rate: {exhausted_within: 5}}", ".burn_rate.exhausted_within", "not a duration"),
        (
            "{hours: {after: '08:00', before: '08:00'}}",
            ".hours",
            "ends when it begins",
        ),
        ("{hours: {after: '24:00', before: '08:00'}}", ".hours.after", "not a time of the day"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(when: str, path: str, problem: str) -> None:
    assert problems(WHEN % when) == [(f"policies[0].when{path}", problem)]


@pytest.mark.parametrize(
    ("says", "path", "problem"),
    [
        ("deny: false", "", "neither bands nor an effect: it would change nothing"),
        ("deny: true, n: 1", ".n", "without effect beside deny"),
        ("deny: 5", ".deny", "neither true nor a text of 1 to 500 characters"),
        ("deny: ''", ".deny", "neither true nor a text of 1 to 500 characters"),
        ("bands: [{used_pct: 1, n: 1}], n: 2", ".n", "beside bands: put it into a band"),
        (
            "bands: [{used_pct: 1}]",
            ".bands[0]",
            "neither caps nor models nor another effect: it would change nothing",
        ),
        (
            "bands: [{used_pct: 1, n: 1}], when: {used_pct: {gte: 1}}",
            ".when",
            "beside bands: put it into a band",
        ),
    ],
)
def test_an_effect_that_cannot_be_meant_is_refused(says: str, path: str, problem: str) -> None:
    assert problems(SAYS % says) == [(f"policies[0]{path}", problem)]


def test_counts_of_calls_need_names_of_their_own() -> None:
    """Else the calls of one would be steps of the other."""
    ((path, problem),) = problems(f"policies: [{PACED % 'a'}, {PACED % 'A'}]")

    assert path == "policies[1]"
    assert problem.startswith("the name 'A' counts calls twice")
    assert counts_calls(read(f"policies: [{PACED % 'a'}, {PACED % 'b'}]"))


def test_an_authority_elsewhere_counts_no_calls() -> None:
    ((path, problem),) = problems(f"{ELSEWHERE % ''}\npolicies: [{PACED % 'a'}]")

    assert path == "policies[0].caps"
    assert problem.startswith("not supported with the authority at ledger.url")


def test_a_pace_is_a_budget_for_each_run_and_for_each_caller_a_day() -> None:
    paced = "{used_pct: 95, caps: {max_steps_remaining: 3, cooldown_ms: 500}}"
    config = read(f"policies: [{{name: Thrift, scope: '*', bands: [{paced}]}}]")

    lines = [line for line in budget_lines(config) if line.unit is Unit.CALLS]

    rolling = Period(Step.ROLLING, rolling_ms=500)
    run = "tenant:*/**/run:*/steps:thrift-95-run"
    day = "tenant:*/**/steps:thrift-95-day"
    assert [(line.pattern.text, line.period, line.allocated) for line in lines] == [
        (run, Period.LIFETIME, 3),
        (day, Period.DAY, 3),
        (run, rolling, 1),
        (day, rolling, 1),
    ]
    assert {line.idle_ttl_ms for line in lines} == {86_400_000}


@pytest.mark.parametrize(
    ("text", "are_counted"),
    [
        ("", False),
        (SAYS % "n: 1", False),
        (SAYS % "caps: {cooldown_ms: 5}", True),
        ("budgets: [{scope: 'tenant:dev', unit: CALLS, allocated: 5}]", True),
        ("budgets: [{scope: 'tenant:dev', unit: TOKENS, allocated: 5}]", False),
    ],
)
def test_calls_are_counted_only_where_something_limits_them(text: str, are_counted: bool) -> None:
    assert counts_calls(read(text)) is are_counted
