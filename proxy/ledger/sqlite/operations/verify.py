"""Every balance once more: from the rows of the holds, from the journal and from the buckets.

They are written by different statements, so one that was forgotten, doubled or done by
hand shows as a difference.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from proxy.domain.money import Unit
from proxy.domain.period import Step, iso, parse_period
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope
from proxy.ledger.audit import Audit, Difference
from proxy.ledger.journal import Amounts, JournalGap, WindowName, replay
from proxy.ledger.sqlite.holds import read_amounts
from proxy.ledger.sqlite.operations import read

_WINDOWS: Final = """
SELECT w.id, b.scope, b.unit, b.period, w.start_ms, w.allocated, w.reserved, w.spent, w.debt,
    w.uncertain, w.uncovered, w.is_over_limit, w.carried, b.retired_at_ms IS NOT NULL,
    (SELECT coalesce(sum(spent), 0) FROM buckets WHERE window_id = w.id)
FROM windows w JOIN budgets b ON b.id = w.budget_id
ORDER BY b.scope, b.unit, b.period, w.start_ms, w.id
"""
_ROWS: Final = "SELECT state, windows, amounts, charged, uncovered FROM reservations"

_decode_windows: Final = msgspec.json.Decoder(tuple[int, ...]).decode


class _Window(NamedTuple):
    """A row. `carried` is the part of spent and debt that is not of its own holds."""

    number: int
    name: WindowName
    amounts: Amounts
    carried: int
    is_retired: bool
    in_buckets: int


@dataclass(slots=True)
class _Held:
    """What the rows of holds say about a window, or in all. By unit."""

    reserved: Counter[Unit] = field(default_factory=Counter)
    uncertain: Counter[Unit] = field(default_factory=Counter)
    charged: Counter[Unit] = field(default_factory=Counter)
    uncovered: Counter[Unit] = field(default_factory=Counter)


class _Rows(NamedTuple):
    """The rows of all holds, added up: how many they are, in all, and for each window."""

    reservations: int
    total: _Held
    by_window: Mapping[int, _Held]


def verify(connection: sqlite3.Connection) -> Audit:
    """Compare them. The connection reads one snapshot of the file."""
    windows = [_window(row) for row in connection.execute(_WINDOWS)]
    rows = _add_up_rows(connection)
    journal = _replay(connection)
    differences = list(journal.gaps)
    recorded: dict[WindowName, Amounts] = {}
    for window in windows:
        differences.extend(_against_rows(window, rows.by_window.get(window.number, _Held())))
        before = recorded.get(window.name, Amounts())
        recorded[window.name] = before.plus(window.amounts)
    for name, amounts in recorded.items():
        differences.extend(_against_journal(name, amounts, journal.standing.get(name, Amounts())))
    usd = Unit.USD_MICROCENTS
    return Audit(
        reservations=rows.reservations,
        entries=journal.entries,
        charged=rows.total.charged[usd],
        uncovered=rows.total.uncovered[usd],
        uncertain=rows.total.uncertain[usd],
        differences=tuple(differences),
    )


def _window(row: Sequence[Any]) -> _Window:
    name = WindowName(Scope(row[1]), Unit(row[2]), parse_period(row[3]), row[4])
    return _Window(row[0], name, Amounts(*row[5:12]), int(row[12]), bool(row[13]), row[14])


def _add_up_rows(connection: sqlite3.Connection) -> _Rows:
    """Summed up here, not by SQLite: more can go through a window than int64 holds."""
    count = 0
    total = _Held()
    by_window: dict[int, _Held] = defaultdict(_Held)
    for state, windows, amounts, charged, uncovered in connection.execute(_ROWS):
        count += 1
        for held in (total, *(by_window[number] for number in _decode_windows(windows))):
            if state in OPEN:
                held.reserved.update(read_amounts(amounts))
            if state == State.UNCERTAIN:
                held.uncertain.update(read_amounts(amounts))
            if charged is not None:
                held.charged.update(read_amounts(charged))
            if uncovered is not None:
                held.uncovered.update(read_amounts(uncovered))
    return _Rows(count, total, by_window)


def _against_rows(window: _Window, held: _Held) -> Iterator[Difference]:
    recorded, unit = window.amounts, window.name.unit
    if window.name.period.step is Step.ROLLING:
        yield from _compared(window.name, "buckets", ("spent", recorded.spent, window.in_buckets))
    if window.is_retired:
        return  # what its holds came to later passed it by
    charged = held.charged[unit] + window.carried
    yield from _compared(
        window.name,
        "rows",
        ("reserved", recorded.reserved, held.reserved[unit]),
        ("uncertain", recorded.uncertain, held.uncertain[unit]),
        ("uncovered", recorded.uncovered, held.uncovered[unit]),
        ("spent + debt", recorded.spent + recorded.debt, charged),
    )


def _against_journal(
    name: WindowName, recorded: Amounts, standing: Amounts
) -> Iterator[Difference]:
    """A retired budget and the one after it may share a name; the journal knows them by it."""
    figures = zip(Amounts._fields, recorded, standing, strict=True)
    yield from _compared(name, "journal", *figures)


def _compared(
    name: WindowName, source: str, *figures: tuple[str, int, int]
) -> Iterator[Difference]:
    for what, recorded, recomputed in figures:
        if recorded != recomputed:
            where = f"{name.scope} {name.unit} {name.period} from {iso(name.start_ms)}"
            yield Difference(where, f"{what}, by the {source}", recorded, recomputed)


class _Replayed(NamedTuple):
    """Every tenant's journal, added up."""

    entries: int
    standing: Mapping[WindowName, Amounts]
    gaps: Sequence[Difference]


def _replay(connection: sqlite3.Connection) -> _Replayed:
    count = 0
    standing: dict[WindowName, Amounts] = {}
    gaps = []
    for tenant in read.tenants(connection):
        try:
            for entry, after in replay(read.entries(connection, tenant, after_seq=0, limit=-1)):
                count += 1
                standing.update((window, after[window]) for window, _ in entry.postings)
        except JournalGap as gap:
            gaps.append(Difference(f"journal of {tenant}", "seq", gap.found, gap.expected))
    return _Replayed(count, standing, gaps)
