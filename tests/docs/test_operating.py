"""docs/operating.md against the figures, the log lines and the commands."""

import ast
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from proxy.gateway.runtime.admin import ALIVE_PATHS, READY_PATHS
from proxy.observe.metrics import Metrics
from tests.docs.pages import (
    ROOT,
    all_pages,
    code,
    codes,
    command_names,
    page,
    read,
    section,
    table,
)

TEXT = page("operating.md")
_TYPED = re.compile(r"(?:^|`)(spendgate(?: [a-z]+)+)", re.MULTILINE)


def figures() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The type and the labels of each figure, by the name that Prometheus sees."""
    found = {}
    for figure in vars(Metrics()).values():
        if isinstance(figure, MetricWrapperBase):
            (described,) = figure.describe()
            suffix = "_total" if described.type == "counter" else ""
            found[described.name + suffix] = (described.type, tuple(figure._labelnames))
    return found


def log_lines() -> list[ast.Call]:
    """Every call that writes a line: `….line("event", field=…)`."""
    return [
        node
        for file in (ROOT / "proxy").rglob("*.py")
        for node in ast.walk(ast.parse(read(file)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "line"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]


def event_of(line: ast.Call) -> str:
    (event,) = line.args
    assert isinstance(event, ast.Constant)
    return str(event.value)


def test_every_metric_has_a_row_with_its_type_and_labels() -> None:
    rows = table(section(TEXT, "Metrics"), "metric", "labels")
    documented = {code(row["metric"]): (row["type"], tuple(codes(row["labels"]))) for row in rows}
    assert documented == figures()


def test_every_event_has_a_row_with_its_fields() -> None:
    documented = {
        code(row["event"]): set(codes(row["fields besides"]))
        for row in table(section(TEXT, "Log"), "event", "fields besides")
    }
    written: dict[str, set[str]] = {}
    for line in log_lines():
        fields = {str(keyword.arg) for keyword in line.keywords}
        written[event_of(line)] = written.get(event_of(line), set()) | fields
    call_fields = written.pop("call")

    assert documented.pop("call") == set()
    assert documented == written
    rows = table(section(TEXT, "Log"), "field")
    assert {name for row in rows for name in codes(row["field"])} == call_fields


def test_every_health_path_has_a_row() -> None:
    rows = table(section(TEXT, "Health"), "path")
    documented = {name for row in rows for name in codes(row["path"])}
    assert documented == ALIVE_PATHS | READY_PATHS | {"/metrics"}


def test_every_command_has_a_row() -> None:
    rows = table(section(TEXT, "Commands"), "command")
    typed = {" ".join(re.findall(r"spendgate(?: [a-z]+)+", row["command"])) for row in rows}
    assert typed == command_names()


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: path.name)
def test_every_command_that_a_page_tells_people_to_type_is_there(path: Path) -> None:
    known = command_names()
    groups = {name.rpartition(" ")[0] for name in known}
    for typed in _TYPED.findall(read(path)):
        words = typed.split()
        prefixes = {" ".join(words[:count]) for count in range(2, len(words) + 1)}
        assert prefixes & (known | (groups - {"spendgate"})), f"there is no {typed!r}"


def test_the_backup_has_what_only_the_log_of_the_file_has(tmp_path: Path) -> None:
    """A copy of the main file alone would miss it."""
    (code_line,) = re.findall(r"python3 -c '(.+)' spendgate.db", TEXT)
    ledger, copy = tmp_path / "spendgate.db", tmp_path / "copy.db"
    with closing(sqlite3.connect(ledger)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE calls (cost INTEGER)")
        writer.execute("INSERT INTO calls VALUES (7)")
        writer.commit()

        subprocess.run([sys.executable, "-c", code_line, str(ledger), str(copy)], check=True)

    with closing(sqlite3.connect(copy)) as reader:
        assert reader.execute("SELECT cost FROM calls").fetchall() == [(7,)]
