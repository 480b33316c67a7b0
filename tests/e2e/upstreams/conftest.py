from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.upstreams.calls import KEY, azure

OF_AZURE = {
    "mine": "gpt-4o",
    "twin": "gpt-4o",
    "small": "gpt-4o-mini",
    "gpt-4.1": "gpt-4.1",
    "vectors": "text-embedding-3-small",
    "old": "gpt-3.5-turbo-instruct",
}


@pytest.fixture
async def cloud() -> AsyncIterator[Simulator]:
    """An Azure with more deployments than the configuration lists."""
    async with Simulator(deployments=OF_AZURE, key=KEY, keep_bodies=True) as started:
        yield started


@pytest.fixture
async def behind(tmp_path: Path, cloud: Simulator) -> AsyncIterator[Stack]:
    """A proxy before that Azure alone."""
    async with running(tmp_path, cloud, upstreams=[azure(cloud)]) as started:
        yield started
