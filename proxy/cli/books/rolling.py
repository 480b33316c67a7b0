"""What still counts in a rolling window, and when each part of it will not any more."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.domain.scope import tenant_of
from proxy.ledger.journal import Entry, Kind, WindowName
from proxy.ledger.records import Balance

if TYPE_CHECKING:
    from proxy.ledger.protocol import Books

_ENTRIES_AT_ONCE: Final = 1_000
_LINES_MAX: Final = 10


class Leaving(NamedTuple):
    """By then this amount no longer counts; what was named before it has left already."""

    by_ms: int
    amount: int


async def read_leaving(books: "Books", balance: Balance, *, now_ms: int) -> list[Leaving]:
    """What leaves the window of a rolling balance from now on, by the journal.

    Only entries that can still count are read, however long the journal is.
    """
    period = balance.period
    tenant = tenant_of(balance.scope)
    oldest_ms = period.oldest_bucket(now_ms) * period.bucket_ms
    after_seq = await _last_before(books, tenant, oldest_ms)
    entries: list[Entry] = []
    while more := await books.journal(tenant, after_seq=after_seq, limit=_ENTRIES_AT_ONCE):
        entries += more
        after_seq = more[-1].seq
    return in_few_lines(leaving(entries, balance, now_ms=now_ms))


async def _last_before(books: "Books", tenant: str, at_ms: int) -> int:
    """The number of the last entry before that moment, found by halving."""

    async def is_before(seq: int) -> bool:
        entries = await books.journal(tenant, after_seq=seq, limit=1)
        return bool(entries) and entries[0].at_ms < at_ms

    high = 1
    while await is_before(high - 1):
        high *= 2
    low = 0
    high -= 1
    while low < high:
        middle = (low + high) // 2
        if await is_before(middle):
            low = middle + 1
        else:
            high = middle
    return low


def leaving(entries: Iterable[Entry], balance: Balance, *, now_ms: int) -> list[Leaving]:
    """The buckets that hold something, oldest first. `entries` are all that still count."""
    period = balance.period
    name = WindowName(balance.scope, balance.unit, period, balance.window_start_ms)
    spent: Counter[int] = Counter()
    beginning = period.oldest_bucket(now_ms)
    for entry in entries:
        for posting in entry.postings:
            if posting.window != name:
                continue
            bucket, change = entry.at_ms // period.bucket_ms, posting.change
            if entry.kind is Kind.ROLL:
                spent[bucket] -= change.debt  # debt that was paid counts as spent from then on
            elif change.spent < 0:
                spent.clear()
                beginning = bucket
            else:
                spent[bucket] += change.spent
    oldest = period.oldest_bucket(now_ms)
    live = Counter({bucket: amount for bucket, amount in spent.items() if bucket >= oldest})
    # What an operator put in place of all that was spent until then is told by what is left.
    live[beginning] += balance.spent - live.total()
    return [
        Leaving((bucket + 1) * period.bucket_ms + period.rolling_ms, amount)
        for bucket, amount in sorted(live.items())
        if amount > 0
    ]


def in_few_lines(parts: Sequence[Leaving]) -> list[Leaving]:
    """Neighbours together, so that they can be read at a glance."""
    size = -(-len(parts) // _LINES_MAX) or 1
    groups = (parts[start : start + size] for start in range(0, len(parts), size))
    return [Leaving(group[-1].by_ms, sum(part.amount for part in group)) for group in groups]
