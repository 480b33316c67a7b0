from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests.e2e.stack import Stack
from tests.e2e.websocket.sockets import Caller, opened, serving_sockets


@pytest.fixture
async def stack(tmp_path: Path, simulator: Simulator) -> AsyncIterator[Stack]:
    async with serving_sockets(tmp_path, simulator) as started:
        yield started


@pytest.fixture
async def caller(stack: Stack) -> AsyncIterator[Caller]:
    async with opened(stack) as socket:
        yield socket
