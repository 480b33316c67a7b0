"""Questions that change nothing, asked of what is committed. They wait for no lock."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from proxy.domain.money import Unit
from proxy.domain.period import parse_period
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Entry, Kind, Posting, UnreadableEntry, WindowName
from proxy.ledger.records import Balance, Reservation
from proxy.ledger.sqlite import rows
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.transaction import Transaction

_ENTRIES: Final = (
    "SELECT tenant, seq, at_ms, kind, reservation_id, scope, actor, trace_id, price_version,"
    " postings FROM journal WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?"
)
_WINDOW: Final = (
    "SELECT b.scope, b.unit, b.period, w.start_ms FROM windows w"
    " JOIN budgets b ON b.id = w.budget_id WHERE w.id = ?"
)
_TENANTS: Final = """
WITH RECURSIVE found (tenant) AS (
    SELECT min(tenant) FROM journal
    UNION ALL
    SELECT (SELECT min(tenant) FROM journal WHERE tenant > found.tenant) FROM found
    WHERE found.tenant IS NOT NULL
)
SELECT tenant FROM found WHERE tenant IS NOT NULL
"""

_decode_postings: Final = msgspec.json.Decoder(list[list[int]]).decode


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Several questions, and one answer that fits together."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def balances(
    transaction: Transaction, scopes: Sequence[Scope], units: Sequence[Unit]
) -> tuple[Balance, ...]:
    """As a reserve would find them now."""
    accounts = transaction.accounts.current(scopes, tuple(units))
    return tuple(arrears.foreseen(transaction, accounts))


def all_balances(
    connection: sqlite3.Connection, now_ms: int, tenant: str | None
) -> tuple[Balance, ...]:
    """Every budget that has a row, or every one of a tenant."""
    with snapshot(connection):
        transaction = Transaction(connection, now_ms)
        accounts = transaction.accounts
        every = [accounts.now(account) for account in accounts.every(tenant)]
        return tuple(arrears.foreseen(transaction, every))


def reservations(
    connection: sqlite3.Connection, states: Iterable[State], scope: Scope | None, limit: int
) -> tuple[Reservation, ...]:
    """The newest rows in these states, newest first; those at or below a scope."""
    found = [row for state in states for row in rows.newest(connection, state, scope, limit)]
    found.sort(key=lambda row: row[0], reverse=True)
    return tuple(reservation for _, reservation in found[:limit])


def tenants(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Everyone who has a journal, sorted."""
    return tuple(tenant for (tenant,) in connection.execute(_TENANTS))


def entries(
    connection: sqlite3.Connection, tenant: str, *, after_seq: int, limit: int
) -> Iterator[Entry]:
    """A tenant's journal, in its order. A negative limit is none.

    Raises:
        UnreadableEntry: somebody has changed the file.
    """
    names: dict[int, WindowName] = {}
    for row in connection.execute(_ENTRIES, (tenant, after_seq, limit)):
        try:
            postings = _decode_postings(row[9])
            for window_id, *_ in postings:
                if window_id not in names:
                    names[window_id] = _window_name(connection, window_id)
            entry = _entry(row, [Posting(names[p[0]], Amounts(*p[1:])) for p in postings])
        except (TypeError, ValueError) as error:
            raise UnreadableEntry(tenant, row[1]) from error
        yield entry


def _entry(row: Sequence[Any], postings: Iterable[Posting]) -> Entry:
    return Entry(
        tenant=row[0],
        seq=row[1],
        at_ms=row[2],
        kind=Kind(row[3]),
        reservation_id=row[4],
        postings=tuple(postings),
        scope=Scope(row[5]),
        actor=row[6],
        trace_id=row[7],
        price_version=row[8],
    )


def _window_name(connection: sqlite3.Connection, window_id: int) -> WindowName:
    scope, unit, period, start_ms = connection.execute(_WINDOW, (window_id,)).fetchone()
    return WindowName(Scope(scope), Unit(unit), parse_period(period), start_ms)
