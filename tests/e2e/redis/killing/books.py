"""The shared ledger after a life, as the judge of the simulated lives reads one.

Windows are numbered in the order in which the journal names them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.ledger.journal import Entry as JournalEntry
from proxy.ledger.journal import WindowName
from proxy.ledger.protocol import Books as OpenBooks
from proxy.ledger.records import Balance, Reservation
from tests.simulation.judge.books import Books, Entry, Figures, Row, Window

_ALL: Final = 10**6


async def read_books(open_books: OpenBooks) -> Books:
    """All that is committed."""
    journal = [
        entry
        for tenant in await open_books.tenants()
        for entry in await open_books.journal(tenant, after_seq=0, limit=_ALL)
    ]
    balances = {_name_of(balance): balance for balance in await open_books.all_balances()}
    numbers: dict[WindowName, int] = {}
    for name in (posting.window for entry in journal for posting in entry.postings):
        numbers.setdefault(name, len(numbers))
    entries = tuple(_entry(entry, numbers) for entry in journal)
    held_in = {
        entry.reservation_id: tuple(number for number, _ in entry.postings)
        for entry in entries
        if entry.kind == "reserve"
    }
    rows = await open_books.reservations(states=frozenset(State), limit=_ALL)
    return Books(
        windows={numbers[name]: _window(numbers[name], balances[name]) for name in numbers},
        standing={numbers[name]: _figures(balances[name]) for name in numbers},
        rows=tuple(_row(row, held_in[row.reservation_id]) for row in rows),
        entries=entries,
    )


def _name_of(balance: Balance) -> WindowName:
    return WindowName(balance.scope, balance.unit, balance.period, balance.window_start_ms)


def _window(number: int, balance: Balance) -> Window:
    return Window(
        number=number,
        scope=balance.scope,
        unit=balance.unit,
        period=str(balance.period),
        start_ms=balance.window_start_ms,
        end_ms=balance.window_end_ms,
        overdraft_limit=balance.overdraft_limit,
    )


def _figures(balance: Balance) -> Figures:
    return Figures(
        allocated=balance.allocated,
        reserved=balance.reserved,
        spent=balance.spent,
        debt=balance.debt,
        uncertain=balance.uncertain,
        uncovered=balance.uncovered,
        over_limit=int(balance.is_over_limit),
    )


def _entry(entry: JournalEntry, numbers: Mapping[WindowName, int]) -> Entry:
    return Entry(
        tenant=entry.tenant,
        seq=entry.seq,
        at_ms=entry.at_ms,
        kind=entry.kind,
        reservation_id=entry.reservation_id,
        postings=tuple(
            (numbers[posting.window], Figures(*posting.change)) for posting in entry.postings
        ),
        actor=entry.actor,
    )


def _row(row: Reservation, windows: Sequence[int]) -> Row:
    return Row(
        reservation_id=row.reservation_id,
        trace_id=row.trace_id,
        state=row.state,
        amounts=_by_name(row.amounts),
        charged=None if row.charged is None else _by_name(row.charged),
        uncovered=_by_name(row.uncovered),
        estimated=row.estimated,
        dispatched=row.dispatched,
        windows=tuple(windows),
        scope_path=row.scope_path,
        run=row.subject.dimensions.get("run"),
        settled_by=None,
    )


def _by_name(amounts: Mapping[Unit, int]) -> dict[str, int]:
    return {unit.value: amount for unit, amount in amounts.items()}
