"""A whole proxy whose authority listens, for clients that nobody here wrote."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.domain.reservation import State
from proxy.ledger.records import Reservation
from simulator.server import Simulator
from tests.e2e.stack import EVERYTHING, Stack, running

SECRET = "cyc_live_client"


@dataclass
class Listener:
    """Where the authority is, and what stands behind it."""

    url: str
    stack: Stack

    async def rows(self) -> tuple[Reservation, ...]:
        """Every reservation and event, the oldest first."""
        return await self.stack.rows()

    async def only_row(self) -> Reservation:
        (row,) = await self.rows()
        return row

    async def open_rows(self) -> tuple[Reservation, ...]:
        """The holds that nobody has ended."""
        states = frozenset({State.ACTIVE})
        return await self.stack.books.reservations(states=states, limit=EVERYTHING)


def keys(secret: str, *, tenant: str = "dev") -> list[dict[str, Any]]:
    """The section of a configuration that declares this key."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return [{"name": "client", "sha256": digest, "subject": {"tenant": tenant}}]


@asynccontextmanager
async def listening(
    folder: Path,
    *,
    secret: str = SECRET,
    tenant: str = "dev",
    budgets: Sequence[dict[str, Any]] | None = None,
    keyless: bool = False,
    **sections: Any,
) -> AsyncIterator[Listener]:
    """The proxy, until the block ends."""
    allocated = [{"scope": f"tenant:{tenant}", "allocated": "$1.00", "period": "none"}]
    declared = list(budgets) if budgets is not None else allocated
    async with (
        Simulator() as simulator,
        running(
            folder,
            simulator,
            budgets=declared,
            keys=[] if keyless else keys(secret, tenant=tenant),
            identity={"default": {}},
            **sections,
        ) as stack,
    ):
        yield Listener(f"http://{stack.server.addresses['authority']}", stack)
