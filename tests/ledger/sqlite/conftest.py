"""A SQLite home whose connections can be hurt."""

from collections.abc import AsyncIterator

import pytest

from tests.ledger.harness import SqliteHarness, scratch
from tests.ledger.sqlite.faults import Faults


@pytest.fixture
def faults() -> Faults:
    """None, until a test says otherwise."""
    return Faults()


@pytest.fixture(params=["process", "power"])
async def sqlite(request: pytest.FixtureRequest, faults: Faults) -> AsyncIterator[SqliteHarness]:
    """A fresh home on a file of its own."""
    with scratch() as directory:
        harness = SqliteHarness(directory, connect=faults.connect, durability=request.param)
        try:
            yield harness
        finally:
            faults.__init__()  # type: ignore[misc]
            await harness.close()
