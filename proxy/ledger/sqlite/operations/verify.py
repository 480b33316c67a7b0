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
from proxy.domain.period import Step, parse_period
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope
from proxy.ledger.audit import (
    Audit,
    Difference,
    Head,
    compare_window,
    compare_with_journal,
    is_summed,
)
from proxy.ledger.journal import (
    NOTHING_STANDS,
    Amounts,
    JournalGap,
    WindowName,
    replay,
)
from proxy.ledger.seal import SealCheck, check_chain
from proxy.ledger.sqlite.holds import read_amounts
from proxy.ledger.sqlite.operations import read
from proxy.ledger.sqlite.operations import seal as seals
from proxy.ledger.sqlite.operations.seal import PRUNED

_WINDOWS: Final = """
SELECT w.id, b.scope, b.unit, b.period, w.start_ms, w.allocated, w.reserved, w.spent, w.debt,
    w.uncertain, w.uncovered, w.is_over_limit, w.carried, b.retired_at_ms IS NOT NULL,
    (SELECT coalesce(sum(spent), 0) FROM buckets WHERE window_id = w.id)
FROM windows w JOIN budgets b ON b.id = w.budget_id
ORDER BY b.scope, b.unit, b.period, w.start_ms, w.id
"""
_ROWS: Final = "SELECT key, state, windows, amounts, charged, uncovered FROM reservations"

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
    journals = _replay(connection)
    differences = list(journals.differences)
    recorded: dict[WindowName, Amounts] = {}
    for window in windows:
        differences.extend(_against_rows(window, rows.by_window.get(window.number, _Held())))
        before = recorded.get(window.name, Amounts())
        recorded[window.name] = before.plus(window.amounts)
    for name, amounts in recorded.items():
        differences.extend(
            compare_with_journal(name, amounts, journals.standing.get(name, Amounts()))
        )
    usd = Unit.USD_MICROCENTS
    return Audit(
        reservations=rows.reservations,
        entries=journals.entries,
        charged=rows.total.charged[usd],
        uncovered=rows.total.uncovered[usd],
        uncertain=rows.total.uncertain[usd],
        differences=tuple(differences),
        heads=tuple(journals.heads),
    )


def _window(row: Sequence[Any]) -> _Window:
    name = WindowName(Scope(row[1]), Unit(row[2]), parse_period(row[3]), row[4])
    return _Window(row[0], name, Amounts(*row[5:12]), int(row[12]), bool(row[13]), row[14])


def _add_up_rows(connection: sqlite3.Connection) -> _Rows:
    """Summed up here, not by SQLite: more can go through a window than int64 holds."""
    count = 0
    total = _Held()
    by_window: dict[int, _Held] = defaultdict(_Held)
    for key, state, windows, amounts, charged, uncovered in connection.execute(_ROWS):
        count += 1
        sums = [by_window[number] for number in _decode_windows(windows)]
        for held in (*sums, total) if is_summed(key) else sums:
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
        yield from compare_window(
            window.name, "buckets", ("spent", recorded.spent, window.in_buckets)
        )
    if window.is_retired:
        return  # what its holds came to later passed it by
    charged = held.charged[unit] + window.carried
    yield from compare_window(
        window.name,
        "rows",
        ("reserved", recorded.reserved, held.reserved[unit]),
        ("uncertain", recorded.uncertain, held.uncertain[unit]),
        ("uncovered", recorded.uncovered, held.uncovered[unit]),
        ("spent + debt", recorded.spent + recorded.debt, charged),
    )


@dataclass(slots=True)
class _Journals:
    """Every tenant's journal, added up and compared with its seals."""

    entries: int = 0
    standing: dict[WindowName, Amounts] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)


def _replay(connection: sqlite3.Connection) -> _Journals:
    journals = _Journals()
    for tenant in read.tenants(connection):
        where = f"journal of {tenant}"
        try:
            _add_up(connection, tenant, journals)
        except JournalGap as gap:
            journals.differences.append(Difference(where, "seq", gap.found, gap.expected))
        except ValueError as unreadable:
            journals.differences.append(Difference(where, str(unreadable), "", ""))
    return journals


def _add_up(connection: sqlite3.Connection, tenant: str, journals: _Journals) -> None:
    """Replay what is left of a journal, from the checkpoint up to which it went."""
    sealed = list(seals.seals_and_windows(connection, tenant))
    journals.differences.extend(check_chain(sealed))
    journals.heads.extend(seal.head for seal in sealed[-1:])
    pruned = seals.read_checkpoint(connection, tenant, PRUNED)
    after_seq = pruned.seq if pruned is not None else 0
    standing = pruned.standing if pruned is not None else NOTHING_STANDS
    journals.standing.update(standing)
    entries = read.entries(connection, tenant, after_seq=after_seq, limit=-1)
    check = SealCheck(seal for seal in sealed if seal.first_seq > after_seq)
    for entry, after in replay(entries, after_seq=after_seq, standing=standing):
        journals.entries += 1
        journals.standing.update((window, after[window]) for window, _ in entry.postings)
        journals.differences.extend(check.take(entry, after))
    journals.differences.extend(check.left())
