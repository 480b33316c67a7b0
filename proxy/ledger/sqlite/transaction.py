"""What one transaction does: rows at once, windows and journal together at its end."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from proxy.domain.scope import Scope, tenant_of
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import Balance
from proxy.ledger.rules import Opening
from proxy.ledger.sqlite.accounts import Account, Accounts, Undo, put_back
from proxy.ledger.sqlite.seldom import Seldom

_T = TypeVar("_T")

_UPDATE_WINDOW: Final = (
    "UPDATE windows SET allocated = ?, reserved = ?, spent = ?, debt = ?, uncertain = ?,"
    " uncovered = ?, is_over_limit = ?, used_at_ms = ? WHERE id = ?"
)
_APPEND: Final = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NEW_BUDGET: Final = (
    "INSERT INTO budgets (tenant, scope, unit, period, overdraft_limit, status, rollover_max,"
    " idle_ttl_ms, declared_allocated, declared_status, is_declared, template, window_id,"
    " idle_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, 0, ?)"
)
_NEW_WINDOW: Final = (
    "INSERT INTO windows (budget_id, start_ms, end_ms, carried, used_at_ms, allocated, reserved,"
    " spent, debt, uncertain, uncovered, is_over_limit)"
    " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, 0, 0, 0)"
)
_NEW_CURRENT: Final = "UPDATE budgets SET window_id = ? WHERE id = ?"
_SELECT_CARRIED: Final = "SELECT carried FROM windows WHERE id = ?"
_CARRY: Final = "UPDATE windows SET carried = ? WHERE id = ?"
_COUNT_IN_BUCKET: Final = (
    "INSERT INTO buckets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET spent = spent + excluded.spent"
)
_EMPTY_BUCKETS: Final = "DELETE FROM buckets WHERE window_id = ? AND number < ?"

_encode: Final = msgspec.json.Encoder().encode

Change = tuple[Account, Amounts]


class About(msgspec.Struct, frozen=True):
    """Whom an entry is about: who spends, or without a reservation whose budget it is."""

    tenant: str
    scope: Scope
    reservation_id: str | None = None
    trace_id: str = ""
    price_version: str = ""


def about_budgets(scope: Scope) -> About:
    """The budgets of a scope. Their journal is their tenant's, or nobody's."""
    return About(tenant_of(scope), scope)


class Transaction:
    """Everything that the operations of one tick change, at one moment of the ledger's clock."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        self.now_ms = now_ms
        self.accounts = Accounts(connection, now_ms)
        self.seldom = Seldom(connection)
        self._connection = connection
        self._entries: list[tuple[About, Kind, str, str]] = []
        self._undo: list[Undo] = []
        self._last: list[tuple[str, Sequence[Any]]] = []
        self._has_savepoint = False
        self._is_looking = False

    def read(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Ask for rows, as they stand in the middle of this operation."""
        if self._last:
            self._open_savepoint()
            self._write_last()
        return self._connection.execute(statement, values)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Change rows now. If the operation fails later on, that is taken back."""
        if not self._is_looking:
            self._open_savepoint()
            self.read(statement, values)

    def insert(self, statement: str, values: Sequence[Any]) -> int:
        """The number of the new row. Who only looks gets one that no row has."""
        if self._is_looking:
            return -1 - len(self._undo)
        self._open_savepoint()
        row_id = self.read(statement, values).lastrowid
        assert row_id is not None, "an INSERT has a row id"
        return row_id

    def execute_last(self, statement: str, values: Sequence[Any]) -> None:
        """Change rows once nothing of this operation can fail any more.

        An operation that changes rows in no other way needs no savepoint, which costs as
        much as the change itself.
        """
        if not self._is_looking:
            self._last.append((statement, values))

    def post(
        self,
        kind: Kind,
        changes: Iterable[Change] = (),
        *,
        about: About,
        actor: str = "",
    ) -> tuple[Balance, ...]:
        """Change balances and say so in the tenant's journal; the balances after it.

        Raises:
            AmountOutOfRange: an amount would leave int64.
        """
        is_of_a_hold = about.reservation_id is not None
        postings = []
        balances = []
        for account, change in changes:
            if not account.window_id:
                self.open_window(account)
            balance = rules.post(account.balance, change)
            self._undo.append(partial(put_back, account, account.balance, account.is_touched))
            account.balance, account.is_touched = balance, True
            if not is_of_a_hold:
                self.carry(account.window_id, change.spent + change.debt)
            if account.is_rolling:
                self._count_in_buckets(account, kind, change)
            postings.append((account.window_id, *change))
            balances.append(balance)
        self._entries.append((about, kind, _encode(postings).decode(), actor))
        return tuple(balances)

    def open_window(self, account: Account) -> None:
        """Give the account its rows: a window's and, where there is none, a budget's."""
        begins, before = account.opening, account.before
        assert begins is not None, "it has no rows"
        about = about_budgets(account.balance.scope)
        budget_id = account.budget_id or self._insert_budget(account, about.tenant)
        window_id = self._insert_window(budget_id, account.balance, begins)
        self.execute(_NEW_CURRENT, (window_id, budget_id))
        postings = [(window_id, *begins.opening)]
        if before is not None and any(begins.closing):
            balance = rules.post(before.balance, begins.closing)
            self._undo.append(partial(put_back, before, before.balance, before.is_touched))
            before.balance, before.is_touched = balance, True
            self.carry(before.window_id, begins.closing.spent + begins.closing.debt)
            postings.insert(0, (before.window_id, *begins.closing))
        self._undo.append(self.accounts.opened(account, budget_id=budget_id, window_id=window_id))
        self._entries.append((about, Kind.OPEN, _encode(postings).decode(), ""))

    def _insert_budget(self, account: Account, tenant: str) -> int:
        balance, line = account.balance, account.line
        assert line is not None, "a line declares every budget"
        is_template, idle_ttl_ms = line.pattern.is_template, line.idle_ttl_ms
        may_idle = is_template and idle_ttl_ms is not None
        return self.insert(
            _NEW_BUDGET,
            (
                tenant,
                balance.scope,
                balance.unit.value,
                str(balance.period),
                balance.overdraft_limit,
                balance.status.value,
                line.rollover_max,
                idle_ttl_ms,
                line.allocated,
                line.status.value,
                line.pattern.text if is_template else None,
                0 if may_idle else None,
            ),
        )

    def _insert_window(self, budget_id: int, balance: Balance, begins: Opening) -> int:
        opening = begins.opening
        return self.insert(
            _NEW_WINDOW,
            (
                budget_id,
                balance.window_start_ms,
                balance.window_end_ms,
                str(opening.spent + opening.debt),
                self.now_ms,
                opening.allocated,
                opening.spent,
                opening.debt,
            ),
        )

    def carry(self, window_id: int, moved: int) -> None:
        """Note what of spent and debt no row of a hold accounts for."""
        if moved and not self._is_looking:
            (carried,) = self.read(_SELECT_CARRIED, (window_id,)).fetchone()
            self.execute(_CARRY, (str(int(carried) + moved), window_id))

    def _count_in_buckets(self, account: Account, kind: Kind, change: Amounts) -> None:
        """What was spent is spent now; who says otherwise says it of now as well."""
        period, window_id = account.balance.period, account.window_id
        now, spent = self.now_ms // period.bucket_ms, change.spent
        if kind is Kind.ROLL:
            self.execute_last(_EMPTY_BUCKETS, (window_id, period.oldest_bucket(self.now_ms)))
            spent = -change.debt
        elif spent < 0:
            self.execute_last(_EMPTY_BUCKETS, (window_id, now + 1))
            spent = account.balance.spent
        if spent:
            self.execute_last(_COUNT_IN_BUCKET, (window_id, now, spent))

    def look(self, question: Callable[[], _T]) -> _T:
        """What would be if this was done: nothing of it stays, and nothing is written."""
        entries, undo = len(self._entries), len(self._undo)
        self._is_looking = True
        try:
            return question()
        finally:
            self._is_looking = False
            self._take_back(entries, undo)

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
        self._take_back(entries, 0)

    def _take_back(self, entries: int, undo: int) -> None:
        """What is in memory, as far back as these numbers of entries and of things to undo."""
        while len(self._undo) > undo:
            self._undo.pop()()
        del self._entries[entries:]

    def _open_savepoint(self) -> None:
        if not self._has_savepoint:
            self._connection.execute("SAVEPOINT operation")
            self._has_savepoint = True

    def _write_last(self) -> None:
        for statement, values in self._last:
            self._connection.execute(statement, values)
        self._last.clear()

    def write_windows(self) -> None:
        """Write the windows as they stand now, for who asks the file about them."""
        self._open_savepoint()
        self._connection.executemany(_UPDATE_WINDOW, self.accounts.touched_rows())

    def flush(self) -> None:
        """Write the windows and the journal. Nothing may be posted after it."""
        self._connection.executemany(_UPDATE_WINDOW, self.accounts.touched_rows())
        seqs: dict[str, int] = {}
        rows = []
        for about, kind, postings, actor in self._entries:
            tenant = about.tenant
            seq = seqs[tenant] = (seqs.get(tenant) or self._last_seq(tenant)) + 1
            rows.append(
                (
                    tenant, seq, self.now_ms, str(kind), about.reservation_id, about.scope, actor,
                    about.trace_id, about.price_version, postings,
                )
            )  # fmt: skip
        self._connection.executemany(_APPEND, rows)

    def _last_seq(self, tenant: str) -> int:
        last = self.read("SELECT max(seq) FROM journal WHERE tenant = ?", (tenant,)).fetchone()
        return last[0] or 0
