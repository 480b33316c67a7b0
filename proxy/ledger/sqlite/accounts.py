"""Budgets in their windows, as one transaction sees them.

Each window is read once in a transaction, changed in memory and written once at its end.
A window that the calendar or a template calls for, and that has no row yet, is worked out
here and made only when something is posted to it: a refusal writes nothing.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from msgspec.structs import replace

from proxy.domain.money import Unit
from proxy.domain.period import Period, window_at
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.protocol import Balance, BudgetStatus
from proxy.ledger.rules import Opening

Row = tuple[Any, ...]
Undo = Callable[[], object]

_UNITS: Final = {unit.value: unit for unit in Unit}
_PERIODS: Final = {period.value: period for period in Period}
_STATUSES: Final = {status.value: status for status in BudgetStatus}
_LONGEST_FIRST: Final = {Period.LIFETIME: 0, Period.MONTH: 1, Period.DAY: 2}

_SELECT: Final = (
    "SELECT b.id, b.declared_allocated, w.id, b.scope, b.unit, b.period, w.start_ms, w.end_ms,"
    " w.allocated, w.reserved, w.spent, w.debt, w.uncertain, w.uncovered, b.overdraft_limit,"
    " w.is_over_limit, b.status, b.is_declared"
    " FROM budgets b JOIN windows w ON w."
)
_EVERY: Final = f"{_SELECT}id = b.window_id ORDER BY b.scope, b.unit, b.period"


@lru_cache(maxsize=64)
def _select_current(scopes: int) -> str:
    return f"{_SELECT}id = b.window_id WHERE b.unit = ? AND b.scope IN ({_places(scopes)})"


@lru_cache(maxsize=64)
def _select_windows(windows: int) -> str:
    return f"{_SELECT}budget_id = b.id WHERE w.id IN ({_places(windows)})"


def _places(count: int) -> str:
    return ",".join("?" * count)


@dataclass(slots=True, eq=False)
class Account:
    """One budget in one window. `window_id` 0: the window has no row yet.

    `before` is the window that this one will take its debt from, where there was one;
    `template` is the pattern that calls for a budget without a row (`budget_id` 0).
    """

    budget_id: int
    allocation: int
    window_id: int
    balance: Balance
    before: "Account | None" = None
    template: str | None = None

    @property
    def opening(self) -> Opening:
        """What the window begins with."""
        before = self.before.balance if self.before is not None else None
        if before is None or not before.debt:
            return rules.open_window(self.allocation, debt=0)
        skipped = _windows_between(before, self.balance.window_start_ms)
        return rules.open_window(self.allocation, debt=before.debt, skipped=skipped)


class Accounts:
    """Every account a transaction has met, each once."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._by_window: dict[int, Account] = {}
        self._current: dict[Unit, dict[Scope, list[Account]]] = {unit: {} for unit in Unit}
        self._templates: dict[tuple[str, str], list[Row]] | None = None
        self._touched: set[int] = set()

    def current(self, scopes: Sequence[Scope], unit: Unit) -> list[Account]:
        """What stands now for these scopes: outermost first, and the longest period first."""
        known = self._current[unit]
        missing = [scope for scope in scopes if scope not in known]
        if missing:
            self._load(missing, unit)
        return [self._now(account) for scope in scopes for account in known[scope]]

    def of_windows(self, window_ids: Sequence[int]) -> list[Account]:
        """These windows, in this order, whether or not their time is over."""
        missing = [number for number in window_ids if number not in self._by_window]
        if missing:
            for row in self._connection.execute(_select_windows(len(missing)), missing):
                self._account(row)
        return [self._by_window[number] for number in window_ids]

    def every(self) -> list[Account]:
        """What stands now for every budget, by scope."""
        return [self._now(self._account(row)) for row in self._connection.execute(_EVERY)]

    def has_any(self, scopes: Sequence[Scope]) -> bool:
        """Whether these scopes have a budget or a template, in whatever unit."""
        return any(self.current(scopes, unit) for unit in Unit)

    def templates(self) -> int:
        """How many budgets stand because a template called for them."""
        count: int = self._connection.execute(
            "SELECT count(*) FROM budgets WHERE template IS NOT NULL"
        ).fetchone()[0]
        return count

    def set_balance(self, account: Account, balance: Balance) -> Undo:
        """Put a balance in place; the answer puts the old one back."""
        old = account.balance
        account.balance = balance
        self._touched.add(account.window_id)
        return partial(setattr, account, "balance", old)

    def opened(self, account: Account, *, budget_id: int, window_id: int) -> Undo:
        """The account has rows now; the answer takes that back."""
        old_budget_id = account.budget_id
        account.budget_id, account.window_id = budget_id, window_id
        self._by_window[window_id] = account
        self._current[account.balance.unit].pop(account.balance.scope, None)

        def undo() -> None:
            account.budget_id, account.window_id = old_budget_id, 0
            del self._by_window[window_id]
            self._touched.discard(window_id)

        return undo

    def set_terms(self, budget_id: int, **terms: Any) -> Undo:
        """Put new terms on every window of a budget; the answer puts the old ones back."""
        olds = [
            (account, account.balance)
            for account in self._by_window.values()
            if account.budget_id == budget_id
        ]
        for account, balance in olds:
            account.balance = replace(balance, **terms)

        def undo() -> None:
            for account, balance in olds:
                account.balance = balance

        return undo

    def look_again(self) -> None:
        """Templates, or which window of a budget is the current one, may have changed."""
        self._templates = None
        for known in self._current.values():
            known.clear()

    def touched_rows(self) -> Iterable[Row]:
        """The windows to write: amounts and the id, as `transaction` updates them."""
        for number in self._touched:
            balance = self._by_window[number].balance
            yield (
                balance.allocated,
                balance.reserved,
                balance.spent,
                balance.debt,
                balance.uncertain,
                balance.uncovered,
                int(balance.is_over_limit),
                number,
            )

    def _load(self, scopes: Sequence[Scope], unit: Unit) -> None:
        found: dict[Scope, list[Account]] = {scope: [] for scope in scopes}
        for row in self._connection.execute(_select_current(len(scopes)), (unit.value, *scopes)):
            found[row[3]].append(self._account(row))
        for scope, accounts in found.items():
            self._add_from_templates(scope, unit, accounts)
            if len(accounts) > 1:
                accounts.sort(key=_by_period)
            self._current[unit][scope] = accounts

    def _account(self, row: Row) -> Account:
        known = self._by_window.get(row[2])
        if known is not None:
            return known
        balance = Balance(
            row[3],
            _UNITS[row[4]],
            _PERIODS[row[5]],
            row[6],
            row[7],
            row[8],
            row[9],
            row[10],
            row[11],
            row[12],
            row[13],
            row[14],
            bool(row[15]),
            _STATUSES[row[16]],
            bool(row[17]),
        )
        account = self._by_window[row[2]] = Account(row[0], row[1], row[2], balance)
        return account

    def _now(self, account: Account) -> Account:
        """The account itself, or the window that follows it when its time is over."""
        balance = account.balance
        end_ms = balance.window_end_ms
        if end_ms is None or self._now_ms < end_ms:
            return account
        window = window_at(balance.period, self._now_ms)
        empty = replace(
            balance,
            window_start_ms=window.start_ms,
            window_end_ms=window.end_ms,
            allocated=0,
            reserved=0,
            spent=0,
            debt=0,
            uncertain=0,
            uncovered=0,
            is_over_limit=False,
        )
        follower = Account(account.budget_id, account.allocation, 0, empty, before=account)
        follower.balance = rules.post(empty, follower.opening.opening)
        return follower

    def _add_from_templates(self, scope: Scope, unit: Unit, accounts: list[Account]) -> None:
        pattern = f"{scope[: scope.rfind(':')]}:*"
        for period, allocated, overdraft_limit, status in self._templates_of(pattern, unit):
            if any(account.balance.period == period for account in accounts):
                continue
            balance = self.fresh(
                scope,
                unit,
                _PERIODS[period],
                allocated=allocated,
                overdraft_limit=overdraft_limit,
                status=_STATUSES[status],
            )
            accounts.append(Account(0, allocated, 0, balance, template=pattern))

    def fresh(
        self,
        scope: Scope,
        unit: Unit,
        period: Period,
        *,
        allocated: int,
        overdraft_limit: int,
        status: BudgetStatus,
    ) -> Balance:
        """The first window of a budget."""
        window = window_at(period, self._now_ms)
        return Balance(
            scope=scope,
            unit=unit,
            period=period,
            window_start_ms=window.start_ms,
            window_end_ms=window.end_ms,
            allocated=allocated,
            reserved=0,
            spent=0,
            debt=0,
            uncertain=0,
            uncovered=0,
            overdraft_limit=overdraft_limit,
            is_over_limit=False,
            status=status,
        )

    def _templates_of(self, pattern: str, unit: Unit) -> Sequence[Row]:
        if self._templates is None:
            self._templates = {}
            for row in self._connection.execute(
                "SELECT pattern, unit, period, allocated, overdraft_limit, status FROM templates"
            ):
                self._templates.setdefault((row[0], row[1]), []).append(row[2:])
        return self._templates.get((pattern, unit.value), ())


def _by_period(account: Account) -> int:
    return _LONGEST_FIRST[account.balance.period]


def _windows_between(before: Balance, start_ms: int) -> int:
    """How many whole windows passed between the end of this one and the start of another."""
    count = 0
    end_ms = before.window_end_ms
    while end_ms is not None and end_ms < start_ms:
        end_ms = window_at(before.period, end_ms).end_ms
        count += 1
    return count
