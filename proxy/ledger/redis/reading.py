"""Questions that change nothing. They read in pages, so that no call waits for a long one."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from proxy.domain.errors import ReservationNotFound
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Entry, Kind, Posting, UnreadableEntry, WindowName
from proxy.ledger.records import Balance, Reservation
from proxy.ledger.redis import answers
from proxy.ledger.redis.asking import Asker

_ENTRIES_A_PAGE: Final = 500
_ROWS_A_PAGE: Final = 100
_SETS: Final = {State.ACTIVE: "active", State.UNCERTAIN: "uncertain"}

_decode_postings: Final = msgspec.json.Decoder(list[list[int]]).decode


async def all_balances(asker: Asker, tenants: Sequence[str]) -> tuple[Balance, ...]:
    """Every budget that was made, by scope, unit and period."""
    found: list[Balance] = []
    for tenant in tenants:
        found += answers.balances(await asker.ask("all_balances", tenant, {}))
    found.sort(key=lambda balance: (balance.scope, balance.unit, str(balance.period)))
    return tuple(found)


async def reservation(asker: Asker, tenant: str, reservation_id: str) -> Reservation:
    """One row.

    Raises:
        ReservationNotFound
    """
    rows = await asker.ask("reservations", tenant, [reservation_id])
    if not rows:
        raise ReservationNotFound(f"there is no reservation {reservation_id}")
    return answers.reservation(tenant, rows[0])


async def reservations(
    asker: Asker,
    tenants: Sequence[str],
    *,
    states: frozenset[State],
    limit: int,
    scope: Scope | None,
) -> tuple[Reservation, ...]:
    """The newest rows in these states, newest first, over all of these tenants."""
    found: list[Reservation] = []
    for tenant in tenants:
        newest = _open_rows if states <= OPEN else _all_rows
        own: list[Reservation] = []
        async for row in newest(asker, tenant, states):
            if len(own) == limit:
                break
            if row.state in states and _is_below(row.scope_path, scope):
                own.append(row)
        found += own
    if len(tenants) > 1:
        found.sort(key=lambda row: row.created_at_ms, reverse=True)
    return tuple(found[:limit])


def _is_below(path: Scope, scope: Scope | None) -> bool:
    return scope is None or path == scope or path.startswith(f"{scope}/")


async def _open_rows(
    asker: Asker, tenant: str, states: frozenset[State]
) -> AsyncIterator[Reservation]:
    """Those that are open, newest first."""
    sets = sorted(_SETS[state] for state in states)
    ids = (await asker.ask("ids", tenant, {"open": sets}))["ids"]
    rows = [row async for row in _rows(asker, tenant, ids)]
    for row in sorted(rows, key=lambda row: row["made"]["number"], reverse=True):
        yield answers.reservation(tenant, row)


async def _all_rows(
    asker: Asker, tenant: str, states: frozenset[State]
) -> AsyncIterator[Reservation]:
    """All there are, newest first."""
    before: int | None = None
    while True:
        start = {} if before is None else {"before": before}
        page = await asker.ask("ids", tenant, {"page": _ROWS_A_PAGE, **start})
        async for row in _rows(asker, tenant, page["ids"]):
            yield answers.reservation(tenant, row)
        before = page.get("next_before")
        if before is None:
            return


async def _rows(asker: Asker, tenant: str, ids: Sequence[str]) -> AsyncIterator[Any]:
    for first in range(0, len(ids), _ROWS_A_PAGE):
        for row in await asker.ask("reservations", tenant, ids[first : first + _ROWS_A_PAGE]):
            yield row


async def with_journals(asker: Asker, tenants: Sequence[str]) -> tuple[str, ...]:
    """Those of these tenants that something was written of."""
    found = []
    for tenant in tenants:
        async for page in journal_pages(asker, tenant, after_seq=0, a_page=1):
            if page:
                found.append(tenant)
            break
    return tuple(found)


class Told(NamedTuple):
    """An entry, and its postings by the numbers of their windows."""

    entry: Entry
    changes: tuple[tuple[int, Amounts], ...]


async def journal(asker: Asker, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
    """A tenant's entries after this one, in their order."""
    found: list[Entry] = []
    async for page in journal_pages(asker, tenant, after_seq=after_seq):
        found += [told.entry for told in page]
        if len(found) >= limit:
            break
    return tuple(found[:limit])


async def journal_pages(
    asker: Asker, tenant: str, *, after_seq: int, a_page: int = _ENTRIES_A_PAGE
) -> AsyncIterator[list[Told]]:
    """The same to its end, page by page.

    Raises:
        UnreadableEntry: somebody has changed one so that it is none any more.
    """
    while True:
        request = {"after": after_seq, "page": a_page}
        body = await asker.ask("journal", tenant, request)
        names = {int(number): answers.window_name(name) for number, name in body["names"]}
        yield [_told(tenant, int(at), dict(_pairs(flat)), names) for at, flat in body["entries"]]
        if len(body["entries"]) < a_page:
            return
        after_seq = int(body["entries"][-1][0])


def _pairs(flat: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _told(
    tenant: str, seq: int, fields: Mapping[str, str], names: Mapping[int, WindowName]
) -> Told:
    try:
        postings = _decode_postings(fields["postings"])
        changes = tuple([(number, Amounts(*change)) for number, *change in postings])
        entry = Entry(
            tenant=tenant,
            seq=seq,
            at_ms=int(fields["at"]),
            kind=Kind(fields["kind"]),
            reservation_id=fields["rid"] or None,
            postings=tuple([Posting(names[number], change) for number, change in changes]),
            scope=Scope(fields["scope"]),
            actor=fields["actor"],
            trace_id=fields["trace"],
            price_version=fields["price"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableEntry(tenant, seq) from error
    return Told(entry, changes)
