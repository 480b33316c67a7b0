from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.authority.clients.listener import Listener, listening


@pytest.fixture
async def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    # The client keeps what it could not settle in the home of whoever runs it.
    monkeypatch.setenv("HOME", str(tmp_path))
    async with listening(tmp_path) as started:
        yield started
