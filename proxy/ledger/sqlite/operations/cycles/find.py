"""Rows by what is known of them, sorted, page by page.

A key has an index, and so has a tenant's newest rows; any other order sorts what the filters
leave of the tenant's rows. All of it beside the loop.

Source: cycles-protocol-v0.yaml, listReservations.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from proxy.domain.money import Unit
from proxy.ledger.records import Between, Reservation, ReservationQuery, SortKey
from proxy.ledger.sqlite import rows

_AMOUNTS: Final = ", ".join(f"amounts ->> '$.{unit.value}'" for unit in Unit)
_SORTED_BY: Final = {
    SortKey.RESERVATION_ID: "id",
    SortKey.TENANT: "tenant",
    SortKey.SCOPE_PATH: "scope",
    SortKey.STATUS: "iif(state = 'UNCERTAIN', 'ACTIVE', state)",
    SortKey.RESERVED: f"coalesce({_AMOUNTS})",
    SortKey.CREATED_AT_MS: "created_at_ms",
    SortKey.EXPIRES_AT_MS: "expires_at_ms",
}
_HAS_END: Final = "state IN ('COMMITTED', 'RELEASED')"

_Term = tuple[str, tuple[str | int, ...]]
"""A condition, and the values of its places."""


def find(connection: sqlite3.Connection, query: ReservationQuery) -> tuple[Reservation, ...]:
    """The rows that match, in their order."""
    terms = [*_terms(query)]
    order = f"{_SORTED_BY[query.sort]} {{0}}, id {{0}}".format(
        "DESC" if query.is_descending else "ASC"
    )
    found = connection.execute(
        f"{rows.SELECT} WHERE {' AND '.join(term for term, _ in terms)} ORDER BY {order} LIMIT ?",
        (*(value for _, values in terms for value in values), query.limit),
    )
    return tuple(map(rows.whole, found))


def _terms(query: ReservationQuery) -> Iterator[_Term]:
    """What must all hold. `rules.check_query` has looked at the levels: they are names."""
    yield "tenant = ?", (query.tenant,)
    yield "granted IS NOT NULL", ()
    states = tuple(sorted(query.states))
    yield f"state IN ({','.join('?' * len(states))})", states
    if query.key is not None:
        yield "key = ?", (query.key,)
    for level, value in query.levels.items():
        yield f"subject ->> '$.{level}' = ?", (value,)
    yield from _between("created_at_ms", query.created)
    yield from _between("expires_at_ms", query.expires)
    if query.finalized != Between():
        yield _HAS_END, ()
        yield from _between("finalized_at_ms", query.finalized)
    if query.after is not None:
        beyond = "<" if query.is_descending else ">"
        yield f"({_SORTED_BY[query.sort]}, id) {beyond} (?, ?)", query.after


def _between(column: str, between: Between) -> Iterator[_Term]:
    if between.from_ms is not None:
        yield f"{column} >= ?", (between.from_ms,)
    if between.to_ms is not None:
        yield f"{column} <= ?", (between.to_ms,)
