"""Writes the rows that the SQLite home writes: no rules, no reads, no loop, no answers.

The rows are those that one real pair has left behind, so they are as wide as the ledger's own,
stand in the same tables and touch the same indexes. A transaction holds as many operations as
the ledger's did; callers wait in line for it.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.ledger.sqlite.file.connection import Durability, LedgerFile
from tests.benchmarks.ledger import pair
from tests.benchmarks.ledger.callers import Stint
from tests.benchmarks.ledger.homes import CountingClock, open_sqlite

_CHECKPOINT_PAGES = 4_096
"""16 MiB, which is where the ledger starts a checkpoint."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a pair leaves behind: its row before and after the commit, its two entries."""

    held: Row
    settled: Row
    entries: Sequence[Row]
    windows: Sequence[Row]


async def make_sample(path: Path, durability: Durability) -> Sample:
    """Make a ledger in this file, and one pair in it."""
    async with open_sqlite(path, durability, CountingClock()) as ledger:
        reservation_id = (await pair.reserve(ledger, 0)).reservation_id
        (held,) = _rows(path, "SELECT * FROM reservations")
        await pair.commit(ledger, reservation_id)
        (settled,) = _rows(path, "SELECT * FROM reservations")
        entries = _rows(path, "SELECT * FROM journal WHERE reservation_id IS NOT NULL ORDER BY seq")
        return Sample(held, settled, entries, _rows(path, "SELECT * FROM windows"))


def _rows(path: Path, select: str) -> list[Row]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(select)]


class Template:
    """A row whose values in some columns differ from one to the next."""

    def __init__(self, row: Row, names: Sequence[str]) -> None:
        self._values = list(row.values())
        columns = list(row)
        self._places = [columns.index(name) for name in names]

    def row(self, *values: Any) -> list[Any]:
        """Its values, with these for the columns of `names`."""
        row = self._values.copy()
        for place, value in zip(self._places, values, strict=True):
            row[place] = value
        return row


class RowWriter:
    """Writes more of the same into the file that a sample was made in."""

    def __init__(
        self,
        path: Path,
        durability: Durability,
        sample: Sample,
        *,
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
    ) -> None:
        self._connection = LedgerFile(path, create=False, durability=durability).connection()
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._new_id = new_id
        self._now_ms = now_ms
        self._number: int = sample.held["number"]
        self._seq: int = sample.entries[-1]["seq"]
        self._ids: dict[int, str] = {}
        self._held = Template(sample.held, ("number", "id", "key"))
        changed = {
            name: value for name, value in sample.settled.items() if value != sample.held[name]
        }
        self._settled = tuple(changed.values())
        self._began, self._ended = (
            Template(entry, ("seq", "reservation_id")) for entry in sample.entries
        )
        self._windows = [(window["spent"], window["id"]) for window in sample.windows]
        self._insert = _insert("reservations", sample.held)
        self._settle = (
            f"UPDATE reservations SET {', '.join(f'{name} = ?' for name in changed)}"
            " WHERE number = ?"
        )
        self._append = _insert("journal", sample.entries[0])

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def transact(self, held: Sequence[int | None]) -> list[int | None]:
        """One transaction: a new hold for each None, the end of each hold that is named.

        The answer has the numbers of the new holds in the places of those Nones, and None
        for those that have ended.
        """
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        now_ms = self._now_ms()
        execute("UPDATE ledger SET clock_ms = ?", (now_ms,))
        outcomes: list[int | None] = []
        entries: list[list[Any]] = []
        for number in held:
            if number is None:
                outcomes.append(self._begin(entries))
            else:
                self._end(number, entries)
                outcomes.append(None)
        # Amounts that differ from the last: SQLite does not write a row that stays as it is.
        self._connection.executemany(
            "UPDATE windows SET reserved = ?, spent = ?, used_at_ms = ? WHERE id = ?",
            [
                (spent * len(self._ids), spent * self._number, now_ms, window_id)
                for spent, window_id in self._windows
            ],
        )
        self._connection.executemany(self._append, entries)
        execute("COMMIT")
        return outcomes

    def _begin(self, entries: list[list[Any]]) -> int:
        self._number += 1
        reservation_id = self._ids[self._number] = self._new_id()
        row = self._held.row(self._number, reservation_id, pair.key_of(self._number))
        self._connection.execute(self._insert, row)
        entries.append(self._entry(self._began, reservation_id))
        return self._number

    def _end(self, number: int, entries: list[list[Any]]) -> None:
        self._connection.execute(self._settle, (*self._settled, number))
        entries.append(self._entry(self._ended, self._ids.pop(number)))

    def _entry(self, like: Template, reservation_id: str) -> list[Any]:
        self._seq += 1
        return like.row(self._seq, reservation_id)


def _insert(table: str, row: Mapping[str, Any]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"


def write(writer: RowWriter, *, callers: int, batch: int, duration_s: float) -> Stint:
    """Serve so many callers in line, `batch` of them in each transaction."""
    stint = Stint(duration_s)
    asked_ns = time.perf_counter_ns()
    line: deque[tuple[int | None, int]] = deque([(None, asked_ns)] * callers)
    while line:
        served = [line.popleft() for _ in range(min(batch, len(line)))]
        outcomes = writer.transact([held for held, _ in served])
        now_ns = time.perf_counter_ns()
        is_over = stint.is_over
        stint.operations += len(served)
        for (held, asked_ns), outcome in zip(served, outcomes, strict=True):
            if held is None:
                stint.latencies_ns.append(now_ns - asked_ns)
            if held is None or not is_over:
                line.append((outcome, now_ns))
    return stint
