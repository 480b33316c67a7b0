"""The tables of the proxy for people, JSON for programs."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.benchmarks.contenders import DIRECT, PASSTHROUGH, WITH_BUDGETS
from tests.benchmarks.course import Course
from tests.benchmarks.figures import METRICS, Figure, Metric, Samples, figure
from tests.benchmarks.instruments.machine import Machine
from tests.benchmarks.proxy.rounds import Runner
from tests.benchmarks.remarks import circumstances, heading, number, quietness
from tests.benchmarks.steps.measure import StepTimes
from tests.benchmarks.steps.targets import REST, STEPS

FIRST_TARGET = 0.5
"""Requests/s with budgets, as a share of the bare pass-through's."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run, ready to be shown."""

    machine: Machine
    course: Course[Runner]
    steps: StepTimes

    def figure(self, metric: Metric, runner: Runner) -> Figure | None:
        """The figure of one contender."""
        if runner.contender is DIRECT:
            return figure(metric, runner.samples, direct=None, yardstick=None)
        yardstick = None if runner.contender is PASSTHROUGH else self._samples(PASSTHROUGH.name)
        return figure(
            metric, runner.samples, direct=self._samples(DIRECT.name), yardstick=yardstick
        )

    def _samples(self, name: str) -> Samples | None:
        for runner in self.course.entrants:
            if runner.contender.name == name and not runner.failure:
                return runner.samples
        return None

    @property
    def failed(self) -> bool:
        """Whether anything could not be measured."""
        return bool(self.steps.failure) or any(runner.failure for runner in self.course.entrants)

    def as_json(self) -> dict[str, Any]:
        """Everything, samples included; names are those of METRICS."""
        return {
            **circumstances(self.machine, self.course),
            "contenders": {
                runner.contender.name: {
                    "title": runner.contender.title,
                    "failure": runner.failure,
                    "figures": {
                        metric.name: {"unit": metric.unit, **asdict(found)}
                        for metric in METRICS
                        if (found := self.figure(metric, runner))
                    },
                    "samples": runner.samples,
                }
                for runner in self.course.entrants
            },
            "steps": asdict(self.steps),
        }

    def show(self, console: Console) -> None:
        """The tables, and what to know before believing them."""
        console.print(self._table())
        if not self.steps.failure:
            console.print(self._steps_table())
        for line in self._remarks():
            console.print(Text(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table(title=heading(self.machine), title_justify="left")
        table.add_column("")
        for runner in self.course.entrants:
            table.add_column(runner.contender.title, justify="right")
        for metric in METRICS:
            cells = (_cell(metric, self.figure(metric, runner)) for runner in self.course.entrants)
            table.add_row(f"{metric.title}, {metric.unit}".replace(", /s", ""), *cells)
        return table

    def _steps_table(self) -> Table:
        table = Table(
            title="where they go: CPU by step with 6 budgets; 64 connections, 32 streams",
            title_justify="left",
        )
        table.add_column("")
        table.add_column("a call, us", justify="right")
        table.add_column("a chunk of a stream, us", justify="right")
        of_call = {time.step: time.own_us for time in self.steps.call}
        of_chunk = {time.step: time.own_us for time in self.steps.chunk}
        for step in (*dict.fromkeys(STEPS.values()), REST):
            table.add_row(step, *(_microseconds(of.get(step)) for of in (of_call, of_chunk)))
        table.add_section()
        table.add_row("all", *(_microseconds(sum(of.values())) for of in (of_call, of_chunk)))
        untimed = (self._budgets_best("cpu_us_per_request"), self._budgets_best("cpu_us_per_chunk"))
        table.add_row("all, without the stopwatch", *map(_microseconds, untimed))
        return table

    def _budgets_best(self, metric_name: str) -> float | None:
        return min((self._samples(WITH_BUDGETS.name) or {}).get(metric_name, ()), default=None)

    def _remarks(self) -> Iterable[str]:
        for runner in self.course.entrants:
            yield f"{runner.contender.title}: {runner.contender.about}"
        yield "figures: the best of the repeats (their median), and the ratio to A"
        yield from quietness(self.machine, self.course)
        for runner in self.course.entrants:
            if runner.failure:
                yield f"{runner.contender.title} could not be measured: {runner.failure}"
        if self.steps.failure:
            yield f"the steps could not be timed: {self.steps.failure}"
        yield from self._against_target()

    def _against_target(self) -> Iterable[str]:
        for runner in self.course.entrants:
            ratios = {metric.name: self._ratio(metric, runner) for metric in METRICS}
            requests, cpu = ratios["requests_per_s_64"], ratios["cpu_us_per_request"]
            if runner.contender is WITH_BUDGETS and requests and cpu:
                yield (
                    f"with budgets: {requests:.2f} of A's requests/s, {1 / cpu:.2f} by the CPU "
                    f"time of a request; the first target is {FIRST_TARGET}"
                )

    def _ratio(self, metric: Metric, runner: Runner) -> float | None:
        found = None if runner.failure else self.figure(metric, runner)
        return found.ratio if found else None


def _microseconds(own_us: float | None) -> str:
    return "-" if own_us is None else f"{own_us:.1f}"


def _cell(metric: Metric, found: Figure | None) -> Text:
    if found is None:
        return Text("-", style="dim")
    cell = Text(number(found.shown), style="bold")
    cell.append(f" ({number(found.shown_median)})", style="dim not bold")
    if metric.added and found.added is None:
        cell.append(" itself", style="dim not bold")
    if found.ratio is not None:
        cell.append(f" {found.ratio:.2f} A", style="cyan not bold")
    return cell
