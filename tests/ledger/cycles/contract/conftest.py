"""The home of these tests: a client of our own plane, which keeps its ledger in a file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.cycles.contract.borrowed import GROWTH, LATE, NEVER_REFUSED, NO_DOUBT
from tests.ledger.cycles.plane import PlaneHarness, open_plane_home

EXCEPTED_CASES = {
    "unknown-do_dispatch-ReservationNotFound": NO_DOUBT,
    "uncertain-do_dispatch-ReservationFinalized": NO_DOUBT,
    "committed-do_dispatch-ReservationFinalized": NO_DOUBT,
    "released-do_dispatch-ReservationFinalized": NO_DOUBT,
    "expired-do_dispatch-ReservationFinalized": NO_DOUBT,
    "uncertain-do_grow-ReservationExpired": GROWTH,
    "committed-do_grow-ReservationFinalized": GROWTH,
    "released-do_grow-ReservationFinalized": GROWTH,
    "lapsed-do_grow-ReservationExpired": GROWTH,
    "expired-do_grow-ReservationExpired": GROWTH,
    "unknown-do_charge_late-ReservationNotFound": LATE,
    "active-do_charge_late_beyond-AmountOutOfRange": LATE,
    "rejecting-do_commit-CommitRejected": NEVER_REFUSED,
}
"""Of tests with many cases, those that are not asked, and why."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    cases = {item.name.partition("[")[2][:-1]: item for item in here}
    for case in EXCEPTED_CASES.keys() & cases.keys():
        cases[case].add_marker(pytest.mark.skip(reason=EXCEPTED_CASES[case]))


@pytest.fixture
async def harness() -> AsyncIterator[PlaneHarness]:
    async with open_plane_home() as harness:
        yield harness


@pytest.fixture
def ledger(harness: PlaneHarness) -> Any:
    return harness.ledger


@pytest.fixture
def is_shared() -> bool:
    """Other clients may hold there as well."""
    return True
