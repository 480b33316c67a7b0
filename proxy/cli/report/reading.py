"""Rows of the ledger, oldest first, a few at a time."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from proxy.domain.reservation import State
from proxy.ledger.records import Between, Place, Reservation, ReservationQuery, SortKey

if TYPE_CHECKING:
    from proxy.ledger.protocol import Books

BATCH_ROWS: Final = 1_000


async def committed(
    ledger: "Books", tenant: str, since_ms: int | None
) -> AsyncIterator[Sequence[Reservation]]:
    """The tenant's holds from this moment on that ended with a charge."""
    after: Place | None = None
    while True:
        rows = await ledger.find(
            ReservationQuery(
                tenant=tenant,
                limit=BATCH_ROWS,
                states=frozenset({State.COMMITTED}),
                created=Between(since_ms),
                sort=SortKey.CREATED_AT_MS,
                is_descending=False,
                after=after,
            )
        )
        yield rows
        if len(rows) < BATCH_ROWS:
            return
        after = Place(rows[-1].created_at_ms, rows[-1].reservation_id)
