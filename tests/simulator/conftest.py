"""A fresh upstream for each test, and the official SDK on it."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from simulator import Simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=simulator.base_url, api_key="any", max_retries=0) as sdk:
        yield sdk
