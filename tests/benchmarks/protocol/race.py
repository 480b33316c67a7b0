"""Windows of decides, reserves and commits from 1, 10, 50 and 200 clients, in every home.

A client keeps its connection, and asks again when it is answered. The commits of a window end
the holds of the one before. Each repeat has a new server with empty books, and after each
window the books are checked; one microcent astray ends a home's race.
The server has one core for itself, the load and a store the other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.course import Course, Entrant
from tests.benchmarks.instruments import machine
from tests.benchmarks.instruments.generator import Job, Tally
from tests.benchmarks.instruments.processes import (
    HOST,
    CannotMeasure,
    Generator,
    Process,
    choose_cores,
    pinned,
)
from tests.benchmarks.protocol.books import Expected, check_books
from tests.benchmarks.protocol.planes import FILE, Home, launch
from tests.benchmarks.protocol.requests import Asks, Operation
from tests.servers.binaries import FINDERS
from tests.servers.process import Server, running

CLIENTS: Final = (1, 10, 50, 200)
STORE: Final = "valkey"

_READY_PATIENCE_S: Final = 30.0
_COMMITS_PATIENCE_S: Final = 60.0
"""A window of commits lasts until every hold of the window before has ended."""

_WARM_UP_CLIENTS: Final = 16


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run takes."""

    repeats: int
    warm_up_s: float
    window_s: float


FULL: Final = Pace(repeats=3, warm_up_s=0.3, window_s=0.7)
QUICK: Final = Pace(repeats=1, warm_up_s=0.2, window_s=0.4)


@dataclass(slots=True)
class Contestant(Entrant):
    """A home in the race."""

    home: Home
    books_checked: int = 0


@dataclass(slots=True)
class Plane:
    """A server that is up, and what its clients were told so far."""

    label: str
    port: int
    process: Process
    ledger_url: str
    expected: Expected = field(default_factory=Expected)
    open_holds: tuple[str, ...] = ()


class Race:
    """Runs the course with a file, and with a store where this machine has one.

    `check(ledger_url, expected)` raises CannotMeasure where the books are not what they must be.
    """

    def __init__(
        self,
        pace: Pace,
        directory: Path,
        tell: Callable[[str], None],
        *,
        files: Sequence[Home] = (FILE,),
        clients: Sequence[int] = CLIENTS,
        check: Callable[[str, Expected], None] = check_books,
    ) -> None:
        self._pace = pace
        self._directory = directory
        self._tell = tell
        self._files = files
        self._clients = clients
        self._check = check
        self._binary = FINDERS[STORE]()
        self._cores = choose_cores()
        self._generator: Generator

    def turns(self) -> int:
        """How often `tell` will be called by a run in which nobody drops out."""
        homes = len(self._files) + (self._binary is not None)
        return self._pace.repeats * homes * (1 + len(self._clients) * len(Operation))

    def run(self) -> Course[Contestant]:
        """Start the store, run every round, end everything."""
        with ExitStack() as cleanup:
            cleanup.enter_context(pinned(self._cores.instruments))
            entrants = [Contestant(home) for home in self._files]
            store = self._start_store(cleanup)
            if store is not None:
                entrants.append(Contestant(_home_of(store)))
            self._generator = Generator(core=self._cores.instruments)
            cleanup.callback(self._generator.stop)
            neighbours = machine.Neighbours(self._cores.used)
            fixed_work_us = [
                self._round(number, entrants, store) for number in range(self._pace.repeats)
            ]
            foreign_pct = neighbours.share_pct()
        absent = () if store else (STORE.title(),)
        return Course(tuple(entrants), tuple(fixed_work_us), foreign_pct, self._cores, absent)

    def _start_store(self, cleanup: ExitStack) -> Server | None:
        return cleanup.enter_context(running(self._binary)) if self._binary else None

    def _round(self, number: int, entrants: Sequence[Contestant], store: Server | None) -> float:
        for entrant in entrants:
            if entrant.failure:
                continue
            if entrant.home.url and store is not None:
                store.command("FLUSHALL")
            try:
                self._race_once(entrant, f"{entrant.home.name}-{number}")
            except CannotMeasure as problem:
                entrant.failure = str(problem)
        with pinned(self._cores.contender):
            return machine.fixed_work_us()

    def _race_once(self, entrant: Contestant, label: str) -> None:
        with ExitStack() as cleanup:
            self._tell(f"{entrant.home.title}: start")
            plane = self._start(entrant.home, label, cleanup)
            for operation in (Operation.RESERVE, Operation.COMMIT):
                self._window(plane, operation, _WARM_UP_CLIENTS, self._pace.warm_up_s)
            for clients in self._clients:
                for operation in Operation:
                    what = f"{operation}, clients: {clients}"
                    self._tell(f"{entrant.home.title}: {what}")
                    try:
                        values = self._window(plane, operation, clients, self._pace.window_s)
                    except CannotMeasure as problem:
                        raise CannotMeasure(f"{what}: {problem}") from None
                    entrant.books_checked += 1
                    entrant.add(values)

    def _start(self, home: Home, label: str, cleanup: ExitStack) -> Plane:
        directory = self._directory / label
        directory.mkdir()
        started = launch(home, directory)
        log = cleanup.enter_context((directory / "log.txt").open("wb"))
        process = Process(started.command, core=self._cores.contender, log=log)
        cleanup.callback(process.stop)
        process.wait_ready(started.ready_url, _READY_PATIENCE_S)
        return Plane(label, started.port, process, home.ledger_url(directory))

    def _window(
        self, plane: Plane, operation: Operation, clients: int, duration_s: float
    ) -> dict[str, float]:
        """One window, and the books after it.

        Raises:
            CannotMeasure: something was not answered with 200, or the books are wrong.
        """
        is_commit = operation is Operation.COMMIT
        held = plane.open_holds if is_commit else ()
        job = Job(
            HOST,
            plane.port,
            clients,
            _COMMITS_PATIENCE_S if is_commit else duration_s,
            calls_max=len(held) if is_commit else None,
            asks=Asks(operation, f"{plane.label}-{operation}-{clients}", held),
        )
        before_s = plane.process.cpu_s()
        tally = self._generator.run(job)
        spent_s = plane.process.cpu_s() - before_s
        plane.expected.add(operation, tally.calls)
        plane.open_holds = () if is_commit else (*plane.open_holds, *tally.reservation_ids)
        self._check(plane.ledger_url, plane.expected)
        return dict(read(tally, spent_s, operation, clients))


def read(
    tally: Tally, cpu_s: float, operation: Operation, clients: int
) -> Iterator[tuple[str, float]]:
    """What is kept of a window, by `metric_operation_clients`."""
    assert tally.latency is not None, "something was answered"
    values = {
        "requests_per_s": tally.calls / tally.elapsed_s,
        "p50_ms": tally.latency.p50_us / 1e3,
        "p99_ms": tally.latency.p99_us / 1e3,
        "cpu_us": cpu_s / tally.calls * 1e6,
    }
    for name, value in values.items():
        yield f"{name}_{operation}_{clients}", value


def _home_of(store: Server) -> Home:
    version = str(store.command("INFO", "server")["valkey_version"])
    return Home(STORE, f"{STORE.title()} {version}", store.url)
