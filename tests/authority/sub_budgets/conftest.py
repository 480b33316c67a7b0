from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.authority.sub_budgets.family import Family, living


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    async with living(tmp_path) as started:
        yield started
