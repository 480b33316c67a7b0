"""What leaves a rolling window, and when: told from the journal, without reading all of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.books.rolling import Leaving, in_few_lines, leaving, read_leaving
from proxy.domain.money import Unit
from proxy.domain.period import Period, Step
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Entry, Kind, Posting, WindowName
from proxy.ledger.protocol import Books
from proxy.ledger.records import Balance, BudgetStatus

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NOW_MS = 500_000 * HOUR_MS
HOURLY = Period(Step.ROLLING, rolling_ms=HOUR_MS)
"""Sixty buckets of a minute each."""

DEV = Scope("tenant:dev")
WINDOW = WindowName(DEV, Unit.TOKENS, HOURLY, 0)


def balance(spent: int) -> Balance:
    return Balance(
        scope=DEV,
        unit=Unit.TOKENS,
        period=HOURLY,
        window_start_ms=0,
        window_end_ms=None,
        allocated=10**6,
        reserved=0,
        spent=spent,
        debt=0,
        uncertain=0,
        uncovered=0,
        overdraft_limit=0,
        is_over_limit=False,
        status=BudgetStatus.ACTIVE,
    )


def entry(
    minutes_ago: int,
    change: Amounts,
    *,
    kind: Kind = Kind.COMMIT,
    seq: int = 1,
    window: WindowName = WINDOW,
) -> Entry:
    at_ms = NOW_MS - minutes_ago * MINUTE_MS
    postings = (Posting(window, change),)
    return Entry("dev", seq, at_ms, kind, None, postings, scope=DEV, actor="")


def spent(amount: int, minutes_ago: int) -> Entry:
    return entry(minutes_ago, Amounts(spent=amount))


def in_minutes(parts: Sequence[Leaving]) -> list[tuple[int, int]]:
    return [((part.by_ms - NOW_MS) // MINUTE_MS, part.amount) for part in parts]


def test_each_minute_leaves_when_all_of_it_is_outside() -> None:
    """What was spent ten minutes ago counts for fifty more, and for the rest of its minute."""
    entries = [spent(5, 10), spent(7, 10), spent(1, 0)]

    assert in_minutes(leaving(entries, balance(13), now_ms=NOW_MS)) == [(51, 12), (61, 1)]


def test_it_counts_until_then_and_no_longer() -> None:
    ((by_ms, _),) = leaving([spent(5, 10)], balance(5), now_ms=NOW_MS)
    bucket = (NOW_MS - 10 * MINUTE_MS) // MINUTE_MS

    assert HOURLY.oldest_bucket(by_ms - 1) == bucket
    assert HOURLY.oldest_bucket(by_ms) == bucket + 1


def test_what_is_outside_and_what_is_elsewhere_does_not_count() -> None:
    other = WINDOW._replace(unit=Unit.USD_MICROCENTS)
    entries = [spent(9, 61), spent(2, 60), entry(1, Amounts(spent=8), window=other), spent(3, 1)]

    assert in_minutes(leaving(entries, balance(5), now_ms=NOW_MS)) == [(1, 2), (60, 3)]


def test_holds_and_funds_that_spend_nothing_leave_nothing() -> None:
    entries = [
        entry(3, Amounts(reserved=9), kind=Kind.RESERVE),
        entry(2, Amounts(allocated=9), kind=Kind.FUND),
    ]
    assert leaving(entries, balance(0), now_ms=NOW_MS) == []


def test_what_has_rolled_away_is_no_reset() -> None:
    entries = [spent(9, 61), entry(30, Amounts(spent=-9), kind=Kind.ROLL), spent(3, 1)]

    assert in_minutes(leaving(entries, balance(3), now_ms=NOW_MS)) == [(60, 3)]


def test_debt_that_the_room_has_paid_counts_from_then_on() -> None:
    rolled = entry(30, Amounts(spent=-5, debt=-4), kind=Kind.ROLL)

    assert in_minutes(leaving([rolled], balance(4), now_ms=NOW_MS)) == [(31, 4)]


def test_a_reset_counts_from_when_it_was_made() -> None:
    """It puts 6 in place of what was spent before."""
    entries = [spent(20, 40), entry(20, Amounts(spent=-14), kind=Kind.FUND), spent(3, 1)]

    assert in_minutes(leaving(entries, balance(9), now_ms=NOW_MS)) == [(41, 6), (60, 3)]


@given(st.lists(st.tuples(st.integers(0, 58), st.integers(1, 9)), max_size=80))
def test_all_that_counts_leaves_once(spends: list[tuple[int, int]]) -> None:
    spends.sort(reverse=True)
    total = sum(amount for _, amount in spends)
    entries = [spent(amount, minutes_ago) for minutes_ago, amount in spends]

    parts = leaving(entries, balance(total), now_ms=NOW_MS)
    lines = in_few_lines(parts)

    assert sum(part.amount for part in parts) == sum(line.amount for line in lines) == total
    assert len(lines) <= 10
    assert [line.by_ms for line in lines] == sorted({line.by_ms for line in lines})
    assert not parts or lines[-1].by_ms == parts[-1].by_ms


@dataclass
class LongJournal:
    """A journal that counts what is read of it."""

    entries: list[Entry]
    read: int = 0
    asked: list[int] = field(default_factory=list)

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        assert tenant == "dev"
        found = [entry for entry in self.entries if entry.seq > after_seq][:limit]
        self.asked.append(limit)
        self.read += len(found)
        return tuple(found)


@pytest.mark.parametrize("recent", [0, 1, 30, 2_500])
@pytest.mark.parametrize("old", [0, 1, 2, 3_000])
async def test_only_what_can_still_count_is_read(old: int, recent: int) -> None:
    before = [entry(600, Amounts(spent=1), seq=number + 1) for number in range(old)]
    since = [entry(5, Amounts(spent=1), seq=old + number + 1) for number in range(recent)]
    books = LongJournal(before + since)

    found = await read_leaving(cast(Books, books), balance(recent), now_ms=NOW_MS)

    assert in_minutes(found) == ([(56, recent)] if recent else [])
    assert books.read <= recent + 40
    assert len(books.asked) <= 40
