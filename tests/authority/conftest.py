from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.authority.rig import Rig, running


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as started:
        yield started
