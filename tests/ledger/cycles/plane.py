"""Our home at an authority elsewhere, which is our own plane before a ledger in a file.

What the protocol has words for goes over it; what its operators do, and what a test looks
at, is asked of the ledger behind it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from urllib.parse import urlencode

from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.cycles.asking.exchange import Answer
from proxy.ledger.cycles.ledger import CyclesLedger
from tests.authority.rig import DEV, Rig, Sent, running
from tests.ledger.harness import Home, scratch

OVER_THE_PROTOCOL: Final = frozenset(
    {"reserve", "decide", "dispatch", "grow", "extend", "commit", "release", "charge_late", "apply"}
)


@dataclass
class PlaneAuthority:
    """The plane, asked without a socket."""

    rig: Rig
    slowest_ms: int = 0
    is_away: bool = False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        key: str = "",
        trace_id: str = "",
    ) -> Answer:
        headers = {"Host": "localhost", "X-Cycles-API-Key": DEV}
        if key:
            headers["X-Idempotency-Key"] = key
        if trace_id:
            headers["X-Cycles-Trace-Id"] = trace_id
        sent = Sent(method, path, urlencode(query or {}), headers, body)
        reply = await self.rig.plane.answer(sent)
        return Answer(reply.status, reply.body, 0)

    async def close(self) -> None:
        """The rig is closed by whoever opened it."""


class Beside:
    """The client for what the protocol can say, the ledger behind it for the rest."""

    def __init__(self, client: CyclesLedger, books: Home) -> None:
        self._client = client
        self._books = books

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client if name in OVER_THE_PROTOCOL else self._books, name)


@dataclass
class PlaneHarness:
    """A proxy, and the authority that it spends from."""

    rig: Rig
    leaps_ms: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._open()

    def _open(self) -> None:
        client = CyclesLedger(
            PlaneAuthority(self.rig),
            new_id=lambda: f"new-{next(self._numbers)}",
            now_ms=lambda: self.rig.clock.monotonic_at_ns // 1_000_000,
            background=TaskSet(),
            tenant="dev",
        )
        self.ledger: Any = Beside(client, self.rig.ledger)

    def advance_ms(self, by_ms: int) -> None:
        self.rig.clock.at_ms += by_ms
        self.rig.clock.monotonic_at_ns += max(0, by_ms) * 1_000_000

    async def restart(self) -> None:
        self._open()

    async def crash(self) -> None:
        self._open()


@asynccontextmanager
async def open_plane_home() -> AsyncIterator[PlaneHarness]:
    """A fresh one, where nobody has declared a budget."""
    with scratch() as directory:
        async with running(directory, budgets=()) as rig:
            yield PlaneHarness(rig)
