"""One fixture, every home."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ledger.harness import BACKENDS, Harness, Home


@pytest.fixture(params=BACKENDS)
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """A fresh home, its clock and its process."""
    backend: str = request.param
    async with BACKENDS[backend](tmp_path) as harness:
        yield harness


@pytest.fixture
def ledger(harness: Harness) -> Home:
    """A fresh home, for tests that neither restart nor crash it."""
    return harness.ledger
