"""An outbox in virtual time, before a ledger and a disk that fail when they are told to."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.subject import Subject
from proxy.gateway.ending import Charged
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.record import Ended, Left, Record, Settle
from proxy.gateway.outbox.shelf import Shelf
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.records import Event, Settlement
from tests.e2e.stack import ListLog
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime

BILL = {Unit.USD_MICROCENTS: 700, Unit.TOKENS: 20}
SETTLED = Settlement(State.COMMITTED, BILL, {}, {}, ())


def settle(number: int) -> Settle:
    return Settle(f"rsv_{number}", Charged(BILL, estimated=False, model="m"))


def name_of(record: Record) -> str:
    """What a test calls it."""
    match record:
        case Settle():
            return record.reservation_id
        case Left():
            return f"{record.event.key} left"
        case Ended():
            return f"{record.key} ended" if record.event else f"{record.key} for nothing"


def spent(key: str) -> Event:
    """A call that left without a hold."""
    return Event(
        key=key, payload_hash=key, subject=Subject(tenant="dev"), actual=BILL, is_spent=True
    )


@dataclass
class Ledger:
    """Hears records. `away`: so many times more it cannot be reached; `breaks` are for ids."""

    away: int = 0
    heard: list[str] = field(default_factory=list)
    breaks: dict[str, Exception] = field(default_factory=dict)

    async def land(self, record: Record) -> Settlement | None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise LedgerUnavailable
        name = name_of(record)
        self.heard.append(name)
        if name in self.breaks:
            raise self.breaks[name]
        return SETTLED


@dataclass
class Disk:
    """Counts its flushes. `is_full`: it takes nothing."""

    is_full: bool = False
    flushes: int = 0
    before: Callable[[], object] = lambda: None

    def write(self, descriptor: int, data: bytes) -> None:
        self.flushes += 1
        self.before()
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.write(descriptor, data)


class Room:
    """One process with an outbox."""

    def __init__(self, directory: Path, owner: str = "1", ledger: Ledger | None = None) -> None:
        self.time = VirtualTime()
        self.loop = VirtualLoop(self.time)
        self.directory = directory
        self.ledger = ledger or Ledger()
        self.disk = Disk()
        self.log = ListLog()
        self.tasks = TaskSet()
        self.landed: list[Settlement | None] = []
        self.outbox = Outbox(
            Shelf(directory, ledger="ledger", owner=owner, write=self.disk.write),
            self.ledger.land,
            Outage(self.log),
            self.tasks,
            self.log,
            max_bytes=10**6,
        )

    def __enter__(self) -> "Room":
        return self

    def __exit__(self, *_: object) -> None:
        self.outbox.close()
        self.loop.dispose()

    def do(self, *work: Coroutine[Any, Any, object]) -> None:
        """All at once, until each is over."""
        self.loop.run_until_complete(_all(work))

    def keep(self, *numbers: int) -> None:
        """Settlements of so many calls come at once."""
        self.do(
            *[self.outbox.keep(settle(each), self.landed.append, why="away") for each in numbers]
        )

    def wait(self) -> None:
        """Until nothing is under way any more."""
        self.do(self.tasks.wait(600_000))

    def events(self, *but: str) -> list[str]:
        return [str(line["event"]) for line in self.log.lines if line["event"] not in but]

    def crash(self) -> Path:
        """What a process that comes after finds, if this one dies here."""
        copy = self.directory.with_name(f"{self.directory.name}+")
        copytree(self.directory, copy)
        return copy

    def files(self, suffix: str = ".jsonl") -> bytes:
        """What lies in the files."""
        return b"".join(file.read_bytes() for file in sorted(self.directory.glob(f"*{suffix}")))


async def _all(work: tuple[Coroutine[Any, Any, object], ...]) -> None:
    await asyncio.gather(*work)
