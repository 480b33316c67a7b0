"""A tenant's entries between two moments, a few at a time."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from proxy.ledger.journal import Entry
    from proxy.ledger.protocol import Books

_BATCH_ENTRIES: Final = 1_000


class Span(NamedTuple):
    """From a moment on, and until before another; None is without end. UTC."""

    from_ms: int | None
    to_ms: int | None


class Course(NamedTuple):
    """The numbers of the entries that an export reads: after the one, up to about the other."""

    after_seq: int
    last_seq: int


async def course(ledger: "Books", tenant: str, span: Span) -> Course:
    """Where to begin and about where to end, by the seals: they say when entries were made."""
    seals = await ledger.seals(tenant)
    from_ms, to_ms = span
    before = [seal for seal in seals if from_ms is not None and seal.at_ms < from_ms]
    within = [seal for seal in seals if to_ms is None or seal.at_ms < to_ms]
    after_seq = before[-1].last_seq if before else 0
    first_seq = seals[0].first_seq - 1 if seals else 0
    last_seq = within[-1].last_seq if within else 0
    return Course(max(after_seq, first_seq), last_seq)


async def batches(
    ledger: "Books", tenant: str, span: Span, after_seq: int
) -> AsyncIterator[Sequence["Entry"]]:
    """The tenant's entries of that time, in their order."""
    from_ms, to_ms = span
    while entries := await ledger.journal(tenant, after_seq=after_seq, limit=_BATCH_ENTRIES):
        after_seq = entries[-1].seq
        yield [
            entry
            for entry in entries
            if (from_ms is None or entry.at_ms >= from_ms)
            and (to_ms is None or entry.at_ms < to_ms)
        ]
        if to_ms is not None and entries[-1].at_ms >= to_ms:
            return
