"""The file of a ledger as it stands, read with SQL alone: nothing of the proxy interprets it."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

CALLS: Final = "CALLS"
"""The unit that no provider bills."""


class Figures(NamedTuple):
    """What stands in a window, or by how much an entry moves it, in the window's unit."""

    allocated: int = 0
    reserved: int = 0
    spent: int = 0
    debt: int = 0
    uncertain: int = 0
    uncovered: int = 0
    over_limit: int = 0

    @property
    def remaining(self) -> int:
        return self.allocated - self.spent - self.reserved - self.debt

    def plus(self, change: "Figures") -> "Figures":
        return Figures(*(a + b for a, b in zip(self, change, strict=True)))


class Window(NamedTuple):
    """One window of one budget."""

    number: int
    scope: str
    unit: str
    period: str
    start_ms: int
    end_ms: int | None
    overdraft_limit: int


Amounts = Mapping[str, int]
"""By unit."""


class Row(NamedTuple):
    """One hold. `settled_by` is the key of whoever ended it."""

    reservation_id: str
    trace_id: str
    state: str
    amounts: Amounts
    charged: Amounts | None
    uncovered: Amounts
    estimated: int
    dispatched: int
    windows: tuple[int, ...]
    scope_path: str
    run: str | None
    settled_by: str | None

    @property
    def paid(self) -> Amounts:
        """charged + uncovered."""
        charged = self.charged or {}
        return {unit: charged.get(unit, 0) + self.uncovered.get(unit, 0) for unit in self.amounts}

    @property
    def billed(self) -> Amounts:
        """What of it a provider asks for: a count of calls is ours."""
        return {unit: amount for unit, amount in self.paid.items() if unit != CALLS}


class Entry(NamedTuple):
    """One line of a tenant's journal."""

    tenant: str
    seq: int
    at_ms: int
    kind: str
    reservation_id: str | None
    postings: tuple[tuple[int, Figures], ...]
    actor: str


@dataclass(frozen=True)
class Books:
    """Everything that is committed."""

    windows: Mapping[int, Window]
    standing: Mapping[int, Figures]
    rows: tuple[Row, ...]
    entries: tuple[Entry, ...]

    @cached_property
    def history(self) -> Mapping[str, list[Entry]]:
        """The entries of each hold."""
        found: dict[str, list[Entry]] = {row.reservation_id: [] for row in self.rows}
        for entry in self.entries:
            if entry.reservation_id is not None:
                found[entry.reservation_id].append(entry)
        return found


class OpenHold(NamedTuple):
    """One hold that has not ended."""

    reservation_id: str
    trace_id: str
    state: str


_ROWS = """
SELECT id, trace_id, state, estimated, dispatched, settled_key, amounts, charged, uncovered,
    windows, subject
FROM reservations
"""
_LEVELS = ("tenant", "workspace", "app", "workflow", "agent", "toolset")


def read_books(connection: sqlite3.Connection) -> Books:
    """Read them all, in one snapshot."""
    connection.execute("BEGIN")
    try:
        windows = connection.execute(
            "SELECT w.id, b.scope, b.unit, b.period, w.start_ms, w.end_ms, b.overdraft_limit"
            " FROM windows w JOIN budgets b ON b.id = w.budget_id"
        )
        standing = connection.execute(
            "SELECT id, allocated, reserved, spent, debt, uncertain, uncovered, is_over_limit"
            " FROM windows"
        )
        entries = connection.execute(
            "SELECT tenant, seq, at_ms, kind, reservation_id, postings, actor FROM journal"
            " ORDER BY tenant, seq"
        )
        return Books(
            windows={row[0]: Window(*row) for row in windows},
            standing={row[0]: Figures(*row[1:]) for row in standing},
            rows=tuple(_row(row) for row in connection.execute(f"{_ROWS} ORDER BY number")),
            entries=tuple(map(_entry, entries)),
        )
    finally:
        connection.execute("ROLLBACK")


def open_holds(connection: sqlite3.Connection) -> list[OpenHold]:
    """The holds that have not ended."""
    found = connection.execute(
        "SELECT id, trace_id, state FROM reservations WHERE state IN ('ACTIVE', 'UNCERTAIN')"
    )
    return [OpenHold(*row) for row in found]


def newest_hold(connection: sqlite3.Connection, trace_id: str) -> Row | None:
    """The hold of the last attempt at one call."""
    found = connection.execute(
        f"{_ROWS} WHERE trace_id = ? ORDER BY number DESC LIMIT 1", (trace_id,)
    ).fetchone()
    return None if found is None else _row(found)


def settled_on_disk(outbox: Path) -> set[str]:
    """The holds of which the outbox says how they ended, in lines that are not cut short."""
    lines = [line for file in outbox.glob("*.jsonl") for line in file.read_text().splitlines()]
    return {
        json.loads(line.partition(" ")[2])["reservation_id"]
        for line in lines
        if line.endswith("}}")
    }


def _row(values: Sequence[Any]) -> Row:
    reservation_id, trace_id, state, estimated, dispatched, settled_by, *written = values
    amounts, charged, uncovered, windows, subject = (json.loads(text or "null") for text in written)
    named = [f"{level}:{subject[level]}" for level in _LEVELS if subject.get(level) is not None]
    return Row(
        reservation_id=reservation_id,
        trace_id=trace_id,
        state=state,
        amounts=amounts,
        charged=charged,
        uncovered=uncovered or {},
        estimated=estimated,
        dispatched=dispatched,
        windows=tuple(windows),
        scope_path="/".join(named),
        run=subject.get("dimensions", {}).get("run"),
        settled_by=settled_by,
    )


def _entry(values: Sequence[Any]) -> Entry:
    *first, postings, actor = values
    changes = ((window, Figures(*change)) for window, *change in json.loads(postings))
    return Entry._make((*first, tuple(changes), actor))
