"""The list of tools as its file says it."""

import pytest

from proxy.config.checks import warnings
from proxy.config.convert import tool_rules
from proxy.config.findings import spell
from proxy.domain.policy import ToolRule
from tests.config.writing import problems, read

CALM = """
identity: {default: {tenant: dev}}
budgets:
  - {scope: "tenant:dev", allocated: $100}
"""
POINTS = CALM + '  - {scope: "tenant:dev", unit: RISK_POINTS, allocated: 10}\n'


def test_tools_are_listed_in_their_order() -> None:
    config = read(
        POINTS
        + 'tools: [{name: "delete_*", fee: $0.01, risk_points: 5}, '
        + "{name: mail, max_calls_per_run: 3}]"
    )

    assert tool_rules(config) == (
        ToolRule("delete_*", fee_microcents=1_000_000, risk_points=5),
        ToolRule("mail", max_calls_per_run=3),
    )
    assert warnings(config) == []


@pytest.mark.parametrize(
    ("entry", "place", "problem"),
    [
        ("{name: mail}", "tools[0]", "without effect"),
        ("{name: mail, fee: $0}", "tools[0]", "without effect"),
        ("{name: mail, risk_points: 0}", "tools[0]", "without effect"),
        ("{name: mail, risk_points: -1}", "tools[0].risk_points", "out of range"),
        ("{name: mail, max_calls_per_run: 0}", "tools[0].max_calls_per_run", "out of range"),
        ("{name: mail, fee: 3}", "tools[0].fee", "a bare number below one cent"),
        ('{name: "a b", risk_points: 1}', "tools[0].name", "not written as it must be"),
        ('{name: "[ab]", risk_points: 1}', "tools[0].name", "not written as it must be"),
        ("{risk_points: 1}", "tools[0].name", ""),
    ],
)
def test_what_means_nothing_is_refused(entry: str, place: str, problem: str) -> None:
    ((path, found),) = problems(f"{CALM}tools: [{entry}]")

    assert path == place
    assert problem in found


def test_an_entry_behind_one_that_matches_all_of_it_is_told() -> None:
    config = read(POINTS + 'tools: [{name: "del*", fee: $1}, {name: delete_row, risk_points: 2}]')

    (finding,) = warnings(config)
    assert (spell(finding.path), "entry [0]" in finding.problem) == ("tools[1].name", True)


def test_points_that_no_budget_counts_are_told() -> None:
    (finding,) = warnings(read(CALM + "tools: [{name: mail, risk_points: 2}]"))

    assert spell(finding.path) == "tools[0].risk_points"


@pytest.mark.parametrize("tools", ["", "tools: [{name: mail, fee: $1}]"])
def test_a_budget_in_points_that_no_tool_has_is_told(tools: str) -> None:
    (finding,) = warnings(read(POINTS + tools))

    assert spell(finding.path) == "budgets[1].unit"


def test_an_authority_elsewhere_counts_no_calls_of_tools() -> None:
    elsewhere = """
identity: {default: {tenant: dev}}
ledger: {url: "cycles+https://budgets.example", api_key: cyc_secret}
tools: [{name: mail, fee: $1, risk_points: 2}, {name: post, max_calls_per_run: 2}]
"""
    assert [path for path, _ in problems(elsewhere)] == ["tools[1].max_calls_per_run"]
