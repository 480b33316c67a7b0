"""Every home and its probes do the same for 1, 64 and 512 callers, one beside the other.

They take turns, so that a slow minute of the machine falls on all of them alike. The asking
has one core for itself, a store another. Each turn begins with an empty ledger.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from proxy.ledger.sqlite.file.connection import Durability
from tests.benchmarks.course import Course, Entrant
from tests.benchmarks.instruments import machine
from tests.benchmarks.instruments.processes import (
    CannotMeasure,
    Instrument,
    choose_cores,
    pinned,
)
from tests.benchmarks.ledger.callers import Tally
from tests.benchmarks.ledger.player import Job, Kind
from tests.servers.binaries import FINDERS
from tests.servers.process import Server, running

CALLERS: Final = (1, 64, 512)
_SERVERS: Final = {"valkey": "Valkey", "redis": "Redis"}
_STORE_KINDS: Final = (Kind.STORE, Kind.PIPELINE, Kind.POOL)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run takes."""

    repeats: int
    warm_up_s: float
    duration_s: float


FULL = Pace(repeats=3, warm_up_s=0.2, duration_s=0.7)
QUICK = Pace(repeats=1, warm_up_s=0.1, duration_s=0.4)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a ledger is, and its probes: by `probe` it is judged, by `pool` where there is one."""

    name: str
    title: str
    ledger: Kind
    probe: Kind
    pool: Kind | None = None
    durability: Durability = "process"
    url: str = ""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All that is measured there. The ledger comes first: its probe does as it did."""
        return (self.ledger, self.probe, *([self.pool] if self.pool else []))


FILES: Final = (
    Home("sqlite_process", "SQLite, process", Kind.FILE, Kind.ROWS),
    Home("sqlite_power", "SQLite, power", Kind.FILE, Kind.ROWS, durability="power"),
)


@dataclass(slots=True)
class Contestant(Entrant):
    """One kind at one home."""

    home: Home
    kind: Kind


class Player(Instrument):
    """The process that asks."""

    def __init__(self, *, core: int | None) -> None:
        super().__init__("tests.benchmarks.ledger.player", core=core)

    def play(self, job: Job) -> Tally:
        """Do one job.

        Raises:
            CannotMeasure: something was refused, or the process has ended.
        """
        self.write_line(msgspec.json.encode(job))
        tally = msgspec.json.decode(self.read_line(), type=Tally)
        if tally.failure is not None or not tally.operations:
            raise CannotMeasure(tally.failure or "nothing was done in time")
        return tally


class Race:
    """Runs the course at these homes and at each store that this machine has."""

    def __init__(
        self,
        pace: Pace,
        directory: Path,
        tell: Callable[[str], None],
        *,
        files: Sequence[Home] = FILES,
        servers: Sequence[str] = tuple(_SERVERS),
        callers: Sequence[int] = CALLERS,
    ) -> None:
        self._pace = pace
        self._directory = directory
        self._tell = tell
        self._files = files
        self._binaries = {name: FINDERS[name]() for name in servers}
        self._callers = callers
        self._cores = choose_cores()

    def turns(self) -> int:
        """How often `tell` will be called."""
        stores = sum(binary is not None for binary in self._binaries.values())
        kinds = sum(len(home.kinds) for home in self._files) + stores * len(_STORE_KINDS)
        return self._pace.repeats * len(self._callers) * kinds

    def run(self) -> Course[Contestant]:
        """Start the stores, run every round, end everything."""
        with ExitStack() as cleanup:
            cleanup.enter_context(pinned(self._cores.instruments))
            homes = [*self._files, *self._start_stores(cleanup)]
            entrants = tuple(Contestant(home, kind) for home in homes for kind in home.kinds)
            self._player = Player(core=self._cores.contender)
            cleanup.callback(self._player.stop)
            neighbours = machine.Neighbours(self._cores.used)
            fixed_work_us = [self._round(entrants) for _ in range(self._pace.repeats)]
            foreign_pct = neighbours.share_pct()
        absent = tuple(_SERVERS[name] for name, binary in self._binaries.items() if not binary)
        return Course(entrants, tuple(fixed_work_us), foreign_pct, self._cores, absent)

    def _start_stores(self, cleanup: ExitStack) -> Iterator[Home]:
        for name, binary in self._binaries.items():
            if binary is not None:
                server = cleanup.enter_context(running(binary))
                yield _store(name, server.url, f"{_SERVERS[name]} {_version(server)}")

    def _round(self, entrants: Sequence[Contestant]) -> float:
        batches: dict[tuple[str, int], int] = {}
        for callers in self._callers:
            for entrant in entrants:
                self._tell(f"{entrant.home.title}: {entrant.kind}, {callers} callers")
                try:
                    self._turn(entrant, callers, batches)
                except CannotMeasure as problem:
                    entrant.failure = f"{callers} callers: {problem}"
        with pinned(self._cores.contender):
            return machine.fixed_work_us()

    def _turn(self, entrant: Contestant, callers: int, batches: dict[tuple[str, int], int]) -> None:
        if entrant.failure:
            return
        place = entrant.home.name, callers
        job = Job(
            entrant.kind,
            callers,
            self._pace.warm_up_s,
            self._pace.duration_s,
            str(self._directory),
            entrant.home.durability,
            entrant.home.url,
            batches.get(place, 1),
        )
        tally = self._player.play(job)
        if entrant.kind is entrant.home.ledger and tally.transactions:
            batches[place] = max(1, round(tally.operations / tally.transactions))
        entrant.add(read(tally, callers))


def read(tally: Tally, callers: int) -> dict[str, float]:
    """What is kept of a turn; names end with the number of callers."""
    assert tally.reserve is not None, "something was done"
    values = {
        "operations_per_s": tally.operations / tally.elapsed_s,
        "reserve_p50_ms": tally.reserve.p50_us / 1e3,
        "reserve_p99_ms": tally.reserve.p99_us / 1e3,
        "cpu_us": 1e6 * tally.cpu_s / tally.operations,
    }
    if tally.store_cpu_s is not None:
        values["store_cpu_us"] = 1e6 * tally.store_cpu_s / tally.operations
    if tally.transactions:
        values["operations_a_transaction"] = tally.operations / tally.transactions
    return {f"{name}_{callers}": value for name, value in values.items()}


def _store(name: str, url: str, title: str) -> Home:
    return Home(name, title, *_STORE_KINDS, url=url)


def _version(server: Server) -> str:
    told: dict[str, Any] = server.command("INFO", "server")
    return str(told.get("valkey_version") or told["redis_version"])
