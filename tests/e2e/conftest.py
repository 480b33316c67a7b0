from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests.e2e.stack import Stack, running


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as started:
        yield started


@pytest.fixture
async def stack(tmp_path: Path, simulator: Simulator) -> AsyncIterator[Stack]:
    async with running(tmp_path, simulator) as started:
        yield started
