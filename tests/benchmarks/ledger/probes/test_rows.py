"""The probe of the file: what it leaves behind is what the ledger leaves behind."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from proxy.app import new_reservation_id
from proxy.ledger.sqlite.file.log import log_path
from tests.benchmarks.ledger.homes import CountingClock, LedgerPairs, open_sqlite
from tests.benchmarks.ledger.probes.rows import RowWriter, Sample, Template, make_sample, write

PAIRS = 40
TABLES = ("reservations", "journal", "windows", "budgets", "replies", "arrears", "buckets")


@pytest.fixture
async def sample(tmp_path: Path) -> Sample:
    return await make_sample(tmp_path / "probe.db", "process")


@pytest.fixture
def writer(tmp_path: Path, sample: Sample) -> Iterator[RowWriter]:
    path = tmp_path / "probe.db"
    now_ms = CountingClock().now_ms
    with closing(
        RowWriter(path, "process", sample, new_id=new_reservation_id, now_ms=now_ms)
    ) as writer:
        yield writer


def rows(path: Path, select: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(select).fetchall()


def widths(path: Path, table: str) -> list[float]:
    """How many rows there are, and how wide the text of each column is on average."""
    found = rows(path, f"SELECT * FROM {table}")
    columns = zip(*found, strict=True)
    return [
        len(found),
        *(sum(len(str(value)) for value in column) / len(found) for column in columns),
    ]


async def write_both(tmp_path: Path, writer: RowWriter) -> tuple[Path, int, int]:
    """As many pairs by the ledger as by the probe; its file, and how much both logs grew."""
    path = tmp_path / "ledger.db"
    async with open_sqlite(path, "process", CountingClock()) as ledger:
        pairs = LedgerPairs(ledger)
        await pairs.commit(await pairs.reserve(0))
        before = log_path(path).stat().st_size
        for number in range(1, 1 + PAIRS):
            await pairs.commit(await pairs.reserve(number))
        by_ledger = log_path(path).stat().st_size - before
        log = log_path(tmp_path / "probe.db")
        writer.transact(writer.transact([None]))
        before = log.stat().st_size
        for _ in range(PAIRS - 1):
            writer.transact(writer.transact([None]))
        by_probe = log.stat().st_size - before
    return path, by_ledger, by_probe


async def test_the_probe_writes_rows_as_many_and_as_wide_as_the_ledger(
    tmp_path: Path, writer: RowWriter
) -> None:
    path, _, _ = await write_both(tmp_path, writer)
    for table in TABLES:
        expected = pytest.approx(widths(path, table), rel=0.15)
        assert widths(tmp_path / "probe.db", table) == expected, table
    states = rows(tmp_path / "probe.db", "SELECT DISTINCT state FROM reservations")
    assert states == [("COMMITTED",)]


async def test_the_probe_writes_as_many_pages_as_the_ledger(
    tmp_path: Path, writer: RowWriter
) -> None:
    """A row that SQLite finds unchanged would be written for nothing, and so not at all."""
    _, by_ledger, by_probe = await write_both(tmp_path, writer)
    assert by_probe / (PAIRS - 1) == pytest.approx(by_ledger / PAIRS, rel=0.05)


def test_the_entries_of_the_probe_have_no_gap_and_name_their_holds(
    tmp_path: Path, writer: RowWriter
) -> None:
    first, second, third = writer.transact([None, None, None])
    (_, fourth, _) = writer.transact([third, None, first])
    path = tmp_path / "probe.db"
    assert rows(path, "SELECT number FROM reservations WHERE settled IS NULL") == [
        (second,),
        (fourth,),
    ]
    entries = rows(path, "SELECT seq FROM journal WHERE tenant = 'bench' ORDER BY seq")
    assert entries == [(seq,) for seq in range(1, len(entries) + 1)]
    last = rows(
        path,
        "SELECT journal.kind, number FROM journal JOIN reservations ON reservation_id = id"
        " ORDER BY seq DESC LIMIT 3",
    )
    assert last == [("commit", first), ("reserve", fourth), ("commit", third)]


def test_callers_stand_in_line_for_transactions_of_a_size(
    tmp_path: Path, writer: RowWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    transact = writer.transact

    def watched(held: list[int | None]) -> list[int | None]:
        sizes.append(len(held))
        return transact(held)

    monkeypatch.setattr(writer, "transact", watched)
    stint = write(writer, callers=5, batch=2, duration_s=0.02)
    assert max(sizes) == 2
    assert sum(sizes) == stint.operations
    (settled,) = rows(
        tmp_path / "probe.db", "SELECT count(*) - 1, count(settled) - 1 FROM reservations"
    )
    assert settled == (stint.operations // 2, stint.operations // 2)
    assert len(stint.latencies_ns) == stint.operations // 2 >= 5


def test_a_template_changes_only_what_it_names() -> None:
    numbers = count()
    template = Template({"a": 1, "b": 2, "c": 3}, ("c", "a"))
    assert template.row(next(numbers), next(numbers)) == [1, 2, 0]
    assert template.row(7, 8) == [8, 2, 7]
