"""What may be asked at all, whatever stands in the books."""

from collections.abc import Mapping, Sequence
from typing import Final

from proxy.domain.money import INT64_MAX, Unit
from proxy.domain.scope import Scope
from proxy.domain.subject import LEVELS
from proxy.ledger.records import BudgetLine, BudgetName, ReservationQuery, ReserveRequest, Span
from proxy.ledger.rules.posting import check_amount

_LEASE_MS_MAX: Final = 86_400_000
"""Source: cycles-protocol-v0.yaml, ttl_ms and extend_by_ms."""


def check_request(request: ReserveRequest) -> tuple[Unit, ...]:
    """The units of the plan, of which there is at least one.

    Raises:
        AmountOutOfRange. ValueError: as the contract lists them.
    """
    if not request.plan or not request.plan[0]:
        raise ValueError("a plan has at least one rung, and that at least one unit")
    units = request.plan[0].keys()
    for rung in request.plan:
        if rung.keys() != units:
            raise ValueError("all rungs of a plan are in the same units")
        for unit, span in rung.items():
            if not 0 <= span.minimum <= span.want <= INT64_MAX:
                raise _no_span(span)
            if span.want and unit in request.free:
                raise ValueError("a call that is free in a unit wants nothing of it")
    if not request.free <= units:
        raise ValueError("a call is free in units of its plan")
    if not 1 <= request.max_share_pct <= 100:
        raise ValueError("max_share_pct is 1 to 100")
    if not 1 <= request.ttl_ms <= _LEASE_MS_MAX or not 0 <= request.grace_ms <= _LEASE_MS_MAX:
        raise ValueError("a lease and its grace are at most a day")
    return tuple(units)


def _no_span(span: Span) -> Exception:
    """What is wrong with it: one of its amounts, or both together."""
    check_amount(span.minimum)
    check_amount(span.want)
    return ValueError("a rung's minimum is at most what it wants")


def check_extension(by_ms: int) -> None:
    """How much longer a lease may become at once.

    Raises:
        ValueError: nothing, or more than a day.
    """
    if not 1 <= by_ms <= _LEASE_MS_MAX:
        raise ValueError("an extension is at least a millisecond and at most a day")


def check_query(query: ReservationQuery) -> None:
    """What rows can be looked for by.

    Raises:
        ValueError: a level that subjects do not have, or less than one row.
    """
    if not query.levels.keys() <= {*LEVELS}:
        raise ValueError(f"rows are found by the levels {', '.join(LEVELS)}")
    if query.limit < 1:
        raise ValueError("a page has at least one row")


def lines_by_name(lines: Sequence[BudgetLine]) -> Mapping[BudgetName, BudgetLine]:
    """Each declared line by the budget it is for; a template's scope is its pattern.

    Raises:
        AmountOutOfRange. ValueError: a subtree's pattern, or two lines for one budget.
    """
    by_name: dict[BudgetName, BudgetLine] = {}
    for line in lines:
        if line.pattern.is_subtree:
            raise ValueError(f"{line.pattern.text} is for policies: a budget names its levels")
        for amount in (line.allocated, line.overdraft_limit, line.rollover_max):
            check_amount(amount)
        name = BudgetName(Scope(line.pattern.text), line.unit, line.period)
        if name in by_name:
            raise ValueError(f"{line.pattern.text} is declared twice for {line.period} {line.unit}")
        by_name[name] = line
    return by_name
