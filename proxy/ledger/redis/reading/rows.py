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
    rows = await asker.ask("reservations", tenant, [reservation_id])
    if not rows:
        raise ReservationNotFound(f"there is no reservation {reservation_id}")
    return answers.reservation(tenant, rows[0])


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
        newest = _open_rows if states <= OPEN else _all_rows
        own: list[Reservation] = []
        async for row in newest(asker, tenant, states):
            if len(own) == limit:
                break
            if row.state in states and _is_below(row.scope_path, scope):
                own.append(row)
        found += own
    if len(tenants) > 1:
        found.sort(key=lambda row: row.created_at_ms, reverse=True)
    return tuple(found[:limit])


def _is_below(path: Scope, scope: Scope | None) -> bool:
    return scope is None or path == scope or path.startswith(f"{scope}/")


async def _open_rows(
    asker: Asker, tenant: str, states: frozenset[State]
) -> AsyncIterator[Reservation]:
    """Those that are open, newest first."""
    sets = sorted(_SETS[state] for state in states)
    ids = (await asker.ask("ids", tenant, {"open": sets}))["ids"]
    rows = [row async for row in _rows(asker, tenant, ids)]
    for row in sorted(rows, key=lambda row: row["made"]["number"], reverse=True):
        yield answers.reservation(tenant, row)


async def _all_rows(
    asker: Asker, tenant: str, states: frozenset[State]
) -> AsyncIterator[Reservation]:
    """All there are, newest first."""
    before: int | None = None
    while True:
        start = {} if before is None else {"before": before}
        page = await asker.ask("ids", tenant, {"page": _ROWS_A_PAGE, **start})
        async for row in _rows(asker, tenant, page["ids"]):
            yield answers.reservation(tenant, row)
        before = page.get("next_before")
        if before is None:
            return


async def _rows(asker: Asker, tenant: str, ids: Sequence[str]) -> AsyncIterator[Any]:
    for first in range(0, len(ids), _ROWS_A_PAGE):
        for row in await asker.ask("reservations", tenant, ids[first : first + _ROWS_A_PAGE]):
            yield row
