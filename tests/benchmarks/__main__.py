"""`python -m tests.benchmarks`: run the course and show what came of it."""

import json
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.instruments.machine import describe
from tests.benchmarks.report import Report
from tests.benchmarks.rounds import FULL, QUICK, Pace, Race
from tests.benchmarks.steps.measure import measure_steps

_PLAIN_COLUMNS = 150


@click.command()
@click.option("--quick", is_flag=True, help="Short steps and few repeats: under a minute, rough.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write every figure and sample to this file.",
)
def main(quick: bool, json_file: Path | None) -> None:
    """Measure the proxy beside a bare pass-through, in one run on one machine."""
    # Without a terminal nobody has said how wide the table may be.
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_COLUMNS)
    with tempfile.TemporaryDirectory(prefix="spendgate-bench-") as directory:
        report = _run(QUICK if quick else FULL, Path(directory), console)
    report.show(console)
    if json_file:
        json_file.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    sys.exit(1 if report.failed else 0)


def _run(pace: Pace, directory: Path, console: Console) -> Report:
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

        race = Race(CONTENDERS, pace, directory, tell)
        progress.update(task, total=race.turns() + 1)
        course = race.run()
        tell("the steps of a call")
        steps = measure_steps(directory)
        machine = describe(pinned=bool(course.cores.used), directory=directory)
        return Report(machine, course, steps)


if __name__ == "__main__":
    main()
