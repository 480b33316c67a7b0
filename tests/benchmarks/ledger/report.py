"""The table of the ledger for people, JSON for programs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.benchmarks.course import Course
from tests.benchmarks.figures import Figure, Metric, figure
from tests.benchmarks.instruments.machine import Machine
from tests.benchmarks.ledger.player import Kind
from tests.benchmarks.ledger.race import CALLERS, Contestant, Home
from tests.benchmarks.remarks import best_and_median, circumstances, heading, number, quietness

OF_THE_PROBE: Final = 0.6
TIMES_THE_POOL: Final = 2.0
"""The goals, where 64 callers share a transaction or a write."""

_JUDGED_CALLERS: Final = 64

_METRICS: Final = (
    Metric("operations_per_s", "operations/s", "/s", more_is_better=True),
    Metric("reserve_p50_ms", "reserve p50", "ms"),
    Metric("reserve_p99_ms", "reserve p99", "ms"),
    Metric("cpu_us", "CPU an operation", "us"),
    Metric("store_cpu_us", "the store's CPU an operation", "us"),
    Metric("operations_a_transaction", "operations a transaction", "", more_is_better=True),
)

_ABOUT: Final = (
    "an operation is a reserve or a commit over 6 budgets; each caller asks again when answered",
    "process, power: what a commit survives; at once: operations in one transaction",
    "probe of SQLite: the same rows from a plain loop, as many at once",
    "probe of a store: the same scripts over one plain socket, as many under way",
    "a pool: the same scripts by redis-py with 64 connections; the stores write to no disk",
)


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """One run, ready to be shown."""

    machine: Machine
    course: Course[Contestant]

    @property
    def failed(self) -> bool:
        """Whether anything could not be measured."""
        return any(entrant.failure for entrant in self.course.entrants)

    def as_json(self) -> dict[str, Any]:
        """Everything, samples included; names end with the number of callers."""
        return {
            **circumstances(self.machine, self.course),
            "absent": list(self.course.absent),
            "homes": {
                home.name: {
                    "title": home.title,
                    **{kind.value: self._entrant_as_json(home, kind) for kind in home.kinds},
                }
                for home in self._homes()
            },
        }

    def _entrant_as_json(self, home: Home, kind: Kind) -> dict[str, Any]:
        entrant = self._entrant(home, kind)
        beside = None if kind is home.probe else home.probe
        figures = {
            metric.name: {"unit": metric.unit, **asdict(found)}
            for callers in CALLERS
            for metric in (_at(callers, metric) for metric in _METRICS)
            if (found := self.figure(metric, home, kind, beside=beside))
        }
        return {"failure": entrant.failure, "figures": figures, "samples": entrant.samples}

    def figure(
        self, metric: Metric, home: Home, kind: Kind, *, beside: Kind | None = None
    ) -> Figure | None:
        """A figure of one entrant, and its ratio to that of another at the same home."""
        yardstick = self._entrant(home, beside) if beside else None
        return figure(
            metric,
            self._entrant(home, kind).samples,
            direct=None,
            yardstick=yardstick.samples if yardstick and not yardstick.failure else None,
        )

    def _homes(self) -> tuple[Home, ...]:
        return tuple(dict.fromkeys(entrant.home for entrant in self.course.entrants))

    def _entrant(self, home: Home, kind: Kind) -> Contestant:
        return next(e for e in self.course.entrants if e.home is home and e.kind is kind)

    def show(self, console: Console) -> None:
        """The table, and what to know before believing it."""
        console.print(self._table())
        for line in self._remarks():
            console.print(Text(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table(title=f"ledger; {heading(self.machine)}", title_justify="left")
        table.add_column("")
        for title in (
            "callers",
            "operations/s",
            "reserve p50 / p99, ms",
            "CPU each, us",
            "at once",
            "its probe",
            "of it",
            "a pool",
            "of it",
        ):
            table.add_column(title, justify="right")
        for home in self._homes():
            for callers in CALLERS:
                title = home.title if callers == CALLERS[0] else ""
                table.add_row(title, str(callers), *self._cells(home, callers))
            table.add_section()
        return table

    def _cells(self, home: Home, callers: int) -> Iterable[str]:
        metrics = {metric.name: _at(callers, metric) for metric in _METRICS}
        own = {name: self.figure(metric, home, home.ledger) for name, metric in metrics.items()}
        yield best_and_median(own["operations_per_s"])
        p50, p99 = own["reserve_p50_ms"], own["reserve_p99_ms"]
        yield f"{number(p50.best)} / {number(p99.best)}" if p50 and p99 else "-"
        cpu, of_store = own["cpu_us"], own["store_cpu_us"]
        store = f" + {number(of_store.best)}" if of_store else ""
        yield number(cpu.best) + store if cpu else "-"
        shared = own["operations_a_transaction"]
        yield number(shared.best) if shared else "-"
        for kind in (home.probe, home.pool):
            rate = metrics["operations_per_s"]
            yield best_and_median(self.figure(rate, home, kind)) if kind else "-"
            ratio = self._ratio(home, kind, callers)
            yield "-" if ratio is None else f"{ratio:.2f}"

    def _ratio(self, home: Home, beside: Kind | None, callers: int) -> float | None:
        if beside is None or self._entrant(home, home.ledger).failure:
            return None
        found = self.figure(_at(callers, _METRICS[0]), home, home.ledger, beside=beside)
        return found.ratio if found else None

    def _remarks(self) -> Iterable[str]:
        yield from _ABOUT
        yield "figures: the best of the repeats (their median), and ratios; CPU: ours + the store's"
        for title in self.course.absent:
            yield f"{title} is not on this machine"
        yield from quietness(self.machine, self.course)
        for entrant in self.course.entrants:
            if entrant.failure:
                yield (
                    f"{entrant.home.title}: {entrant.kind} could not be measured: {entrant.failure}"
                )
        yield from self._against_goals()

    def _against_goals(self) -> Iterable[str]:
        for home in self._homes():
            of_probe = self._ratio(home, home.probe, _JUDGED_CALLERS)
            if of_probe is not None:
                yield (
                    f"{home.title}, {_JUDGED_CALLERS} callers: {of_probe:.2f} of its probe; "
                    f"the goal is {OF_THE_PROBE}"
                )
            of_pool = self._ratio(home, home.pool, _JUDGED_CALLERS)
            if of_pool is not None:
                yield (
                    f"{home.title}, {_JUDGED_CALLERS} callers: {of_pool:.2f} of a redis-py pool; "
                    f"the goal is {TIMES_THE_POOL}"
                )


def _at(callers: int, metric: Metric) -> Metric:
    """The metric as it is named for so many callers."""
    return replace(metric, name=f"{metric.name}_{callers}")
