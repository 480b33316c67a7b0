from collections.abc import AsyncIterator

import pytest

from simulator.server import Simulator


@pytest.fixture
async def recording() -> AsyncIterator[Simulator]:
    """An upstream that keeps what it was sent."""
    async with Simulator(keep_bodies=True) as started:
        yield started
