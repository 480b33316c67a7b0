"""What one transaction does: rows at once, windows and journal together at its end."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.protocol import Balance
from proxy.ledger.rules import Opening
from proxy.ledger.sqlite.accounts import Account, Accounts, Undo

_UPDATE_WINDOW: Final = (
    "UPDATE windows SET allocated = ?, reserved = ?, spent = ?, debt = ?, uncertain = ?,"
    " uncovered = ?, is_over_limit = ? WHERE id = ?"
)
_APPEND: Final = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)"
_NEW_BUDGET: Final = (
    "INSERT INTO budgets (tenant, scope, unit, period, overdraft_limit, status,"
    " declared_allocated, declared_status, is_declared, template, window_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, 0)"
)
_NEW_WINDOW: Final = (
    "INSERT INTO windows (budget_id, start_ms, end_ms, carried, allocated, reserved, spent, debt,"
    " uncertain, uncovered, is_over_limit) VALUES (?, ?, ?, ?, ?, 0, ?, ?, 0, 0, 0)"
)

_encode: Final = msgspec.json.Encoder().encode

Change = tuple[Account, Amounts]


class Transaction:
    """Everything that the operations of one tick change, at one moment of the ledger's clock."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        self.now_ms = now_ms
        self.accounts = Accounts(connection, now_ms)
        self._connection = connection
        self._entries: list[tuple[str, Kind, str | None, str, str]] = []
        self._undo: list[Undo] = []
        self._last: list[tuple[str, Sequence[Any]]] = []
        self._has_savepoint = False

    def read(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Ask for rows, as they stand in the middle of this operation."""
        if self._last:
            self._open_savepoint()
            self._write_last()
        return self._connection.execute(statement, values)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Change rows now. If the operation fails later on, that is taken back."""
        self._open_savepoint()
        return self.read(statement, values)

    def execute_last(self, statement: str, values: Sequence[Any]) -> None:
        """Change rows once nothing of this operation can fail any more.

        An operation that changes rows in no other way needs no savepoint, which costs as
        much as the change itself.
        """
        self._last.append((statement, values))

    def post(
        self,
        kind: Kind,
        changes: Iterable[Change] = (),
        *,
        tenant: str,
        reservation_id: str | None = None,
        actor: str = "",
    ) -> tuple[Balance, ...]:
        """Change balances and say so in the tenant's journal; the balances after it.

        Raises:
            AmountOutOfRange: an amount would leave int64.
        """
        postings = []
        balances = []
        for account, change in changes:
            if not account.window_id:
                self.open_window(account)
            balance = rules.post(account.balance, change)
            self._undo.append(self.accounts.set_balance(account, balance))
            postings.append((account.window_id, *change))
            balances.append(balance)
        self._entries.append((tenant, kind, reservation_id, _encode(postings).decode(), actor))
        return tuple(balances)

    def open_window(self, account: Account) -> None:
        """Give the account its rows: a window's and, where there is none, a budget's."""
        tenant = tenant_of(account.balance.scope)
        begins = account.opening
        budget_id = account.budget_id or self._insert_budget(account, tenant)
        window_id = self._insert_window(budget_id, account.balance, begins)
        self.execute("UPDATE budgets SET window_id = ? WHERE id = ?", (window_id, budget_id))
        postings = [(window_id, *begins.opening)]
        if account.before is not None and begins.closing.debt:
            balance = rules.post(account.before.balance, begins.closing)
            self._undo.append(self.accounts.set_balance(account.before, balance))
            postings.insert(0, (account.before.window_id, *begins.closing))
        self._undo.append(self.accounts.opened(account, budget_id=budget_id, window_id=window_id))
        self._entries.append((tenant, Kind.OPEN, None, _encode(postings).decode(), ""))

    def _insert_budget(self, account: Account, tenant: str) -> int:
        balance = account.balance
        return self._inserted(
            _NEW_BUDGET,
            (
                tenant,
                balance.scope,
                balance.unit.value,
                balance.period.value,
                balance.overdraft_limit,
                balance.status.value,
                account.allocation,
                balance.status.value,
                account.template,
            ),
        )

    def _insert_window(self, budget_id: int, balance: Balance, begins: Opening) -> int:
        return self._inserted(
            _NEW_WINDOW,
            (
                budget_id,
                balance.window_start_ms,
                balance.window_end_ms,
                begins.carried,
                begins.opening.allocated,
                begins.opening.spent,
                begins.opening.debt,
            ),
        )

    def _inserted(self, statement: str, values: Sequence[Any]) -> int:
        row_id = self.execute(statement, values).lastrowid
        assert row_id is not None, "an INSERT has a row id"
        return row_id

    def undoable(self, undo: Undo) -> None:
        """Something in memory that must be taken back when this operation fails."""
        self._undo.append(undo)

    def begin_operation(self) -> int:
        """Start an operation that can fail alone; the answer is for `undo_operation`."""
        self._undo.clear()
        self._has_savepoint = False
        return len(self._entries)

    def end_operation(self) -> None:
        """The operation stands, if the transaction does."""
        self._write_last()
        if self._has_savepoint:
            self._connection.execute("RELEASE operation")

    def undo_operation(self, entries: int) -> None:
        """Nothing of the operation stands."""
        self._last.clear()
        if self._has_savepoint:
            self._connection.execute("ROLLBACK TO operation")
            self._connection.execute("RELEASE operation")
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        del self._entries[entries:]

    def _open_savepoint(self) -> None:
        if not self._has_savepoint:
            self._connection.execute("SAVEPOINT operation")
            self._has_savepoint = True

    def _write_last(self) -> None:
        for statement, values in self._last:
            self._connection.execute(statement, values)
        self._last.clear()

    def flush(self) -> None:
        """Write the windows and the journal. Nothing may be posted after it."""
        self._connection.executemany(_UPDATE_WINDOW, self.accounts.touched_rows())
        seqs: dict[str, int] = {}
        rows = []
        for tenant, kind, reservation_id, postings, actor in self._entries:
            seq = seqs[tenant] = (seqs.get(tenant) or self._last_seq(tenant)) + 1
            rows.append((tenant, seq, self.now_ms, kind.value, reservation_id, postings, actor))
        self._connection.executemany(_APPEND, rows)

    def _last_seq(self, tenant: str) -> int:
        last = self.read("SELECT max(seq) FROM journal WHERE tenant = ?", (tenant,)).fetchone()
        return last[0] or 0


def tenant_of(scope: Scope) -> str:
    """The tenant whose journal a scope's budget is kept in; empty where it names none."""
    level, _, value = scope.partition("/")[0].partition(":")
    return value if level == "tenant" else ""
