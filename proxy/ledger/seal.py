"""Closed runs of a journal, chained by their digests.

    seal 1: entries 1 to 1000 ─▶ seal 2: entries 1001 to 2000 ─▶ ...  the last one is the head

A seal's digest covers the digest of the seal before it and the lines of its entries as an
export writes them; that of a checkpoint also what every window holds after them. So
whoever has kept a head finds any later edit of an entry at or before it, and the entries up
to a checkpoint can go: what they led to stays.

Recompute one by hand: `digest` is the SHA-256 of the text
`<previous> <first_seq> <last_seq> <entries_sha256> <standing_sha256>`, `entries_sha256` that
of the exported lines, each with its line end, and `standing_sha256` that of the lines of
all windows that hold something, sorted, or `-` where a seal is no checkpoint.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from proxy.ledger import lines
from proxy.ledger.audit import Difference, Head
from proxy.ledger.journal import Amounts, Entry, WindowName
from proxy.ledger.lines import Standing

BEFORE_THE_FIRST: Final = "0" * 64
"""What the first seal of a tenant follows."""

NO_CHECKPOINT: Final = "-"

RUN_ENTRIES: Final = 1_000
"""A run is closed when it has so many entries, or when its first one is old."""


class Seal(msgspec.Struct, frozen=True):
    """One closed run of one tenant's entries. Digests are SHA-256 in hex.

    `at_ms` is when its last entry was made. `standing` is what a checkpoint's windows held;
    None also where it is not kept any more.
    """

    tenant: str
    first_seq: int
    last_seq: int
    at_ms: int
    previous: str
    entries_sha256: str
    standing_sha256: str
    digest: str
    standing: Standing | None = None

    @property
    def is_checkpoint(self) -> bool:
        """Whether replay can start after it."""
        return self.standing_sha256 != NO_CHECKPOINT

    @property
    def head(self) -> Head:
        """What to keep of it."""
        return Head(self.tenant, self.last_seq, self.digest)


def close(previous: Seal | None, entries: Sequence[Entry], standing: Standing | None) -> Seal:
    """Seal the entries that follow the last seal of their tenant.

    `standing`: what all windows hold after them, if it is to be a checkpoint.

    Raises:
        ValueError: no entries, or others than those that follow.
    """
    seq = previous.last_seq if previous is not None else 0
    if [entry.seq for entry in entries] != list(range(seq + 1, seq + 1 + len(entries))) or not (
        entries
    ):
        raise ValueError(f"a seal after entry {seq} is made of the entries that follow it")
    sealed = Seal(
        tenant=entries[0].tenant,
        first_seq=seq + 1,
        last_seq=entries[-1].seq,
        at_ms=entries[-1].at_ms,
        previous=previous.digest if previous is not None else BEFORE_THE_FIRST,
        entries_sha256=lines.entries_sha256(entries),
        standing_sha256=lines.standing_sha256(standing) if standing is not None else NO_CHECKPOINT,
        digest="",
        standing=standing,
    )
    return msgspec.structs.replace(sealed, digest=_digest(sealed))


def is_checkpoint_due(*, entries: int, windows: int) -> bool:
    """Whether a seal is to be a checkpoint: so many entries, and windows, since the last one.

    A checkpoint writes every window, so it has to wait for as many entries: then it costs
    each entry the same, however many windows there are.
    """
    return entries >= windows


def standing_after(standing: Standing, entries: Iterable[Entry]) -> dict[WindowName, Amounts]:
    """Every window as it stands after these entries."""
    after = dict(standing)
    for entry in entries:
        for window, change in entry.postings:
            after[window] = after.get(window, Amounts()).plus(change)
    return after


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
        digest = _digest(seal)
        if seal.digest != digest:
            yield Difference(where, "digest", seal.digest, digest)
        if seal.standing is not None:
            yield from check_standing(seal, seal.standing)
        before = seal


def check_entries(seal: Seal, entries: Iterable[Entry]) -> Iterator[Difference]:
    """Whether these are the entries that were sealed."""
    entries_sha256 = lines.entries_sha256(entries)
    if entries_sha256 != seal.entries_sha256:
        yield Difference(_where(seal), "entries", seal.entries_sha256, entries_sha256)


def check_standing(seal: Seal, standing: Standing) -> Iterator[Difference]:
    """Whether this is what the windows held at a checkpoint."""
    if not seal.is_checkpoint:
        return
    standing_sha256 = lines.standing_sha256(standing)
    if seal.standing_sha256 != standing_sha256:
        yield Difference(_where(seal), "windows", seal.standing_sha256, standing_sha256)


class SealCheck:
    """Compares entries with the seals over them, as they come by."""

    def __init__(self, sealed: Iterable[Seal]) -> None:
        self._sealed = iter(sealed)
        self._seal = next(self._sealed, None)
        self._run: list[Entry] = []

    def take(self, entry: Entry, standing: Standing) -> Iterator[Difference]:
        """The next entry, and what windows hold after it."""
        if self._seal is None:
            return
        self._run.append(entry)
        if entry.seq == self._seal.last_seq:
            yield from check_entries(self._seal, self._run)
            yield from check_standing(self._seal, standing)
            self._seal = next(self._sealed, None)
            self._run.clear()

    def left(self) -> Iterator[Difference]:
        """Seals whose entries are not there."""
        if self._seal is not None:
            yield from check_entries(self._seal, self._run)


def check_head(seals: Sequence[Seal], kept: Head) -> str | None:
    """What is wrong with a head that somebody kept, given the seals of its tenant as they are.

    None: nothing at or before it was changed since.
    """
    where = f"entry {kept.seq} of {kept.tenant!r}"
    if not seals:
        return f"{where}: the journal has no seals any more"
    if kept.seq < seals[0].last_seq:
        return f"{where}: its seal is gone, the oldest one left ends with {seals[0].last_seq}"
    after = [seal for seal in seals if seal.last_seq >= kept.seq]
    if not after or after[0].last_seq != kept.seq:
        return f"{where}: no seal ends there any more, so the journal was sealed again"
    if after[0].digest != kept.digest:
        return f"{where}: the seal is now {after[0].digest}, so an entry before it was changed"
    broken = next(check_chain(after), None)
    if broken is not None:
        return f"{where}: the chain from there on is broken, {broken.where}: {broken.what}"
    return None


def _where(seal: Seal) -> str:
    return f"journal of {seal.tenant}, entries {seal.first_seq} to {seal.last_seq}"


def _digest(seal: Seal) -> str:
    text = (
        f"{seal.previous} {seal.first_seq} {seal.last_seq} {seal.entries_sha256}"
        f" {seal.standing_sha256}"
    )
    return sha256(text.encode()).hexdigest()
