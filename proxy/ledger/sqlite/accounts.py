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

from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.domain.period import parse_period, window_at
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.records import Balance, BudgetLine, BudgetStatus
from proxy.ledger.rules import Opening
from proxy.ledger.sqlite import templates

Row = tuple[Any, ...]
Undo = Callable[[], object]

_UNITS: Final = {unit.value: unit for unit in Unit}
_UNIT_ORDER: Final = {unit: number for number, unit in enumerate(Unit)}
_STATUSES: Final = {status.value: status for status in BudgetStatus}

_SELECT: Final = (
    "SELECT b.id, w.id, b.scope, b.unit, b.period, w.start_ms, w.end_ms, w.allocated, w.reserved,"
    " w.spent, w.debt, w.uncertain, w.uncovered, b.overdraft_limit, w.is_over_limit, b.status,"
    " b.is_declared + 2 * (b.retired_at_ms IS NOT NULL) FROM budgets b JOIN windows w ON w."
)
"""The last column is two flags: each further one of an answer costs some 2,000 instructions."""

_EVERY: Final = (
    f"{_SELECT}id = b.window_id WHERE b.retired_at_ms IS NULL AND b.tenant = ifnull(?, b.tenant)"
    " ORDER BY b.scope, b.unit, b.period"
)
_NEXT: Final = "SELECT declared_allocated, rollover_max FROM budgets WHERE id = ?"
_MADE_BY_TEMPLATES: Final = (
    "SELECT count(*) FROM budgets WHERE template IS NOT NULL AND retired_at_ms IS NULL"
)


@lru_cache(maxsize=64)
def _select_current(scopes: int) -> str:
    return (
        f"{_SELECT}id = b.window_id"
        f" WHERE b.retired_at_ms IS NULL AND b.scope IN ({_places(scopes)})"
    )


@lru_cache(maxsize=64)
def _select_windows(windows: int) -> str:
    return f"{_SELECT}budget_id = b.id WHERE w.id IN ({_places(windows)})"


def _places(count: int) -> str:
    return ",".join("?" * count)


@dataclass(slots=True, eq=False)
class Account:
    """One budget in one window.

    Without a row (`window_id` 0) the window begins as `opening` says when it is made:
    after the window `before`, or with a budget that `line` declares (`budget_id` 0).

    `is_over`: its time is. `is_stale`: what no longer counts has not left this rolling
    window yet. `is_retired`: the budget is gone, and takes no more postings.
    """

    budget_id: int
    window_id: int
    balance: Balance
    is_over: bool = False
    is_rolling: bool = False
    is_stale: bool = False
    is_retired: bool = False
    is_touched: bool = False
    opening: Opening | None = None
    before: "Account | None" = None
    line: BudgetLine | None = None

    @property
    def order(self) -> tuple[int, tuple[int, str]]:
        """Sorts the accounts of one scope: by unit, then the longest period first."""
        return _UNIT_ORDER[self.balance.unit], self.balance.period.order


class Accounts:
    """Every account a transaction has met, each once.

    `has_rolling`: some of them may be rolling windows. Most transactions meet none, and then
    need not look for them among the windows of each operation.
    """

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._by_window: dict[int, Account] = {}
        self._current: dict[tuple[Unit, ...], dict[Scope, list[Account]]] = {}
        self._templates: list[BudgetLine] | None = None
        self.has_rolling = False
        self._has_new = False
        self._has_retired = False

    def current(self, scopes: Sequence[Scope], units: tuple[Unit, ...]) -> list[Account]:
        """What stands now for these scopes, in their order; those of one by `Account.order`."""
        known = self._current.get(units)
        if known is None:
            known = self._current[units] = {}
        missing = [scope for scope in scopes if scope not in known]
        if missing:
            known.update(self._load(missing, units))
        return [
            self.now(account) if account.is_over else account
            for scope in scopes
            for account in known[scope]
        ]

    def of_windows(self, window_ids: Sequence[int]) -> list[Account]:
        """These windows, in this order, whether or not their time is over."""
        missing = [number for number in window_ids if number not in self._by_window]
        if missing:
            for row in self._connection.execute(_select_windows(len(missing)), missing):
                self._account(row)
        return [self._by_window[number] for number in window_ids]

    def standing(self, window_ids: Sequence[int]) -> list[Account]:
        """Those of these windows whose budgets are still there."""
        accounts = self.of_windows(window_ids)
        if not self._has_retired:
            return accounts
        return [account for account in accounts if not account.is_retired]

    def every(self, tenant: str | None = None) -> list[Account]:
        """The latest window of every budget, or of those of a tenant, by scope. See `now`."""
        return [self._account(row) for row in self._connection.execute(_EVERY, (tenant,))]

    def now(self, account: Account) -> Account:
        """The account itself, or the window that follows it when its time is over."""
        if not account.is_over:
            return account
        balance = account.balance
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
        opening = self._opening_after(account, window.start_ms)
        balance = rules.post(empty, opening.opening)
        return Account(account.budget_id, 0, balance, opening=opening, before=account)

    def begin(self, scope: Scope, line: BudgetLine) -> Account:
        """The first window of a budget that the line declares."""
        window = window_at(line.period, self._now_ms)
        opening = rules.open_window(line.allocated)
        balance = Balance(
            scope=scope,
            unit=line.unit,
            period=line.period,
            window_start_ms=window.start_ms,
            window_end_ms=window.end_ms,
            allocated=opening.opening.allocated,
            reserved=0,
            spent=0,
            debt=0,
            uncertain=0,
            uncovered=0,
            overdraft_limit=line.overdraft_limit,
            is_over_limit=False,
            status=line.status,
        )
        self._has_new = True
        is_rolling = line.period.rolling_ms > 0
        self.has_rolling |= is_rolling
        return Account(0, 0, balance, is_rolling=is_rolling, opening=opening, line=line)

    def check_templates(self, accounts: Iterable[Account]) -> None:
        """A template makes no budget beyond the limit: what it cannot count it does not let by.

        Raises:
            Refused: TEMPLATE_LIMIT.
        """
        if not self._has_new:
            return
        new = [
            account
            for account in accounts
            if account.line is not None
            and account.line.pattern.is_template
            and not account.budget_id
        ]
        if not new:
            return
        select = self._connection.execute
        templates_max: int = select("SELECT templates_max FROM ledger").fetchone()[0]
        made: int = select(_MADE_BY_TEMPLATES).fetchone()[0]
        if made + len(new) > templates_max:
            raise Refused(
                Reason.TEMPLATE_LIMIT,
                f"{new[0].balance.scope} would be budget number {templates_max + 1} made by "
                f"templates, and templates_max is {templates_max}. Do not retry.",
            )

    def opened(self, account: Account, *, budget_id: int, window_id: int) -> Undo:
        """The account has rows now; the answer takes that back."""
        old_budget_id = account.budget_id
        account.budget_id, account.window_id = budget_id, window_id
        self._by_window[window_id] = account
        self.look_again_at(account.balance.scope)

        def undo() -> None:
            account.budget_id, account.window_id = old_budget_id, 0
            del self._by_window[window_id]
            self.look_again_at(account.balance.scope)

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

    def retired(self, budget_id: int, scope: Scope) -> Undo:
        """The budget is gone; the answer takes that back."""
        gone = [account for account in self._by_window.values() if account.budget_id == budget_id]

        def mark(is_retired: bool) -> None:
            for account in gone:
                account.is_retired = is_retired
            self.look_again_at(scope)

        mark(True)
        self._has_retired = True
        return partial(mark, False)

    def look_again(self) -> None:
        """Templates may have changed."""
        self._templates = None
        self._current.clear()

    def look_again_at(self, scope: Scope) -> None:
        """Which budgets of a scope there are, or which window is their latest, has changed."""
        for known in self._current.values():
            known.pop(scope, None)

    def touched_rows(self) -> Iterable[Row]:
        """The windows to write: amounts, the time and the id, as `transaction` updates them."""
        for number, account in self._by_window.items():
            if account.is_touched:
                balance = account.balance
                yield (
                    balance.allocated,
                    balance.reserved,
                    balance.spent,
                    balance.debt,
                    balance.uncertain,
                    balance.uncovered,
                    int(balance.is_over_limit),
                    self._now_ms,
                    number,
                )

    def _load(self, scopes: Sequence[Scope], units: tuple[Unit, ...]) -> dict[Scope, list[Account]]:
        found: dict[Scope, list[Account]] = {scope: [] for scope in scopes}
        for row in self._connection.execute(_select_current(len(scopes)), scopes):
            account = self._account(row)
            if account.balance.unit in units:
                found[row[2]].append(account)
        if self._templates is None:
            self._templates = templates.read(self._connection)
        for scope, accounts in found.items():
            if self._templates:
                self._add_from_templates(scope, units, accounts)
            if len(accounts) > 1:
                accounts.sort(key=_order)
        return found

    def _account(self, row: Row) -> Account:
        known = self._by_window.get(row[1])
        if known is not None:
            return known
        period = parse_period(row[4])
        balance = Balance(
            row[2],
            _UNITS[row[3]],
            period,
            row[5],
            row[6],
            row[7],
            row[8],
            row[9],
            row[10],
            row[11],
            row[12],
            row[13],
            bool(row[14]),
            _STATUSES[row[15]],
            bool(row[16] & 1),
        )
        is_rolling = period.rolling_ms > 0
        is_over = row[6] is not None and row[6] <= self._now_ms
        is_retired = row[16] > 1
        account = Account(row[0], row[1], balance, is_over, is_rolling, is_rolling, is_retired)
        self.has_rolling |= is_rolling
        self._has_retired |= is_retired
        self._by_window[row[1]] = account
        return account

    def _add_from_templates(
        self, scope: Scope, units: tuple[Unit, ...], accounts: list[Account]
    ) -> None:
        assert self._templates is not None, "they were read before"
        there = {(account.balance.unit, account.balance.period) for account in accounts}
        for line in templates.governing(self._templates, scope):
            if line.unit in units and (line.unit, line.period) not in there:
                accounts.append(self.begin(scope, line))

    def _opening_after(self, before: Account, start_ms: int) -> Opening:
        row = self._connection.execute(_NEXT, (before.budget_id,)).fetchone()
        allocation, rollover_max = row
        skipped = _windows_between(
            before.balance, start_ms, allocation, before.balance.debt + rollover_max
        )
        return rules.open_window(
            allocation, before.balance, skipped=skipped, rollover_max=rollover_max
        )


def _order(account: Account) -> tuple[int, tuple[int, str]]:
    return account.order


def put_back(account: Account, balance: Balance, is_touched: bool) -> None:
    """Undo of a posting: how the account stood before it."""
    account.balance = balance
    account.is_touched = is_touched


def _windows_between(before: Balance, start_ms: int, allocation: int, enough: int) -> int:
    """How many whole windows passed between the end of this one and the start of another.

    Counted as far as their allocations matter: `enough` is the most that they pay and
    hand on together.
    """
    count = 0
    end_ms = before.window_end_ms
    while end_ms is not None and end_ms < start_ms and 0 <= count * allocation < enough:
        end_ms = window_at(before.period, end_ms).end_ms
        count += 1
    return count
