"""Which tools leave a call that a budget in risk points refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import BudgetRefused, Reason, Shortage
from proxy.domain.money import Unit
from proxy.domain.policy import ToolRule
from proxy.gateway.tools.dropping import too_risky
from proxy.gateway.tools.listed import ListedTool

POINTS = Unit.RISK_POINTS


def tool(name: str, risk_points: int) -> ListedTool:
    rule = ToolRule(name, fee_microcents=1, risk_points=risk_points)
    return ListedTool(name, rule, frozenset({name}))


OFFERED = (tool("mail", 1), tool("drop", 9), tool("read", 0), tool("write", 3))


def refused(
    remaining: int, reason: Reason = Reason.BUDGET_EXCEEDED, unit: Unit = POINTS
) -> BudgetRefused:
    return BudgetRefused(reason, Shortage("tenant:dev", unit, 99, remaining, None))


@pytest.mark.parametrize(
    ("remaining", "answers", "gone"),
    [
        (12, 1, {"drop"}),
        (4, 1, {"drop"}),
        (3, 1, {"drop", "write"}),
        (1, 1, {"drop", "write"}),
        (0, 1, {"drop", "write", "mail"}),
        (-5, 1, {"drop", "write", "mail"}),
        (8, 2, {"drop"}),
        (7, 2, {"drop", "write"}),
    ],
)
def test_the_riskiest_go_until_the_rest_fits(remaining: int, answers: int, gone: set[str]) -> None:
    assert too_risky(OFFERED, refused(remaining), answers=answers, is_last=False) == gone


@pytest.mark.parametrize("reason", [Reason.BUDGET_FROZEN, Reason.DEBT_OUTSTANDING])
def test_of_a_budget_that_takes_nothing_all_go(reason: Reason) -> None:
    gone = too_risky(OFFERED, refused(1_000, reason), answers=1, is_last=False)
    assert gone == {"drop", "write", "mail"}


def test_a_busy_budget_says_what_it_has() -> None:
    gone = too_risky(OFFERED, refused(4, Reason.BUDGET_BUSY), answers=1, is_last=False)
    assert gone == {"drop"}


def test_the_last_time_all_that_have_points_go() -> None:
    assert too_risky(OFFERED, refused(12), answers=1, is_last=True) == {"drop", "write", "mail"}


@pytest.mark.parametrize("unit", [unit for unit in Unit if unit is not POINTS])
def test_for_a_lack_of_anything_else_no_tool_goes(unit: Unit) -> None:
    assert too_risky(OFFERED, refused(0, unit=unit), answers=1, is_last=True) == frozenset()


def test_where_nothing_has_points_nothing_goes() -> None:
    assert too_risky(OFFERED[2:3], refused(0), answers=1, is_last=True) == frozenset()


@given(st.lists(st.integers(0, 20), max_size=8), st.integers(-5, 100), st.integers(1, 4))
def test_what_stays_fits_and_nothing_goes_that_could_have_stayed_with_less(
    risks: list[int], remaining: int, answers: int
) -> None:
    """What goes last could not have stayed, since what went before is at least as risky."""
    offered = [tool(str(number), points) for number, points in enumerate(risks)]
    gone = too_risky(offered, refused(remaining), answers=answers, is_last=False)
    points = {each.name: each.rule.risk_points for each in offered}
    stays = answers * sum(p for name, p in points.items() if name not in gone)

    assert stays <= max(remaining, 0)
    if gone:
        least = min(points[name] for name in gone)
        assert stays + answers * least > remaining
        assert all(points[name] <= least for name in points.keys() - gone)
