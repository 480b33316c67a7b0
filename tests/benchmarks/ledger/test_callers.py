import asyncio
import itertools

from tests.benchmarks.ledger.callers import Stint, call

A_WHILE_S = 0.02


class CountedPairs:
    """Answers in the next turn of the loop, and counts who is where."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.most_open = 0
        self.reserved: list[int] = []
        self.committed = 0

    async def reserve(self, number: int) -> str:
        self.reserved.append(number)
        await asyncio.sleep(0)
        self.open.add(f"hold {number}")
        self.most_open = max(self.most_open, len(self.open))
        return f"hold {number}"

    async def commit(self, reservation_id: str) -> None:
        await asyncio.sleep(0)
        self.open.remove(reservation_id)
        self.committed += 1


async def test_each_caller_ends_what_it_began_before_it_asks_again() -> None:
    pairs = CountedPairs()
    stint = await call(pairs, itertools.count(5), callers=3, duration_s=A_WHILE_S)
    assert (pairs.open, pairs.most_open) == (set(), 3)
    assert pairs.reserved == [*range(5, 5 + pairs.committed)]
    assert stint.operations == 2 * pairs.committed > 0


async def test_a_tally_counts_operations_and_measures_reserves() -> None:
    pairs = CountedPairs()
    stint = await call(pairs, itertools.count(), callers=2, duration_s=A_WHILE_S)
    tally = stint.tally(transactions=7)
    assert len(stint.latencies_ns) == pairs.committed
    assert (tally.operations, tally.transactions) == (2 * pairs.committed, 7)
    assert tally.elapsed_s >= A_WHILE_S
    assert tally.reserve is not None
    assert 0 < tally.reserve.p50_us <= tally.reserve.p99_us
    assert tally.failure is None


async def test_when_time_is_over_no_pair_begins() -> None:
    pairs = CountedPairs()
    stint = await call(pairs, itertools.count(), callers=2, duration_s=0.0)
    assert (pairs.reserved, stint.operations, stint.tally().reserve) == ([], 0, None)


def test_a_stint_is_over_after_its_time() -> None:
    assert Stint(0.0).is_over
    assert not Stint(3600.0).is_over
