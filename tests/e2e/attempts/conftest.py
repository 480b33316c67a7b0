from collections.abc import AsyncIterator

import pytest

from simulator.server import Simulator


@pytest.fixture
async def spare() -> AsyncIterator[Simulator]:
    """Another upstream."""
    async with Simulator(seed=1) as started:
        yield started
