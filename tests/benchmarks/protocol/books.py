"""What the books must say after a window, and what they do say.

A server that is fast and loses a hold is not fast. So after each window the ledger is opened
beside the server: `verify` must find no difference, and every budget must show what was asked
for, to the microcent.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from proxy.domain.errors import LedgerError
from proxy.ledger.audit import Audit
from proxy.ledger.records import Balance
from proxy.opening import open_beside
from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.protocol.requests import LEVELS, Operation, actual_of, estimate_of

_SHOWN: Final = 5
"""Mismatches in one message; one is bad enough."""


@dataclass(slots=True)
class Expected:
    """What clients were told has happened: sums over all answers, in microcents."""

    holds: int = 0
    reserved: int = 0
    spent: int = 0

    def add(self, operation: Operation, calls: int) -> None:
        """So many more calls were answered. A commit ends all the holds that there are."""
        serials = range(1, calls + 1)
        match operation:
            case Operation.DECIDE:
                pass
            case Operation.RESERVE:
                self.holds += calls
                self.reserved += sum(map(estimate_of, serials))
            case Operation.COMMIT:
                self.reserved = 0
                self.spent += sum(map(actual_of, serials))


def check_books(url: str, expected: Expected) -> None:
    """Compare the ledger at `url` with what clients were told.

    Raises:
        CannotMeasure: they differ, and where; or the ledger cannot be read.
    """
    try:
        audit, balances = asyncio.run(_read(url))
    except LedgerError as error:
        raise CannotMeasure(f"the books cannot be read: {error}") from None
    mismatches = [*_find_mismatches(audit, balances, expected)]
    if mismatches:
        raise CannotMeasure(f"LEDGER MISMATCH: {'; '.join(mismatches[:_SHOWN])}")


async def _read(url: str) -> tuple[Audit, tuple[Balance, ...]]:
    ledger = await open_beside(url)
    try:
        return await ledger.verify(), await ledger.all_balances()
    finally:
        await ledger.close()


def _find_mismatches(
    audit: Audit, balances: Iterable[Balance], expected: Expected
) -> Iterator[str]:
    """Each thing that is not as it must be, in words."""
    for difference in audit.differences:
        yield (
            f"{difference.where}: {difference.what} is {difference.recorded}, "
            f"recomputed {difference.recomputed}"
        )
    if audit.reservations != expected.holds:
        yield f"{audit.reservations} holds, of {expected.holds} that were granted"
    budgets = 0
    for balance in balances:
        budgets += 1
        if (balance.reserved, balance.spent) != (expected.reserved, expected.spent):
            yield (
                f"{balance.scope}: {balance.reserved} reserved and {balance.spent} spent, "
                f"of {expected.reserved} and {expected.spent} that were asked for"
            )
    if budgets != len(LEVELS):
        yield f"{budgets} budgets, of {len(LEVELS)}"
