"""A proxy's part in settling at an authority: its journal, its timer, and how it dies."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

from proxy.domain.clock import SystemClock
from proxy.domain.errors import LedgerUnavailable
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.ending import Charged, Sentence
from proxy.gateway.outbox.elsewhere import LANES, LandingElsewhere, SettlerElsewhere
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.record import Record
from proxy.gateway.outbox.shelf import Shelf, write_through
from proxy.gateway.runtime.heartbeats import Heartbeats
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.cycles.ledger import TICK_MS
from proxy.ledger.records import Settlement
from tests.e2e.stack import ListLog
from tests.ledger.cycles.home import (
    TIMEOUT_MS,
    TOKENS,
    TTL_MS,
    USD,
    Clock,
    open_home,
    request,
    wish,
)
from tests.ledger.cycles.stub import KEY, Stub


def charged(actual: int) -> Charged:
    return Charged({USD: actual, TOKENS: 3}, estimated=False, model="m")


async def until(condition: Callable[[], object]) -> None:
    """Until it is true; nothing but other work passes meanwhile."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it looks at tells nobody
            await asyncio.sleep(0)


class Process:
    """One proxy on a journal directory."""

    def __init__(
        self,
        stub: Stub,
        directory: Path,
        owner: str = "1",
        *,
        api_key: str = KEY,
        clock: Clock | None = None,
        before_write: Callable[[], object] = lambda: None,
        url: str = "",
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        self.stub = stub
        self.clock = clock or Clock()
        self.home = open_home(
            stub, api_key=api_key, clock=self.clock, url=url, timeout_ms=timeout_ms
        )
        self.ledger = self.home.ledger
        self.directory = directory
        self.log = ListLog()
        self.tasks = TaskSet()
        self.before_write = before_write
        landing = LandingElsewhere(self.ledger)
        self.told: list[Record] = []

        async def land(record: Record) -> Settlement | None:
            self.told.append(record)
            return await landing.land(record)

        self.outbox = Outbox(
            Shelf(directory, ledger="authority acme", owner=owner, write=self._write),
            land,
            Outage(self.log),
            self.tasks,
            self.log,
            max_bytes=10**6,
            lanes=LANES,
            clock=self.clock,
        )
        self.leases = Leases(
            Heartbeats(self.ledger, self.log), self.log, ttl_ms=TTL_MS, beat_ms=TICK_MS
        )
        self.settler = SettlerElsewhere(
            self.ledger, self.outbox, self.leases, Denials(SystemClock()), Queue(), self.log
        )

    def _write(self, descriptor: int, data: bytes) -> None:
        self.before_write()
        write_through(descriptor, data)

    async def hold(self, amount: int = 100, key: str = "call/1") -> str:
        grant = await self.ledger.reserve(request(wish(amount), key=key))
        self.leases.keep(grant.reservation_id)
        return grant.reservation_id

    async def settle(self, reservation_id: str, sentence: Sentence) -> None:
        assert await self.settler.settle(reservation_id, sentence) is None

    async def landed(self) -> None:
        """Until all that waited has been told."""
        async with asyncio.timeout(20):
            while len(self.tasks):
                await self.tasks.wait(20_000)
        assert len(self.outbox) == 0

    async def start(self) -> None:
        """As a proxy starts: with what others have left."""
        await self.outbox.adopt()
        try:
            await self.outbox.land()
        except LedgerUnavailable:
            await self.outbox.adopt_and_land()

    async def die(self) -> Path:
        """What the next process finds, if this one is killed here."""
        copy = self.directory.with_name(f"{self.directory.name}+")
        self.directory.mkdir(parents=True, exist_ok=True)
        async with self.outbox._disk:  # between two writes: in one, the shelf's own tests kill it
            copytree(self.directory, copy)
        await self.stop()
        return copy

    async def stop(self) -> None:
        await self.tasks.drain(0)
        self.outbox.close()
        await self.ledger.close()

    def files(self) -> bytes:
        """What lies on the disk."""
        return b"".join(file.read_bytes() for file in sorted(self.directory.glob("*.jsonl")))
