"""`python -m tests.benchmarks`: run the courses and show what came of them."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.instruments.disk import durable_directory
from tests.benchmarks.instruments.machine import describe
from tests.benchmarks.ledger import race as ledger_race
from tests.benchmarks.ledger.report import LedgerReport
from tests.benchmarks.protocol import race as protocol_race
from tests.benchmarks.protocol.report import ProtocolReport
from tests.benchmarks.proxy import rounds
from tests.benchmarks.proxy.report import Report
from tests.benchmarks.steps.measure import measure_steps

_PLAIN_COLUMNS = 150


class Shown(Protocol):
    """What came of a course."""

    @property
    def failed(self) -> bool: ...

    def show(self, console: Console) -> None: ...

    def as_json(self) -> dict[str, Any]: ...


Run = Callable[[bool, Path, Console], Shown]
Tell = Callable[[str], None]


@click.command()
@click.option("--quick", is_flag=True, help="Short steps and few repeats: about a minute, rough.")
@click.option(
    "--only",
    type=click.Choice(["proxy", "ledger", "protocol"]),
    help="Measure only calls through the proxy, only the ledger, or only the Cycles protocol.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Put ledger files here. Default: where temporary files go, or the working directory "
    "where those are kept in memory.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write every figure and sample to this file.",
)
def main(
    quick: bool,
    only: Literal["proxy", "ledger", "protocol"] | None,
    directory: Path | None,
    json_file: Path | None,
) -> None:
    """Measure the proxy beside a bare pass-through, its ledger beside probes, and the protocol."""
    # Without a terminal nobody has said how wide the table may be.
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_COLUMNS)
    courses: dict[str, Run] = {
        "proxy": _run_proxy,
        "ledger": _run_ledger,
        "protocol": _run_protocol,
    }
    reports: dict[str, Shown] = {}
    for name in [only] if only else courses:
        with tempfile.TemporaryDirectory(
            prefix="spendgate-bench-", dir=directory or durable_directory()
        ) as files:
            reports[name] = courses[name](quick, Path(files), console)
        reports[name].show(console)
    if json_file:
        told = {name: report.as_json() for name, report in reports.items()}
        json_file.write_text(json.dumps(told, indent=1) + "\n")
    sys.exit(1 if any(report.failed for report in reports.values()) else 0)


def _run_proxy(quick: bool, directory: Path, console: Console) -> Report:
    with _progress(console) as (tell, expect):
        pace = rounds.QUICK if quick else rounds.FULL
        race = rounds.Race(CONTENDERS, pace, directory, tell)
        expect(race.turns() + 1)
        course = race.run()
        tell("the steps of a call")
        steps = measure_steps(directory)
        return Report(describe(pinned=bool(course.cores.used), directory=directory), course, steps)


def _run_ledger(quick: bool, directory: Path, console: Console) -> LedgerReport:
    with _progress(console) as (tell, expect):
        pace = ledger_race.QUICK if quick else ledger_race.FULL
        race = ledger_race.Race(pace, directory, tell)
        expect(race.turns())
        course = race.run()
        return LedgerReport(describe(pinned=bool(course.cores.used), directory=directory), course)


def _run_protocol(quick: bool, directory: Path, console: Console) -> ProtocolReport:
    with _progress(console) as (tell, expect):
        pace = protocol_race.QUICK if quick else protocol_race.FULL
        race = protocol_race.Race(pace, directory, tell)
        expect(race.turns())
        course = race.run()
        return ProtocolReport(describe(pinned=bool(course.cores.used), directory=directory), course)


@contextmanager
def _progress(console: Console) -> Iterator[tuple[Tell, Callable[[int], None]]]:
    """A bar: how to tell it of a turn, and how to tell it how many there will be."""
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # Few refreshes: the bar is drawn on the core that the instruments use.
    with Progress(
        *columns,
        console=console,
        transient=True,
        refresh_per_second=2,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)

        def tell(what: str) -> None:
            progress.update(task, advance=1, description=what)

        yield tell, lambda turns: progress.update(task, total=turns)


if __name__ == "__main__":
    main()
