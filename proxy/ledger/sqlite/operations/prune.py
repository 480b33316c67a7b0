"""Lets go of what nobody needs any more: rows, first answers, entries, windows.

    find (the reader's thread) ─▶ let_go (the transaction of a tick)

One kind of thing at a time, in the order in which they refer to one another: a window only
goes when no row, no answer and no entry names it. So each batch leaves a sound ledger.

rows       are settled and covered: what they were charged is `carried` by their windows
answers    to operators, for which the time to try again is over
entries    up to a checkpoint, where replay starts then
windows    whose time is over are first taken out of the journal, by an entry; their rows go
           when that entry and all before it have gone
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from proxy.ledger.checkpoint import Checkpoint, write_checkpoint
from proxy.ledger.journal import NOTHING_STANDS, Amounts, Entry, Kind
from proxy.ledger.seal import Seal, check_entries, check_standing, standing_after
from proxy.ledger.sqlite.holds import read_amounts
from proxy.ledger.sqlite.operations import read
from proxy.ledger.sqlite.operations import seal as seals
from proxy.ledger.sqlite.operations.seal import PRUNED
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

RETENTION: Final = "retention"
"""Who lets windows go, as the journal names it."""

_DAY_MS: Final = 86_400_000
"""For so long an operator may try again; docs/semantics.md, "Budgets"."""

_KEPT_MAX: Final = 10_000
"""Old rows that have to stay: where there are more, windows stay as well."""

_LAST_NUMBER: Final = "SELECT max(number) FROM reservations"
_MADE_AT: Final = (
    "SELECT number, created_at_ms FROM reservations WHERE number <= ? ORDER BY number DESC LIMIT 1"
)
_ROWS: Final = (
    "SELECT number FROM reservations WHERE number <= ? AND finalized_at_ms < ?"
    " AND uncovered IS NULL ORDER BY number LIMIT ?"
)
_ROW: Final = (
    "SELECT windows, charged FROM reservations WHERE number = ? AND finalized_at_ms IS NOT NULL"
    " AND uncovered IS NULL"
)
_KEPT_ROWS: Final = "SELECT windows FROM reservations WHERE number <= ? LIMIT ?"
_OLD_FUNDINGS: Final = "SELECT count(*) FROM (SELECT 1 FROM fundings WHERE at_ms < ? LIMIT ?)"
_DROP_FUNDINGS: Final = (
    "DELETE FROM fundings WHERE (scope, unit, period, key) IN"
    " (SELECT scope, unit, period, key FROM fundings WHERE at_ms < ? ORDER BY at_ms LIMIT ?)"
)
_FIRST_SEQ: Final = "SELECT min(seq) FROM journal WHERE tenant = ?"
_DROP_ENTRIES: Final = "DELETE FROM journal WHERE tenant = ? AND seq <= ?"
_DROP_SEALS: Final = "DELETE FROM seals WHERE tenant = ? AND last_seq < ?"

# Of windows whose time is over, those that are settled.
_OVER: Final = """
SELECT w.id FROM windows w JOIN budgets b ON b.id = w.budget_id
WHERE w.end_ms < ?1 AND w.used_at_ms < ?1 AND b.window_id <> w.id
    AND w.is_forgotten = 0 AND w.reserved = 0 AND w.debt = 0 AND w.uncovered = 0
    AND w.id NOT IN (SELECT value FROM json_each(?2))
ORDER BY w.end_ms LIMIT ?3
"""
# Windows that nothing knows any more: they are forgotten, or their budget has retired.
_UNKNOWN: Final = """
SELECT w.id FROM windows w JOIN budgets b ON b.id = w.budget_id
WHERE {gone} AND w.reserved = 0 AND w.debt = 0 AND w.uncovered = 0
    AND w.id NOT IN (SELECT value FROM json_each(?2))
    AND w.used_at_ms < (SELECT at_ms FROM standings WHERE tenant = b.tenant AND place = 'pruned')
    AND w.used_at_ms < coalesce((SELECT min(at_ms) FROM fundings), ?1)
LIMIT ?3
"""
_FORGOTTEN_BEFORE: Final = _UNKNOWN.format(gone="w.is_forgotten = 1 AND w.used_at_ms < ?1")
_RETIRED_BEFORE: Final = _UNKNOWN.format(gone="b.retired_at_ms < ?1 AND b.window_id = w.id")
_FORGET: Final = (
    "UPDATE budgets SET used_at_ms = max(used_at_ms,"
    " (SELECT used_at_ms FROM windows WHERE id = ?1))"
    " WHERE id = (SELECT budget_id FROM windows WHERE id = ?1)"
)
_IS_FORGOTTEN: Final = "UPDATE windows SET is_forgotten = 1 WHERE id = ?"
_DROP_BUDGET: Final = (
    "DELETE FROM budgets WHERE retired_at_ms IS NOT NULL"
    " AND id = (SELECT budget_id FROM windows WHERE id = ?1)"
    " AND NOT EXISTS (SELECT 1 FROM windows WHERE budget_id = budgets.id AND id <> ?1)"
)
_DROP_BUCKETS: Final = "DELETE FROM buckets WHERE window_id = ?"
_DROP_WINDOW: Final = "DELETE FROM windows WHERE id = ?"

_decode_windows: Final = msgspec.json.Decoder(tuple[int, ...]).decode


class Batch(Protocol):
    """What can go in one transaction."""

    def let_go(self, transaction: Transaction) -> int:
        """Let it go; how many things went."""
        ...


def find(
    connection: sqlite3.Connection, *, before_ms: int, now_ms: int, limit: int
) -> Batch | None:
    """The next that can go; None when nothing from before this time can."""
    answers_before_ms = min(before_ms, now_ms - _DAY_MS)
    last = _last_number_before(connection, before_ms)
    return (
        _find_rows(connection, last, before_ms, limit)
        or _find_answers(connection, answers_before_ms, limit)
        or _find_entries(connection, before_ms, limit)
        or _find_windows(connection, last, before_ms, limit)
    )


def _last_number_before(connection: sqlite3.Connection, before_ms: int) -> int:
    """The number of the newest row that was made before; times rise with numbers."""
    found, beyond = 0, 1 + (connection.execute(_LAST_NUMBER).fetchone()[0] or 0)
    while beyond - found > 1:
        middle = (found + beyond) // 2
        row = connection.execute(_MADE_AT, (middle,)).fetchone()
        if row is None or row[1] < before_ms:
            found = middle
        else:
            beyond = row[0]
    return found


@dataclass(frozen=True)
class _Rows:
    numbers: Sequence[int]

    def let_go(self, transaction: Transaction) -> int:
        carried: Counter[int] = Counter()
        went = 0
        for number in self.numbers:
            row = transaction.read(_ROW, (number,)).fetchone()
            if row is None:
                continue  # charged late, meanwhile, with nothing to cover it
            went += 1
            if row[1] is not None:
                charged = read_amounts(row[1])
                for account in transaction.accounts.of_windows(_decode_windows(row[0])):
                    carried[account.window_id] += charged[account.balance.unit]
            transaction.execute("DELETE FROM replies WHERE number = ?", (number,))
            transaction.execute("DELETE FROM reservations WHERE number = ?", (number,))
        for window_id, moved in carried.items():
            transaction.carry(window_id, moved)
        return went


def _find_rows(
    connection: sqlite3.Connection, last: int, before_ms: int, limit: int
) -> Batch | None:
    found = [number for (number,) in connection.execute(_ROWS, (last, before_ms, limit))]
    return _Rows(found) if found else None


@dataclass(frozen=True)
class _Answers:
    before_ms: int
    count: int

    def let_go(self, transaction: Transaction) -> int:
        transaction.execute(_DROP_FUNDINGS, (self.before_ms, self.count))
        return self.count


def _find_answers(connection: sqlite3.Connection, before_ms: int, limit: int) -> Batch | None:
    (count,) = connection.execute(_OLD_FUNDINGS, (before_ms, limit)).fetchone()
    return _Answers(before_ms, count) if count else None


@dataclass(frozen=True)
class _Entries:
    """Up to `last_seq`, of those up to the checkpoint, which is None where it was kept before."""

    tenant: str
    first_seq: int
    last_seq: int
    checkpoint: Checkpoint | None

    def let_go(self, transaction: Transaction) -> int:
        if self.checkpoint is not None:
            seals.keep_checkpoint(transaction, self.tenant, PRUNED, self.checkpoint)
        transaction.execute(_DROP_ENTRIES, (self.tenant, self.last_seq))
        transaction.execute(_DROP_SEALS, (self.tenant, self.last_seq))
        return self.last_seq - self.first_seq + 1


def _find_entries(connection: sqlite3.Connection, before_ms: int, limit: int) -> Batch | None:
    for tenant in read.tenants(connection):
        (first_seq,) = connection.execute(_FIRST_SEQ, (tenant,)).fetchone()
        pruned_seq = seals.checkpoint_seq(connection, tenant, PRUNED)
        if first_seq <= pruned_seq:
            return _Entries(tenant, first_seq, min(first_seq + limit - 1, pruned_seq), None)
        checkpoint = _next_checkpoint(connection, tenant, pruned_seq, before_ms)
        if checkpoint is not None:
            last_seq = min(first_seq + limit - 1, checkpoint.seq)
            return _Entries(tenant, first_seq, last_seq, checkpoint)
    return None


def _next_checkpoint(
    connection: sqlite3.Connection, tenant: str, pruned_seq: int, before_ms: int
) -> Checkpoint | None:
    """The first one after the entries that went already.

    The last run stays, for the next entry to have a number. And so does all that is not
    as it was sealed, for `verify` to tell.
    """
    passed: list[Seal] = []
    for seal in seals.seals(connection, tenant, after_seq=pruned_seq):
        if passed and passed[-1].is_checkpoint:
            return _stand_at(connection, passed)
        if seal.at_ms >= before_ms:
            return None
        passed.append(seal)
    return None


def _stand_at(connection: sqlite3.Connection, passed: Sequence[Seal]) -> Checkpoint | None:
    """What windows held at the last of these seals; None where an entry was changed since."""
    pruned = seals.read_checkpoint(connection, passed[0].tenant, PRUNED)
    try:
        before = pruned.standing if pruned is not None else NOTHING_STANDS
        standing = standing_after(before, _as_sealed(connection, passed))
    except ValueError:
        return None
    if any(check_standing(passed[-1], standing)):
        return None
    return write_checkpoint(passed[-1], standing)


def _as_sealed(connection: sqlite3.Connection, passed: Iterable[Seal]) -> Iterator[Entry]:
    """The entries of these seals.

    Raises:
        ValueError: one was changed since.
    """
    for seal in passed:
        before, count = seal.first_seq - 1, seal.last_seq - seal.first_seq + 1
        run = list(read.entries(connection, seal.tenant, after_seq=before, limit=count))
        if any(check_entries(seal, run)):
            raise ValueError(f"entries {seal.first_seq} to {seal.last_seq} were changed")
        yield from run


@dataclass(frozen=True)
class _Over:
    window_ids: Sequence[int]

    def let_go(self, transaction: Transaction) -> int:
        for account in transaction.accounts.of_windows(self.window_ids):
            balance = account.balance
            standing = Amounts(
                allocated=balance.allocated,
                spent=balance.spent,
                over_limit=int(balance.is_over_limit),
            )
            about = about_budgets(balance.scope)
            change = standing.negated()
            transaction.execute(_FORGET, (account.window_id,))
            transaction.execute(_IS_FORGOTTEN, (account.window_id,))
            transaction.post(Kind.FORGET, [(account, change)], about=about, actor=RETENTION)
        return len(self.window_ids)


@dataclass(frozen=True)
class _Windows:
    window_ids: Sequence[int]

    def let_go(self, transaction: Transaction) -> int:
        for window_id in self.window_ids:
            transaction.execute(_DROP_BUCKETS, (window_id,))
            transaction.execute(_DROP_BUDGET, (window_id,))
            transaction.execute(_DROP_WINDOW, (window_id,))
        return len(self.window_ids)


def _find_windows(
    connection: sqlite3.Connection, last: int, before_ms: int, limit: int
) -> Batch | None:
    kept = connection.execute(_KEPT_ROWS, (last, _KEPT_MAX + 1)).fetchall()
    if len(kept) > _KEPT_MAX:
        return None
    named = msgspec.json.encode(_named_by(windows for (windows,) in kept)).decode()
    batches: tuple[tuple[str, Callable[[Sequence[int]], Batch]], ...] = (
        (_OVER, _Over),
        (_FORGOTTEN_BEFORE, _Windows),
        (_RETIRED_BEFORE, _Windows),
    )
    for statement, batch in batches:
        found = [w for (w,) in connection.execute(statement, (before_ms, named, limit))]
        if found:
            return batch(found)
    return None


def _named_by(rows: Iterable[str]) -> set[int]:
    return {window_id for windows in rows for window_id in _decode_windows(windows)}
