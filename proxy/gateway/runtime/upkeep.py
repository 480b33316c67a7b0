"""What a ledger needs now and then: its journal sealed, and what is old let go."""

import asyncio
from typing import Final

from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerError
from proxy.ledger.protocol import Housekeeping

SEAL_PAUSE_S: Final = 5.0
"""How often to look for full runs."""

PRUNE_PAUSE_S: Final = 60.0

_OPEN_AT_MOST_NS: Final = 60_000_000_000
"""For so long an entry may wait for its seal when few others follow."""

_RUNS: Final = 8
_THINGS: Final = 100
"""That go in one transaction: some 2 ms in which no call is answered."""

_BREATH_S: Final = 0.05
"""Between two of those, so that calls come first."""


class Upkeep:
    """Keeps one ledger small and sealed. `retention_ms` None: nothing ever goes."""

    def __init__(self, ledger: Housekeeping, clock: Clock, *, retention_ms: int | None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._retention_ms = retention_ms
        self._closed_all_at_ns = clock.monotonic_ns()

    async def seal(self) -> None:
        """Close the runs that are full, and once a minute what is there.

        While the ledger is away they wait: who looks after leases says that it is.
        """
        now_ns = self._clock.monotonic_ns()
        is_time = now_ns - self._closed_all_at_ns >= _OPEN_AT_MOST_NS
        before_ms = self._clock.now_ms() if is_time else 0
        try:
            while await self._ledger.seal(before_ms=before_ms, limit=_RUNS) == _RUNS:
                pass
        except LedgerError:
            return
        if is_time:
            self._closed_all_at_ns = now_ns

    async def prune(self) -> None:
        """Let go of all that is older than it has to be kept."""
        if self._retention_ms is None:
            return
        before_ms = self._clock.now_ms() - self._retention_ms
        try:
            while await self._let_some_go(before_ms):
                pass
        except LedgerError:
            return

    async def _let_some_go(self, before_ms: int) -> int:
        went = await self._ledger.prune(before_ms=before_ms, limit=_THINGS)
        await asyncio.sleep(_BREATH_S)
        return went
