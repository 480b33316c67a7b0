"""The rows that a query asks for.

Those that may match are read page by page, and the best of them kept. The rows of one key,
the open ones, and those made between two times are found without reading the others.

Source: cycles-protocol-v0.yaml, listReservations.
"""

import heapq
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, State
from proxy.ledger import rules
from proxy.ledger.records import Between, Place, Reservation, ReservationQuery, SortKey
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.reading import rows

_WITH_AN_END: Final = frozenset({State.COMMITTED, State.RELEASED})
_ALWAYS: Final = Between()


async def find(asker: Asker, query: ReservationQuery) -> tuple[Reservation, ...]:
    """The rows that a query asks for, in its order.

    Raises:
        ValueError: `rules.check_query`.
    """
    rules.check_query(query)
    best: list[Reservation] = []
    async for page in _candidates(asker, query):
        best = _best(query, [*best, *(row for row in page if _matches(query, row))])
        if _is_full(query, best, page):
            break
    return tuple(best)


async def _candidates(
    asker: Asker, query: ReservationQuery
) -> AsyncIterator[Sequence[Reservation]]:
    """Rows among which are all that match; those that are not at once, by when they were made."""
    tenant = query.tenant
    if query.key is not None:
        ids = (await asker.ask("ids", tenant, {"key": query.key}))["ids"]
        yield await rows.read(asker, tenant, ids)
    elif query.states <= OPEN:
        yield await rows.read(asker, tenant, await rows.open_ids(asker, tenant, query.states))
    else:
        async for page in _made_between(asker, query, _creation(query)):
            yield page


async def _made_between(
    asker: Asker, query: ReservationQuery, between: Between
) -> AsyncIterator[Sequence[Reservation]]:
    is_descending = query.is_descending
    start_ms = between.to_ms if is_descending else between.from_ms
    pages = rows.in_order(asker, query.tenant, is_descending=is_descending, start_ms=start_ms)
    async for page in pages:
        yield page
        if page and not _is_in(_ahead(between, is_descending), page[-1].created_at_ms):
            return


def _creation(query: ReservationQuery) -> Between:
    """When rows that match were made; where they are sorted by that, none before `after`."""
    from_ms, to_ms = query.created
    if query.after is None or query.sort is not SortKey.CREATED_AT_MS:
        return query.created
    at_ms = int(query.after.value)
    if query.is_descending:
        return Between(from_ms, at_ms if to_ms is None else min(at_ms, to_ms))
    return Between(at_ms if from_ms is None else max(at_ms, from_ms), to_ms)


def _ahead(between: Between, is_descending: bool) -> Between:
    """Only the end that rows in this order come to last."""
    return between._replace(to_ms=None) if is_descending else between._replace(from_ms=None)


def _best(query: ReservationQuery, found: Iterable[Reservation]) -> list[Reservation]:
    keep = heapq.nlargest if query.is_descending else heapq.nsmallest
    return keep(query.limit, found, key=lambda row: _place(query.sort, row))


def _is_full(
    query: ReservationQuery, best: Sequence[Reservation], page: Sequence[Reservation]
) -> bool:
    """Whether what comes after this page stands after all that was found."""
    return (
        query.sort is SortKey.CREATED_AT_MS
        and len(best) == query.limit
        and bool(page)
        and page[-1].created_at_ms != best[-1].created_at_ms
    )


def _matches(query: ReservationQuery, row: Reservation) -> bool:
    return (
        not row.is_event
        and row.state in query.states
        and query.levels.items() <= set(row.subject.levels())
        and _is_in(query.created, row.created_at_ms)
        and _is_in(query.expires, row.expires_at_ms)
        and (query.finalized == _ALWAYS or _ended_in(query.finalized, row))
        and _is_after(query, row)
    )


def _is_in(between: Between, at_ms: int) -> bool:
    from_ms, to_ms = between
    return (from_ms is None or from_ms <= at_ms) and (to_ms is None or at_ms <= to_ms)


def _ended_in(between: Between, row: Reservation) -> bool:
    ended_ms = row.finalized_at_ms if row.state in _WITH_AN_END else None
    return ended_ms is not None and _is_in(between, ended_ms)


def _is_after(query: ReservationQuery, row: Reservation) -> bool:
    if query.after is None:
        return True
    place = _place(query.sort, row)
    return place < query.after if query.is_descending else place > query.after


def _place(sort: SortKey, row: Reservation) -> Place:
    return Place(_value(sort, row), row.reservation_id)


def _value(sort: SortKey, row: Reservation) -> str | int:
    match sort:
        case SortKey.RESERVATION_ID:
            return row.reservation_id
        case SortKey.TENANT:
            return row.tenant
        case SortKey.SCOPE_PATH:
            return row.scope_path
        case SortKey.STATUS:
            return State.ACTIVE if row.state is State.UNCERTAIN else row.state
        case SortKey.RESERVED:
            return next(row.amounts[unit] for unit in Unit if unit in row.amounts)
        case SortKey.CREATED_AT_MS:
            return row.created_at_ms
        case SortKey.EXPIRES_AT_MS:
            return row.expires_at_ms
