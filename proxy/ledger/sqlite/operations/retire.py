"""Budgets that a template made and nobody uses any more."""

from typing import Final, NamedTuple

from proxy.domain.money import Unit
from proxy.domain.period import parse_period
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import BudgetName
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

_DUE: Final = (
    "SELECT id, scope, unit, period, window_id, idle_at_ms, idle_ttl_ms, status = declared_status"
    " FROM budgets WHERE idle_at_ms < ? ORDER BY idle_at_ms, scope, unit, period LIMIT 1"
)
_USE: Final = (
    "SELECT max((SELECT used_at_ms FROM budgets WHERE id = ?1),"
    " max(iif(is_forgotten, 0, used_at_ms))), max(reserved > 0 OR debt > 0 OR uncovered > 0)"
    " FROM windows WHERE budget_id = ?1"
)
_LOOK_AGAIN: Final = "UPDATE budgets SET idle_at_ms = ? WHERE id = ?"
_RETIRE: Final = "UPDATE budgets SET retired_at_ms = ?, idle_at_ms = NULL WHERE id = ?"


class _Due(NamedTuple):
    """A budget that may be idle."""

    budget_id: int
    scope: Scope
    unit: str
    period: str
    window_id: int
    idle_at_ms: int
    idle_ttl_ms: int
    is_as_declared: bool


def retire(transaction: Transaction, limit: int) -> tuple[BudgetName, ...]:
    """Let at most so many of them go, in the order in which their time was up.

    A call does not move `idle_at_ms`, and so writes nothing for it: a look at the budget
    does, once that time has come.
    """
    retired: list[BudgetName] = []
    while len(retired) < limit:
        row = transaction.read(_DUE, (transaction.now_ms,)).fetchone()
        if row is None:
            break
        due = _Due(*row)
        idle_at_ms = _idle_at_ms(transaction, due)
        if idle_at_ms == due.idle_at_ms:
            retired.append(_retire(transaction, due))
        else:
            transaction.execute(_LOOK_AGAIN, (idle_at_ms, due.budget_id))
    return tuple(retired)


def _idle_at_ms(transaction: Transaction, due: _Due) -> int:
    """When to look at it, or to look again.

    Where something holds the budget, whatever lets go of it is a use; and what operators
    or configuration change of it has it looked at at once.
    """
    transaction.write_windows()
    used_at_ms, is_engaged = transaction.read(_USE, (due.budget_id,)).fetchone()
    if is_engaged or not due.is_as_declared:
        used_at_ms = transaction.now_ms
    idle_at_ms: int = used_at_ms + due.idle_ttl_ms
    return idle_at_ms


def _retire(transaction: Transaction, due: _Due) -> BudgetName:
    """Take it out of its journal: a later budget of the same name begins anew."""
    (account,) = transaction.accounts.of_windows([due.window_id])
    balance = account.balance
    gone = Amounts(
        allocated=-balance.allocated,
        spent=-balance.spent,
        over_limit=-int(balance.is_over_limit),
    )
    transaction.post(Kind.RETIRE, [(account, gone)], about=about_budgets(due.scope))
    transaction.execute(_RETIRE, (transaction.now_ms, due.budget_id))
    transaction.undoable(transaction.accounts.retired(due.budget_id, due.scope))
    return BudgetName(due.scope, Unit(due.unit), parse_period(due.period))
