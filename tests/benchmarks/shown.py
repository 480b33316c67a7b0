"""A report as people see it, for the tests of reports."""

import io
from typing import Final, Protocol

from rich.console import Console

from tests.benchmarks.instruments.machine import Machine

MACHINE: Final = Machine("Linux x86_64", "CPython 3.11", "a processor", 2, True, 49.0, "xfs")


class Shown(Protocol):
    """A report."""

    def show(self, console: Console) -> None: ...


def shown(report: Shown) -> str:
    """What it prints on a wide screen."""
    written = io.StringIO()
    report.show(Console(file=written, width=200))
    return written.getvalue()


def rows(text: str) -> list[list[str]]:
    """The cells of each line that is one of a table."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
