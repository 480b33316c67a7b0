"""Which tools leave a call for which a budget has too few risk points. Without I/O.

Source: docs/semantics.md, "Tools as actions".
"""

from collections.abc import Iterable
from typing import Final

from proxy.dialects.dialect import Changes, Dialect, Request
from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import Unit
from proxy.gateway.estimate import Way
from proxy.gateway.tools.listed import ListedTool
from proxy.policies import Wish, dropped_tools

_LACKING: Final = frozenset({Reason.BUDGET_EXCEEDED, Reason.BUDGET_BUSY})
"""The budget takes less, and says how much. For other reasons it takes nothing."""

TRIES: Final = 3
"""As it is asked for, without its riskiest tools, without any that are risky."""


def too_risky(
    listed: Iterable[ListedTool], refused: BudgetRefused, *, answers: int, is_last: bool
) -> frozenset[str]:
    """The tools that go, those with most points first, until what remains would hold the rest.

    Nothing where it is not risk points that are short. `is_last`: another refusal would be for
    good, so all that have points go.
    """
    shortage = refused.shortage
    if shortage.unit is not Unit.RISK_POINTS:
        return frozenset()
    risky = sorted(
        (tool for tool in listed if tool.rule.risk_points),
        key=lambda tool: tool.rule.risk_points,
        reverse=True,
    )
    if is_last or refused.reason not in _LACKING:
        return frozenset(tool.name for tool in risky)
    held = answers * sum(tool.rule.risk_points for tool in risky)
    gone = []
    for tool in risky:
        if held <= shortage.remaining:
            break
        held -= answers * tool.rule.risk_points
        gone.append(tool.name)
    return frozenset(gone)


def fewer_tools(
    dialect: Dialect, request: Request, wish: Wish, way: Way, refused: BudgetRefused, *, tries: int
) -> Wish | None:
    """What to wish for in place of what was refused; None where fewer tools would not help.

    `way` is one that was refused, `tries` how many are left of TRIES, this one included.

    Raises:
        Refused: TOOL_DENIED, the call insists on a tool that would have to go.
    """
    if tries <= 1:
        return None
    answers, is_last = way.terms["n"], tries == 2
    gone = too_risky(way.tools, refused, answers=answers, is_last=is_last)
    if not gone:
        return None
    fewer = wish.without(gone)
    dropped = dropped_tools(request.tools, fewer.every_caps)
    dialect.apply(request, Changes(drop_tools=dropped))
    return fewer
