"""The table of the protocol for people, JSON for programs."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.benchmarks.course import Course
from tests.benchmarks.figures import Figure, Metric, figure
from tests.benchmarks.instruments.machine import Machine
from tests.benchmarks.protocol.planes import FILE
from tests.benchmarks.protocol.race import CLIENTS, Contestant
from tests.benchmarks.protocol.requests import Operation
from tests.benchmarks.remarks import best_and_median, circumstances, heading, number, quietness

GOAL_PER_S: Final = 2_000
_JUDGED_CLIENTS: Final = 50

PUBLISHED: Final = {
    1: "50/s, p99 32 ms",
    10: "430/s, p99 41 ms",
    50: "1,000/s, p99 114 ms",
    200: "890/s, p99 0.5-2.6 s",
}
"""Reserves of the protocol's reference server by clients, as its BENCHMARKS.md has them:
v0.1.25.59, 64 cores, Redis 7."""

_ABOUT: Final = (
    "a client keeps its connection and asks again when answered; 6 budgets, fresh keys, one core",
    "commits end the holds of the reserves above them",
    "published: what the reference server says of itself, on another machine, one of 64 cores;",
    "    beside it a figure says no more than which order of magnitude it is of",
    "figures: the best of the repeats (their median); CPU is the server's, without a store's",
)


@dataclass(frozen=True, slots=True)
class ProtocolReport:
    """One run, ready to be shown."""

    machine: Machine
    course: Course[Contestant]

    @property
    def failed(self) -> bool:
        """Whether anything could not be measured, or a ledger was wrong after a window."""
        return any(entrant.failure for entrant in self.course.entrants)

    def as_json(self) -> dict[str, Any]:
        """Everything, samples included; names end with the operation and the number of clients."""
        return {
            **circumstances(self.machine, self.course),
            "absent": list(self.course.absent),
            "homes": {
                entrant.home.name: {
                    "title": entrant.home.title,
                    "failure": entrant.failure,
                    "books_checked": entrant.books_checked,
                    "figures": dict(_figures(entrant)),
                    "samples": entrant.samples,
                }
                for entrant in self.course.entrants
            },
        }

    def show(self, console: Console) -> None:
        """The table, and what to know before believing it."""
        console.print(self._table())
        for line in self._remarks():
            console.print(Text(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table(title=f"protocol; {heading(self.machine)}", title_justify="left")
        table.add_column("")
        table.add_column("")
        for title in ("clients", "requests/s", "p50 / p99, ms", "CPU each, us", "published"):
            table.add_column(title, justify="right")
        for entrant in self.course.entrants:
            for operation in Operation:
                for clients in CLIENTS:
                    is_first = (operation, clients) == (Operation.DECIDE, CLIENTS[0])
                    table.add_row(
                        entrant.home.title if is_first else "",
                        operation if clients == CLIENTS[0] else "",
                        str(clients),
                        *_cells(entrant, operation, clients),
                    )
                table.add_section()
        return table

    def _remarks(self) -> Iterable[str]:
        yield from _ABOUT
        for title in self.course.absent:
            yield f"{title} is not on this machine"
        yield from quietness(self.machine, self.course)
        for entrant in self.course.entrants:
            title, checked = entrant.home.title, entrant.books_checked
            if entrant.failure:
                yield f"{title}: FAILED after {checked} windows: {entrant.failure}"
            else:
                yield f"{title}: no ledger mismatch after each of {checked} windows"
        yield from self._against_the_goal()

    def _against_the_goal(self) -> Iterable[str]:
        for entrant in self.course.entrants:
            rate = _figure(_RATE, entrant, Operation.RESERVE, _JUDGED_CLIENTS)
            if entrant.home is FILE and not entrant.failure and rate:
                yield (
                    f"{entrant.home.title}, {_JUDGED_CLIENTS} clients: {number(rate.best)} "
                    f"reserves/s; the goal is {GOAL_PER_S:,}"
                )


_RATE: Final = Metric("requests_per_s", "requests/s", "/s", more_is_better=True)
_P50: Final = Metric("p50_ms", "p50", "ms")
_P99: Final = Metric("p99_ms", "p99", "ms")
_CPU: Final = Metric("cpu_us", "CPU a request", "us")


def _figure(
    metric: Metric, entrant: Contestant, operation: Operation, clients: int
) -> Figure | None:
    at = Metric(_name(metric, operation, clients), metric.title, metric.unit, metric.more_is_better)
    return figure(at, entrant.samples, direct=None, yardstick=None)


def _name(metric: Metric, operation: Operation, clients: int) -> str:
    return f"{metric.name}_{operation}_{clients}"


def _figures(entrant: Contestant) -> Iterator[tuple[str, dict[str, Any]]]:
    for operation in Operation:
        for clients in CLIENTS:
            for metric in (_RATE, _P50, _P99, _CPU):
                found = _figure(metric, entrant, operation, clients)
                if found:
                    name = _name(metric, operation, clients)
                    yield name, {"unit": metric.unit, **asdict(found)}


def _cells(entrant: Contestant, operation: Operation, clients: int) -> Iterator[str]:
    rate, p50, p99, cpu = (
        _figure(metric, entrant, operation, clients) for metric in (_RATE, _P50, _P99, _CPU)
    )
    yield best_and_median(rate)
    yield f"{number(p50.best)} / {number(p99.best)}" if p50 and p99 else "-"
    yield number(cpu.best) if cpu else "-"
    yield PUBLISHED[clients] if operation is Operation.RESERVE else ""
