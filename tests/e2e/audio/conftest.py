from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simulator.server import Simulator
from tests.e2e.stack import Stack, held, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One proxy for all rows of a module. Its books must be sound when they are through."""
    folder = tmp_path_factory.mktemp("endpoints")
    async with Simulator() as simulator, running(folder, simulator) as started:
        yield started
        open_amounts = sum(held(row) for row in await started.rows() if row.charged is None)
        assert (await started.balance()).reserved == open_amounts
