"""Lines of configuration that make a budget for each scope they match."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from proxy.domain.money import Unit
from proxy.domain.period import parse_period
from proxy.domain.scope import Scope, ScopePattern
from proxy.ledger.records import BudgetLine, BudgetStatus

CLEAR: Final = "DELETE FROM templates"
INSERT: Final = "INSERT INTO templates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT: Final = (
    "SELECT pattern, unit, period, allocated, overdraft_limit, status, rollover_max, idle_ttl_ms"
    " FROM templates ORDER BY rank"
)


def ranked(lines: Iterable[BudgetLine]) -> list[BudgetLine]:
    """Those that are templates, the one that governs a scope before the others that match it."""
    templates = [line for line in lines if line.pattern.is_template]
    return sorted(templates, key=lambda line: line.pattern.specificity, reverse=True)


def rows(templates: Iterable[BudgetLine]) -> list[tuple[Any, ...]]:
    """What `INSERT` is given for each."""
    return [
        (
            rank,
            line.pattern.text,
            line.unit.value,
            str(line.period),
            line.allocated,
            line.overdraft_limit,
            line.status.value,
            line.rollover_max,
            line.idle_ttl_ms,
        )
        for rank, line in enumerate(templates)
    ]


def read(connection: sqlite3.Connection) -> list[BudgetLine]:
    """The templates that are in force, as `ranked` sorts them."""
    return [
        BudgetLine(
            ScopePattern(pattern), Unit(unit), parse_period(period), allocated, overdraft_limit,
            BudgetStatus(status), rollover_max, idle_ttl_ms,
        )
        for pattern, unit, period, allocated, overdraft_limit, status, rollover_max, idle_ttl_ms
        in connection.execute(_SELECT)
    ]  # fmt: skip


def governing(templates: Sequence[BudgetLine], scope: Scope) -> list[BudgetLine]:
    """The templates that govern a scope: of each unit and period at most one."""
    found = {}
    for line in templates:
        if (line.unit, line.period) not in found and line.pattern.matches(scope):
            found[line.unit, line.period] = line
    return [*found.values()]
