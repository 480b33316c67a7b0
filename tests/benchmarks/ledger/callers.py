"""Callers who each make one pair after another, and how long they took."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tests.benchmarks.instruments.generator import Spread, spread
from tests.benchmarks.ledger.pair import OPERATIONS


@dataclass(frozen=True, slots=True)
class Tally:
    """What callers got done. `failure` is the first thing that went wrong, and ended it.

    `cpu_s` is of the process that asked, its threads included; `store_cpu_s` of the store.
    `transactions` is how many the operations shared; None where nobody counts them.
    """

    operations: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    reserve: Spread | None = None
    store_cpu_s: float | None = None
    transactions: int | None = None
    failure: str | None = None


class Pairs(Protocol):
    """Whoever pairs are asked of."""

    async def reserve(self, number: int) -> str:
        """The id of a new hold."""
        ...

    async def commit(self, reservation_id: str) -> None:
        """End it."""
        ...


class Stint:
    """One stretch of work under way: how long it lasts, and what it took."""

    def __init__(self, duration_s: float) -> None:
        self.latencies_ns: list[int] = []
        self.operations = 0
        self._cpu_s = time.process_time()
        self._began_ns = time.perf_counter_ns()
        self._ends_ns = self._began_ns + int(duration_s * 1e9)

    @property
    def is_over(self) -> bool:
        """Whether no further pair shall begin."""
        return time.perf_counter_ns() >= self._ends_ns

    def tally(self, *, transactions: int | None = None) -> Tally:
        """What came of it, now that the last pair has ended."""
        return Tally(
            operations=self.operations,
            elapsed_s=(time.perf_counter_ns() - self._began_ns) / 1e9,
            cpu_s=time.process_time() - self._cpu_s,
            reserve=spread(self.latencies_ns),
            transactions=transactions,
        )


async def call(pairs: Pairs, numbers: Iterator[int], *, callers: int, duration_s: float) -> Stint:
    """Let so many callers make pairs of these numbers, for so long."""
    stint = Stint(duration_s)

    async def caller() -> None:
        while not stint.is_over:
            asked_ns = time.perf_counter_ns()
            reservation_id = await pairs.reserve(next(numbers))
            stint.latencies_ns.append(time.perf_counter_ns() - asked_ns)
            await pairs.commit(reservation_id)
            stint.operations += OPERATIONS

    await asyncio.gather(*itertools.starmap(caller, [()] * callers))
    return stint
