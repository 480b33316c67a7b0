"""One proxy without sockets, from its start to its end: as `serving.py` puts it together."""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import cache
from itertools import count
from random import Random
from typing import Any, Final

from pricing.tokens import Tokenizers
from proxy.app import Foundation, Gateway
from proxy.config.convert import budget_lines
from proxy.config.model import Config
from proxy.domain.errors import LedgerError
from proxy.gateway.outbox.landing import Landing
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.shelf import Shelf
from proxy.gateway.runtime.admin import Check
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import Field
from proxy.observe.metrics import Metrics
from proxy.serving import EXPIRY_BATCH
from tests.simulation.rig.disk import Disk
from tests.simulation.rig.door import ScriptedDoor
from tests.simulation.rig.upstream import CURRENT, ScriptedUpstream, UnderWay
from tests.simulation.rig.virtual import VirtualTime

LAST_WORDS_MS: Final = 2_000

Work = Coroutine[Any, Any, None]


class ListLog:
    """Keeps every line, and where an internal error came from."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.internal_errors: list[str] = []

    def line(self, event: str, **fields: Field) -> None:
        self.lines.append(f"{event} {fields}")
        if event == "internal_error":
            self.internal_errors.append(traceback.format_exc())


@cache
def tokenizers() -> Tokenizers:
    """Loaded once for all runs."""
    loaded = Tokenizers()
    loaded.load()
    return loaded


class Process:
    """A proxy at work on one event loop. `ids` go on from process to process."""

    def __init__(
        self,
        config: Config,
        *,
        disk: Disk,
        time: VirtualTime,
        log: ListLog,
        upstream: ScriptedUpstream,
        ids: "count[int]",
        expiry_pause_ms: int,
    ) -> None:
        self._config = config
        self._disk = disk
        self._time = time
        self._log = log
        self._ids = ids
        self._expiry_pause_ms = expiry_pause_ms
        self._metrics = Metrics()
        self._timers = TaskSet()
        self._doors: dict[asyncio.Task[None], ScriptedDoor] = {}
        self.upstream = upstream
        self.calls = TaskSet()
        self.queue = Queue()
        self.settlements = TaskSet()
        self.is_stopping = False

    async def start(self) -> None:
        """Open the ledger, follow the configuration, recover, and tell the time.

        Raises:
            LedgerUnavailable: not now.
        """
        self.ledger = self._open()
        try:
            await self._declare(self._config)
            self.outbox = self._open_outbox()
            await self.outbox.start()
            await self.ledger.recover()
        except LedgerError:
            await self.ledger.close()
            raise
        self.leases = Leases(self.ledger, self._log, ttl_ms=self._config.ledger.reservation_ttl_ms)
        self._gateway = self._assemble()
        self._timers.start(_every(self.leases.beat_ms, self.leases.beat), name="extend leases")
        self._timers.start(_every(self._expiry_pause_ms, self._expire), name="end leases")

    def take(self, under_way: UnderWay, around: Callable[[Work], Work]) -> ScriptedDoor:
        """A call comes in. `around` stands between its task and its work."""
        door = ScriptedDoor(under_way.call)
        context = copy_context()
        context.run(CURRENT.set, under_way)
        work = around(self._gateway.front.handle(door))
        task = context.run(lambda: self.calls.start(work, name=f"call {under_way.call.number}"))
        self._doors[task] = door
        task.add_done_callback(self._doors.pop)
        return door

    async def reload(self, config: Config) -> None:
        """Follow another configuration; calls under way end under their own."""
        try:
            await self._declare(config)
        except LedgerError:
            return
        self._config = config
        self._gateway = self._assemble()

    async def stop(self) -> None:
        """Let calls finish for a while, hang up on the rest, settle, and close."""
        self.is_stopping = True
        if await self.calls.wait(self._config.shutdown_ms):
            for door in list(self._doors.values()):
                door.hang_up()
            await self.calls.drain(LAST_WORDS_MS)
        await self.settlements.drain(LAST_WORDS_MS)
        await self._timers.drain(0)
        self.outbox.close()
        await self.ledger.close()

    def _open(self) -> SqliteLedger:
        settle = self._config.settle
        return SqliteLedger.open(
            self._disk.path,
            clock=self._time,
            new_id=self._new_reservation_id,
            settle_uncertain=settle.uncertain,
            uncertain_after_ms=settle.uncertain_after_ms,
            connect=self._disk.connect,
        )

    def _open_outbox(self) -> Outbox:
        owner = f"{next(self._ids):032x}"
        return Outbox(
            Shelf(self._disk.outbox, ledger="ledger", owner=owner, write=self._disk.write),
            Landing(self.ledger).land,
            Outage(self._log),
            self.settlements,
            self._log,
            max_bytes=self._config.ledger.journal_max_bytes,
        )

    async def _declare(self, config: Config) -> None:
        await self.ledger.declare(
            budget_lines(config),
            templates_max=config.templates_max,
            version=config.ledger.config_version,
        )

    def _assemble(self) -> Gateway:
        foundation = Foundation(
            ledger=self.ledger,
            upstreams={upstream.name: self.upstream for upstream in self._config.upstreams},
            tokenizers=tokenizers(),
            metrics=self._metrics,
            log=self._log,
            clock=self._time,
            new_id=lambda: f"{next(self._ids):032x}",
            draw=Random(0).random,
            queue=self.queue,
            outbox=self.outbox,
        )
        return Gateway(self._config, foundation, self.leases, _no_checks)

    def _new_reservation_id(self) -> str:
        return f"rsv_{next(self._ids):032x}"

    async def _expire(self) -> None:
        try:
            await self.ledger.expire(limit=EXPIRY_BATCH)
        except LedgerError:
            return


async def _every(pause_ms: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await asyncio.sleep(pause_ms / 1000)
        await work()


async def _no_checks() -> tuple[Check, ...]:
    return ()
