"""Rows of holds and events, as operators see them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from proxy.domain.errors import ReservationNotFound
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope
from proxy.ledger.records import Reservation
from proxy.ledger.redis import answers
from proxy.ledger.redis.asking import Asker

_ROWS_A_PAGE: Final = 100
_SETS: Final = {State.ACTIVE: "active", State.UNCERTAIN: "uncertain"}


async def reservation(asker: Asker, tenant: str, reservation_id: str) -> Reservation:
    """One row.

    Raises:
        ReservationNotFound
    """
    rows = await read(asker, tenant, [reservation_id])
    if not rows:
        raise ReservationNotFound(f"there is no reservation {reservation_id}")
    return rows[0]


async def reservations(
    asker: Asker,
    tenants: Sequence[str],
    *,
    states: frozenset[State],
    limit: int,
    scope: Scope | None,
) -> tuple[Reservation, ...]:
    """The newest rows in these states, newest first, over all of these tenants."""
    found: list[Reservation] = []
    for tenant in tenants:
        own: list[Reservation] = []
        async for page in _newest(asker, tenant, states):
            own += [row for row in page if row.state in states and _is_below(row.scope_path, scope)]
            if len(own) >= limit:
                break
        found += own[:limit]
    if len(tenants) > 1:
        found.sort(key=lambda row: row.created_at_ms, reverse=True)
    return tuple(found[:limit])


def _is_below(path: Scope, scope: Scope | None) -> bool:
    return scope is None or path == scope or path.startswith(f"{scope}/")


async def _newest(
    asker: Asker, tenant: str, states: frozenset[State]
) -> AsyncIterator[Sequence[Reservation]]:
    """All that may be in these states, newest first."""
    if states <= OPEN:
        rows = await _read_raw(asker, tenant, await open_ids(asker, tenant, states))
        rows.sort(key=lambda row: row["made"]["number"], reverse=True)
        yield [answers.reservation(tenant, row) for row in rows]
        return
    async for page in in_order(asker, tenant, is_descending=True):
        yield page


async def open_ids(asker: Asker, tenant: str, states: frozenset[State]) -> Sequence[str]:
    """The ids of the holds in these states, which are open ones."""
    sets = sorted(_SETS[state] for state in states)
    ids: Sequence[str] = (await asker.ask("ids", tenant, {"open": sets}))["ids"]
    return ids


async def in_order(
    asker: Asker, tenant: str, *, is_descending: bool, start_ms: int | None = None
) -> AsyncIterator[Sequence[Reservation]]:
    """All rows in the order in which they were made, page by page, from that time on."""
    request = {"page": _ROWS_A_PAGE, "is_descending": is_descending}
    start = {} if start_ms is None else {"start_ms": start_ms}
    while True:
        page = await asker.ask("ids", tenant, {**request, **start})
        yield await read(asker, tenant, page["ids"])
        if "next_beyond" not in page:
            return
        start = {"beyond": page["next_beyond"]}


async def read(asker: Asker, tenant: str, ids: Sequence[str]) -> Sequence[Reservation]:
    """The rows of these ids that are there."""
    return [answers.reservation(tenant, row) for row in await _read_raw(asker, tenant, ids)]


async def _read_raw(asker: Asker, tenant: str, ids: Sequence[str]) -> list[Any]:
    rows: list[Any] = []
    for first in range(0, len(ids), _ROWS_A_PAGE):
        rows += await asker.ask("reservations", tenant, ids[first : first + _ROWS_A_PAGE])
    return rows
