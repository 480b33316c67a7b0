"""Closed runs of a journal, chained by their digests.

    seal 1: entries 1 to 1000 ─▶ seal 2: entries 1001 to 2000 ─▶ ...  the last one is the head

A seal's digest covers the digest of the seal before it, the lines of its entries as an
export writes them, and the windows as they stand after them. So whoever has kept a head
finds any later edit of an entry at or before it, and the entries of an old seal can go:
what they led to stays.

Recompute one by hand: `digest` is the SHA-256 of the text
`<previous> <first_seq> <last_seq> <entries_sha256> <standing_sha256>`, `entries_sha256` that
of the exported lines, each with its line end, and `standing_sha256` that of the lines that
`standing` would be, sorted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from proxy.domain.scope import Scope
from proxy.ledger.audit import Difference
from proxy.ledger.journal import Amounts, Entry, WindowName

BEFORE_THE_FIRST: Final = "0" * 64

RUN_ENTRIES: Final = 1_000
"""A run is closed when it has so many entries, or when its first one is old."""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A window and its amounts; what is zero is left out."""

    scope: Scope
    unit: str
    period: str
    window_start_ms: int
    allocated: int = 0
    reserved: int = 0
    spent: int = 0
    debt: int = 0
    uncertain: int = 0
    uncovered: int = 0
    over_limit: int = 0


class _EntryLine(msgspec.Struct, frozen=True):
    """An entry, as an export writes it. Fields are only ever added at the end."""

    tenant: str
    seq: int
    at_ms: int
    kind: str
    reservation_id: str | None
    scope: Scope
    actor: str
    trace_id: str
    price_version: str
    postings: tuple[_Line, ...]


_encode: Final = msgspec.json.Encoder().encode


class Seal(msgspec.Struct, frozen=True):
    """One closed run of one tenant's entries. Digests are SHA-256 in hex.

    `at_ms` is when its last entry was made. `standing` is None once a later seal stands
    for the windows.
    """

    tenant: str
    first_seq: int
    last_seq: int
    at_ms: int
    previous: str
    entries_sha256: str
    standing_sha256: str
    digest: str
    standing: Mapping[WindowName, Amounts] | None


def line(entry: Entry) -> bytes:
    """The entry as one line of JSON, without its line end."""
    return _encode(
        _EntryLine(
            tenant=entry.tenant,
            seq=entry.seq,
            at_ms=entry.at_ms,
            kind=entry.kind.value,
            reservation_id=entry.reservation_id,
            scope=entry.scope,
            actor=entry.actor,
            trace_id=entry.trace_id,
            price_version=entry.price_version,
            postings=tuple(_window_line(window, change) for window, change in entry.postings),
        )
    )


def close(previous: Seal | None, entries: Sequence[Entry]) -> Seal:
    """Seal the entries that follow the last seal of their tenant.

    Raises:
        ValueError: no entries, or others than those that follow; the last seal has no
            `standing` any more.
    """
    seq = previous.last_seq if previous is not None else 0
    if [entry.seq for entry in entries] != list(range(seq + 1, seq + 1 + len(entries))) or not (
        entries
    ):
        raise ValueError(f"a seal after entry {seq} is made of the entries that follow it")
    standing = standing_after(previous, entries)
    entries_sha256 = _digest_of(map(line, entries))
    standing_sha256 = _digest_of(_standing_lines(standing))
    before = previous.digest if previous is not None else BEFORE_THE_FIRST
    return Seal(
        tenant=entries[0].tenant,
        first_seq=seq + 1,
        last_seq=entries[-1].seq,
        at_ms=entries[-1].at_ms,
        previous=before,
        entries_sha256=entries_sha256,
        standing_sha256=standing_sha256,
        digest=_chained(before, seq + 1, entries[-1].seq, entries_sha256, standing_sha256),
        standing=standing,
    )


def standing_after(previous: Seal | None, entries: Iterable[Entry]) -> dict[WindowName, Amounts]:
    """Every window as it stands after these entries, which follow the seal.

    Raises:
        ValueError: the seal has no `standing` any more.
    """
    if previous is not None and previous.standing is None:
        raise ValueError(f"seal {previous.last_seq} of {previous.tenant!r} gave its windows away")
    standing = dict(previous.standing or {}) if previous is not None else {}
    for entry in entries:
        for window, change in entry.postings:
            standing[window] = standing.get(window, Amounts()).plus(change)
    return standing


def check_chain(seals: Iterable[Seal]) -> Iterator[Difference]:
    """Where the seals of one tenant, oldest first, do not follow from one another.

    The oldest may have lost those before it: its `previous` is taken as it stands.
    """
    before: Seal | None = None
    for seal in seals:
        where = _where(seal)
        if before is not None and seal.previous != before.digest:
            yield Difference(where, "the seal before", seal.previous, before.digest)
        if before is not None and seal.first_seq != before.last_seq + 1:
            yield Difference(where, "first entry", seal.first_seq, before.last_seq + 1)
        digest = _chained(
            seal.previous,
            seal.first_seq,
            seal.last_seq,
            seal.entries_sha256,
            seal.standing_sha256,
        )
        if seal.digest != digest:
            yield Difference(where, "digest", seal.digest, digest)
        if seal.standing is not None:
            standing_sha256 = _digest_of(_standing_lines(seal.standing))
            if seal.standing_sha256 != standing_sha256:
                yield Difference(where, "windows", seal.standing_sha256, standing_sha256)
        before = seal


def check_entries(seal: Seal, entries: Iterable[Entry]) -> Iterator[Difference]:
    """Whether these are the entries that were sealed."""
    entries_sha256 = _digest_of(map(line, entries))
    if entries_sha256 != seal.entries_sha256:
        yield Difference(_where(seal), "entries", seal.entries_sha256, entries_sha256)


def _where(seal: Seal) -> str:
    return f"journal of {seal.tenant}, entries {seal.first_seq} to {seal.last_seq}"


def _window_line(window: WindowName, amounts: Amounts) -> _Line:
    return _Line(window.scope, window.unit.value, str(window.period), window.start_ms, *amounts)


def _standing_lines(standing: Mapping[WindowName, Amounts]) -> list[bytes]:
    """Sorted, and without the windows in which nothing stands."""
    return sorted(
        _encode(_window_line(window, amounts))
        for window, amounts in standing.items()
        if any(amounts)
    )


def _digest_of(lines: Iterable[bytes]) -> str:
    digest = sha256()
    for each in lines:
        digest.update(each + b"\n")
    return digest.hexdigest()


def _chained(
    previous: str, first_seq: int, last_seq: int, entries_sha256: str, standing_sha256: str
) -> str:
    text = f"{previous} {first_seq} {last_seq} {entries_sha256} {standing_sha256}"
    return sha256(text.encode()).hexdigest()
