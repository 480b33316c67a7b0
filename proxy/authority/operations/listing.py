"""GET /v1/reservations and /{id}: what was held, and what became of it.

Source: cycles-protocol-v0.yaml, listReservations, getReservation.
"""

from enum import StrEnum
from typing import Final

from msgspec import UNSET
from msgspec.structs import asdict, replace

from proxy.authority.exchange import Call, Desk
from proxy.authority.query import Query, bad, decode_cursor, encode_cursor, mark
from proxy.authority.rows import (
    COMMITTED_METADATA,
    METADATA,
    RESERVE_PREFIX,
    reserved_of,
    show,
    status_of,
)
from proxy.cycles_wire.responses import (
    ReservationDetail,
    ReservationListResponse,
    ReservationSummary,
    write,
)
from proxy.cycles_wire.schemas import ReservationStatus
from proxy.domain.errors import ReservationExpired, ReservationNotFound
from proxy.domain.money import INT64_MAX, INT64_MIN
from proxy.domain.reservation import State
from proxy.domain.scope import encode_value
from proxy.ledger.records import Place, Reservation, ReservationQuery, SortKey

_EVERYTHING: Final = frozenset({METADATA, COMMITTED_METADATA})
_NUMBERS: Final = frozenset({SortKey.RESERVED, SortKey.CREATED_AT_MS, SortKey.EXPIRES_AT_MS})


class SortDirection(StrEnum):
    """Which way a list goes."""

    ASC = "asc"
    DESC = "desc"


async def get_reservation(desk: Desk, call: Call) -> bytes:
    """One reservation. Raises Problem, LedgerError: not found, or expired."""
    row = await desk.ledger.reservation(call.reservation_id)
    if row.is_event:
        raise ReservationNotFound
    call.access.check_sees(row)
    if row.state is State.EXPIRED:
        raise ReservationExpired
    return write(show(row, ReservationDetail, include=_EVERYTHING))


async def list_reservations(desk: Desk, call: Call) -> bytes:
    """A page of the reservations that match every filter. Raises Problem, LedgerError."""
    asked = Query(call.query)
    query = _query(asked, call)
    filters = mark(asdict(replace(query, limit=0)) | {"states": sorted(query.states)})
    cursor = asked.text("cursor")
    if cursor is not None:
        query = replace(query, after=_place(cursor, filters, query.sort))
    include = asked.tokens("include")

    rows, has_more = await _page(desk, call, query)
    return write(
        ReservationListResponse(
            reservations=[show(row, ReservationSummary, include=include) for row in rows],
            next_cursor=encode_cursor(filters, _place_of(rows[-1], query.sort))
            if has_more
            else UNSET,
            has_more=has_more,
        )
    )


def _query(asked: Query, call: Call) -> ReservationQuery:
    levels = asked.levels()
    call.access.check_tenant(levels.pop("tenant", None))
    status = asked.choice("status", ReservationStatus)
    key = asked.key("idempotency_key")
    return ReservationQuery(
        tenant=call.access.tenant,
        limit=asked.limit(),
        states=frozenset(s for s in State if status is None or status_of(s) is status),
        key=None if key is None else RESERVE_PREFIX + key,
        levels={level: encode_value(value) for level, value in levels.items()},
        created=asked.between("from", "to"),
        expires=asked.between("expires_from", "expires_to"),
        finalized=asked.between("finalized_from", "finalized_to"),
        sort=asked.choice("sort_by", SortKey) or SortKey.CREATED_AT_MS,
        is_descending=asked.choice("sort_dir", SortDirection) is not SortDirection.ASC,
    )


async def _page(desk: Desk, call: Call, query: ReservationQuery) -> tuple[list[Reservation], bool]:
    """The rows of a page that the key may see, and whether there are more."""
    wanted = query.limit
    seen: list[Reservation] = []
    query = replace(query, limit=wanted + 1)
    while len(seen) <= wanted:
        found = await desk.ledger.find(query)
        seen.extend(row for row in found if call.access.sees(row))
        if len(found) < query.limit:
            break
        query = replace(query, after=Place(*_place_of(found[-1], query.sort)))
    return seen[:wanted], len(seen) > wanted


def _place_of(row: Reservation, sort: SortKey) -> tuple[str | int, str]:
    values: dict[SortKey, str | int] = {
        SortKey.RESERVATION_ID: row.reservation_id,
        SortKey.TENANT: row.tenant,
        SortKey.SCOPE_PATH: row.scope_path,
        SortKey.STATUS: status_of(row.state),
        SortKey.RESERVED: reserved_of(row).amount,
        SortKey.CREATED_AT_MS: row.created_at_ms,
        SortKey.EXPIRES_AT_MS: row.expires_at_ms,
    }
    return values[sort], row.reservation_id


def _place(cursor: str, filters: str, sort: SortKey) -> Place:
    value, last = decode_cursor(cursor, filters)
    is_number = isinstance(value, int)
    if is_number != (sort in _NUMBERS) or (
        isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX
    ):
        raise bad("cursor is not one that this server has given.")
    return Place(value, last)
