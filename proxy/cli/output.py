"""What commands print: tables for people, JSON for programs, one line when the answer is no."""

import json
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPED_COLUMNS: Final = 200
"""Wide enough for every table here: what reads a pipe cannot ask for the rest of a line."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def open_console(*, stderr: bool = False) -> "Console":
    """Where people read, a terminal or a pipe. Nothing is wrapped or coloured in a pipe."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_COLUMNS
    return console


def new_table(*headings: str, title: str | None = None) -> "Table":
    """A plain table. A heading that starts with `>` is of a column of figures."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        figures = heading.startswith(">")
        table.add_column(heading.removeprefix(">"), justify="right" if figures else "left")
    return table


def counted(number: int, one: str, many: str = "") -> str:
    """`1 call`, `2,000 calls`. `many` where more than one are not called `one` and an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def print_json(value: object) -> None:
    """One JSON document, on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say_no(why: str) -> NoReturn:
    """End with the answer no, and why, on standard error."""
    click.echo(f"spendgate: {why}", err=True)
    raise SystemExit(1)
