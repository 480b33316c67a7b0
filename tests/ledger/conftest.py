"""One fixture, every home."""

from collections.abc import AsyncIterator

import pytest

from tests.ledger.harness import BACKENDS, Harness, Home


@pytest.fixture(params=BACKENDS)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    """A fresh home, its clock and its process."""
    backend: str = request.param
    async with BACKENDS[backend].open() as harness:
        yield harness


@pytest.fixture
def ledger(harness: Harness) -> Home:
    """A fresh home, for tests that neither restart nor crash it."""
    return harness.ledger


@pytest.fixture
def is_shared(request: pytest.FixtureRequest) -> bool:
    """Whether other processes hold in the ledger of the harness as well."""
    backend: str = request.node.callspec.params["harness"]
    return BACKENDS[backend].is_shared
