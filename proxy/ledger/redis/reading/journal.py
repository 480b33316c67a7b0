"""The journal of a tenant, read page by page."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Entry, Kind, Posting, UnreadableEntry, WindowName
from proxy.ledger.redis import answers
from proxy.ledger.redis.asking import Asker

_ENTRIES_A_PAGE: Final = 500

_decode_postings: Final = msgspec.json.Decoder(list[list[int]]).decode


async def with_journals(asker: Asker, tenants: Sequence[str]) -> tuple[str, ...]:
    """Those of these tenants that something was written of."""
    found = []
    for tenant in tenants:
        async for page in pages(asker, tenant, after_seq=0, a_page=1):
            if page:
                found.append(tenant)
            break
    return tuple(found)


class Told(NamedTuple):
    """An entry, and its postings by the numbers of their windows."""

    entry: Entry
    changes: tuple[tuple[int, Amounts], ...]


async def entries(asker: Asker, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
    """A tenant's entries after this one, in their order."""
    found: list[Entry] = []
    async for page in pages(asker, tenant, after_seq=after_seq):
        found += [told.entry for told in page]
        if len(found) >= limit:
            break
    return tuple(found[:limit])


async def pages(
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
