"""Rows as a query asks for them: every one is looked at, and all that match are sorted."""

from collections.abc import Iterable, Iterator

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.ledger.records import Between, Place, Reservation, ReservationQuery, SortKey


def find(rows: Iterable[Reservation], query: ReservationQuery) -> tuple[Reservation, ...]:
    """Those that match, from the one after `after` on."""
    found = {place_of(row, query.sort): row for row in rows if all(_terms(row, query))}
    order = sorted(found, reverse=query.is_descending)
    if query.after is not None:
        order = [place for place in order if _is_behind(place, query.after, query)]
    return tuple(found[place] for place in order[: query.limit])


def _is_behind(place: Place, after: Place, query: ReservationQuery) -> bool:
    return place < after if query.is_descending else place > after


def _terms(row: Reservation, query: ReservationQuery) -> Iterator[bool]:
    yield not row.is_event
    yield row.tenant == query.tenant
    yield row.state in query.states
    yield query.key in (None, row.key)
    yield {*query.levels.items()} <= {*row.subject.levels()}
    yield _is_in(row.created_at_ms, query.created)
    yield _is_in(row.expires_at_ms, query.expires)
    if query.finalized != Between():
        has_end = row.state in (State.COMMITTED, State.RELEASED)
        yield _is_in(row.finalized_at_ms if has_end else None, query.finalized)


def _is_in(at_ms: int | None, between: Between) -> bool:
    if at_ms is None:
        return False
    from_ms, to_ms = between
    return (from_ms is None or from_ms <= at_ms) and (to_ms is None or at_ms <= to_ms)


def place_of(row: Reservation, sort: SortKey) -> Place:
    """Where a row stands in this order."""
    state = State.ACTIVE if row.state is State.UNCERTAIN else row.state
    values: dict[SortKey, str | int] = {
        SortKey.RESERVATION_ID: row.reservation_id,
        SortKey.TENANT: row.tenant,
        SortKey.SCOPE_PATH: row.scope_path,
        SortKey.STATUS: state.value,
        SortKey.RESERVED: next(row.amounts[unit] for unit in Unit if unit in row.amounts),
        SortKey.CREATED_AT_MS: row.created_at_ms,
        SortKey.EXPIRES_AT_MS: row.expires_at_ms,
    }
    return Place(values[sort], row.reservation_id)
