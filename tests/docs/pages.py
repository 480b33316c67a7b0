"""The pages as tests read them: headings, tables, fenced blocks, links."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import click

from proxy.cli import main

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_CELL = re.compile(r"(?<!\\)\|")

Row = dict[str, str]


def all_pages() -> list[Path]:
    """Every page that people read."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


@cache
def read(path: Path) -> str:
    """The text of a page."""
    return path.read_text(encoding="utf-8")


def page(name: str) -> str:
    """The text of a page of `docs/`."""
    return read(DOCS / name)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def headings(text: str) -> list[str]:
    """All headings, as they are read."""
    return [heading.replace("`", "") for heading in _HEADING.findall(prose(text))]


def anchors(text: str) -> set[str]:
    """What a link may name after its `#`: headings in the way of code forges."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)
    }


def links(text: str) -> list[str]:
    """The targets of all links."""
    return _LINK.findall(prose(text))


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same depth or a higher one."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"there is no heading {heading!r}"
    depth = len(found[1])
    end = re.compile(rf"^#{{1,{depth}}} ", re.MULTILINE).search(text, found.end())
    return text[found.end() : end.start() if end else len(text)]


def tables(text: str) -> list[list[Row]]:
    """All tables, each row by the names of its columns."""
    found = []
    for lines in _runs_of_table_lines(prose(text)):
        columns, _, *rows = map(_cells, lines)
        found.append([dict(zip(columns, row, strict=True)) for row in rows])
    return found


def table(text: str, *columns: str) -> list[Row]:
    """The rows of every table that has at least these columns."""
    rows = [row for rows in tables(text) for row in rows if set(columns) <= row.keys()]
    assert rows, f"there is no table with the columns {columns}"
    return rows


def code(cell: str) -> str:
    """What stands between backticks, alone in a cell."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found is not None, f"{cell!r} is not code"
    return found[1]


def codes(cell: str) -> list[str]:
    """Everything between backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def command_names() -> set[str]:
    """Every command, as people type it: `spendgate budgets fund`."""
    return set(_walk(main, "spendgate"))


def _walk(command: click.Command, name: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield name
        return
    for each, below in command.commands.items():
        yield from _walk(below, f"{name} {each}")


def _runs_of_table_lines(text: str) -> Iterator[list[str]]:
    run: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            run.append(line)
        elif run:
            yield run
            run = []


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL.split(line)[1:-1]]
