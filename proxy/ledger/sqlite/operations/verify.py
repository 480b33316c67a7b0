"""Every balance once more: from the rows of the holds, and from the journal.

The three are written by different statements, so one that was forgotten, doubled or done
by hand shows as a difference.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from proxy.domain.money import Unit
from proxy.domain.period import Period, iso
from proxy.domain.scope import Scope
from proxy.ledger.audit import Audit, Difference
from proxy.ledger.journal import Amounts, JournalGap, WindowName, replay
from proxy.ledger.sqlite.operations import read

_WINDOWS: Final = """
SELECT w.id, b.scope, b.unit, b.period, w.start_ms, w.allocated, w.reserved, w.spent, w.debt,
    w.uncertain, w.uncovered, w.is_over_limit, w.carried
        - coalesce(lead(w.carried) OVER (PARTITION BY w.budget_id ORDER BY w.start_ms), 0)
FROM windows w JOIN budgets b ON b.id = w.budget_id
ORDER BY b.scope, b.unit, b.period, w.start_ms
"""
_BY_WINDOW: Final = """
SELECT held.value,
    sum(CASE WHEN state IN ('ACTIVE', 'UNCERTAIN') THEN amount ELSE 0 END),
    sum(CASE WHEN state = 'UNCERTAIN' THEN amount ELSE 0 END),
    sum(coalesce(charged, 0)),
    sum(uncovered)
FROM reservations, json_each(reservations.windows) AS held
GROUP BY held.value
"""
_TOTALS: Final = """
SELECT count(*),
    coalesce(sum(charged) FILTER (WHERE unit = 'USD_MICROCENTS'), 0),
    coalesce(sum(uncovered) FILTER (WHERE unit = 'USD_MICROCENTS'), 0),
    coalesce(sum(amount) FILTER (WHERE unit = 'USD_MICROCENTS' AND state = 'UNCERTAIN'), 0)
FROM reservations
"""


class _Window(NamedTuple):
    """A row. `carried` is the debt it took over, less the debt it handed on."""

    number: int
    name: WindowName
    amounts: Amounts
    carried: int


class _Held(NamedTuple):
    """What the rows of holds say about a window."""

    reserved: int = 0
    uncertain: int = 0
    charged: int = 0
    uncovered: int = 0


def verify(connection: sqlite3.Connection) -> Audit:
    """Compare, in one snapshot of the file."""
    connection.execute("BEGIN")
    try:
        return _audit(connection)
    finally:
        connection.execute("ROLLBACK")


def _audit(connection: sqlite3.Connection) -> Audit:
    windows = [_window(row) for row in connection.execute(_WINDOWS)]
    held = {row[0]: _Held(*row[1:]) for row in connection.execute(_BY_WINDOW)}
    journal = _replay(connection)
    differences = list(journal.gaps)
    for window in windows:
        differences.extend(_against_rows(window, held.get(window.number, _Held())))
        standing = journal.standing.get(window.name, Amounts())
        differences.extend(_against_journal(window, standing))
    reservations, charged, uncovered, uncertain = connection.execute(_TOTALS).fetchone()
    return Audit(
        reservations=reservations,
        entries=journal.entries,
        charged=charged,
        uncovered=uncovered,
        uncertain=uncertain,
        differences=tuple(differences),
    )


def _window(row: Sequence[Any]) -> _Window:
    name = WindowName(Scope(row[1]), Unit(row[2]), Period(row[3]), row[4])
    return _Window(row[0], name, Amounts(*row[5:12]), row[12])


def _against_rows(window: _Window, held: _Held) -> Iterator[Difference]:
    recorded = window.amounts
    yield from _compared(
        window.name,
        "rows",
        ("reserved", recorded.reserved, held.reserved),
        ("uncertain", recorded.uncertain, held.uncertain),
        ("uncovered", recorded.uncovered, held.uncovered),
        ("spent + debt", recorded.spent + recorded.debt, held.charged + window.carried),
    )


def _against_journal(window: _Window, standing: Amounts) -> Iterator[Difference]:
    figures = zip(Amounts._fields, window.amounts, standing, strict=True)
    yield from _compared(window.name, "journal", *figures)


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
