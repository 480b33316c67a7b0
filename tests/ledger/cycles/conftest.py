"""A home at an authority that a test controls."""

from collections.abc import AsyncIterator

import pytest

from tests.ledger.cycles.home import Home, open_home
from tests.ledger.cycles.stub import Stub, running_stub


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with running_stub() as stub:
        yield stub


@pytest.fixture
async def home(stub: Stub) -> AsyncIterator[Home]:
    home = open_home(stub)
    yield home
    await home.ledger.close()
