"""What the ledger still knows of a call: its holds, by trace id, and the budgets as they were.

The journal says what every budget had before a hold was made, as far back as it reaches.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.ledger.journal import Amounts, Kind, WindowName
from proxy.ledger.protocol import Books
from proxy.ledger.records import Place, Reservation, ReservationQuery, SortKey

_BATCH: Final = 1_000

Standing = Mapping[WindowName, Amounts]


@dataclass(frozen=True, slots=True)
class PastHold:
    """One attempt at a call, and what its budgets held before; None where nobody can say."""

    row: Reservation
    before: Standing | None


async def recall(ledger: Books, trace_id: str) -> tuple[PastHold, ...]:
    """The holds of a trace, oldest first; none where it left none, or they were pruned."""
    found = [
        row
        for tenant in await ledger.tenants()
        async for row in _rows(ledger, tenant)
        if row.trace_id == trace_id
    ]
    found.sort(key=lambda row: (row.created_at_ms, row.key))
    return tuple([PastHold(row, await _before(ledger, row)) for row in found])


async def _rows(ledger: Books, tenant: str) -> AsyncIterator[Reservation]:
    """Every hold of a tenant, newest first."""
    place: Place | None = None
    while True:
        query = ReservationQuery(tenant, _BATCH, sort=SortKey.CREATED_AT_MS, after=place)
        rows = await ledger.find(query)
        for row in rows:
            yield row
        if len(rows) < _BATCH:
            return
        place = Place(rows[-1].created_at_ms, rows[-1].reservation_id)


async def _before(ledger: Books, row: Reservation) -> Standing | None:
    """What the windows of a hold had in them just before it was made."""
    seq, standing = await _checkpoint(ledger, row)
    windows = dict(standing)
    while entries := await ledger.journal(row.tenant, after_seq=seq, limit=_BATCH):
        for entry in entries:
            if entry.seq != seq + 1:
                return None
            seq = entry.seq
            if entry.kind is Kind.RESERVE and entry.reservation_id == row.reservation_id:
                return {window: windows[window] for window, _ in entry.postings}
            for window, change in entry.postings:
                windows[window] = windows.get(window, Amounts()).plus(change)
    return None


async def _checkpoint(ledger: Books, row: Reservation) -> tuple[int, Standing]:
    """The last entry before the hold after which the journal says what all windows held."""
    seals = [
        seal
        for seal in await ledger.seals(row.tenant)
        if seal.standing is not None and seal.at_ms < row.created_at_ms
    ]
    return (seals[-1].last_seq, seals[-1].standing or {}) if seals else (0, {})
