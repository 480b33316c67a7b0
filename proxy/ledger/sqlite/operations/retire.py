"""Budgets that a template made and nobody uses any more."""

from functools import partial
from typing import Final, NamedTuple

from proxy.domain.money import Unit
from proxy.domain.period import parse_period
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.protocol import BudgetName
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

_DUE: Final = (
    "SELECT id, idle_at_ms, idle_ttl_ms, status = declared_status FROM budgets"
    " WHERE idle_at_ms < ? ORDER BY idle_at_ms, id LIMIT 1"
)
_USE: Final = (
    "SELECT max(used_at_ms), max(reserved > 0 OR debt > 0 OR uncovered > 0) FROM windows"
    " WHERE budget_id = ?"
)
_LOOK_AGAIN: Final = "UPDATE budgets SET idle_at_ms = ? WHERE id = ?"
_NAME: Final = "SELECT scope, unit, period, window_id FROM budgets WHERE id = ?"
_RETIRE: Final = "UPDATE budgets SET retired_at_ms = ? WHERE id = ?"


class _Idle(NamedTuple):
    """A budget that goes. They sort by how long nobody has used them."""

    used_at_ms: int
    budget_id: int


def retire(transaction: Transaction, limit: int) -> tuple[BudgetName, ...]:
    """Let at most so many of them go, those first that nobody has used for longest."""
    idle: list[_Idle] = []
    while len(idle) < limit:
        due = transaction.read(_DUE, (transaction.now_ms,)).fetchone()
        if due is None:
            break
        found = _look_at(transaction, *due)
        if found is not None:
            idle.append(found)
    return tuple(_retire(transaction, one.budget_id) for one in sorted(idle))


def _look_at(
    transaction: Transaction, budget_id: int, idle_at_ms: int, ttl_ms: int, as_declared: bool
) -> _Idle | None:
    """Whether a budget is idle, now that it may be.

    A call does not move `idle_at_ms`, and so writes nothing for it: this look does. Where
    something holds the budget, whatever lets go of it is a use; and what operators or
    configuration change of it sets the time to 0.
    """
    transaction.write_windows()
    used_at_ms, is_engaged = transaction.read(_USE, (budget_id,)).fetchone()
    again_at_ms = used_at_ms + ttl_ms
    if is_engaged or not as_declared:
        again_at_ms = transaction.now_ms + ttl_ms
    is_idle = again_at_ms == idle_at_ms
    transaction.execute(_LOOK_AGAIN, (None if is_idle else again_at_ms, budget_id))
    return _Idle(used_at_ms, budget_id) if is_idle else None


def _retire(transaction: Transaction, budget_id: int) -> BudgetName:
    """Take it out of its journal: a later budget of the same name begins anew."""
    scope, unit, period, window_id = transaction.read(_NAME, (budget_id,)).fetchone()
    (account,) = transaction.accounts.of_windows([window_id])
    balance = account.balance
    gone = Amounts(
        allocated=-balance.allocated,
        spent=-balance.spent,
        over_limit=-int(balance.is_over_limit),
    )
    transaction.post(Kind.RETIRE, [(account, gone)], about=about_budgets(balance.scope))
    transaction.execute(_RETIRE, (transaction.now_ms, budget_id))
    transaction.accounts.look_again_at(balance.scope)
    transaction.undoable(partial(transaction.accounts.look_again_at, balance.scope))
    return BudgetName(Scope(scope), Unit(unit), parse_period(period))
