"""What the configuration says about durability reaches the ledger."""

import threading
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests.e2e.stack import running
from tests.e2e.wire import answered

BODY = {
    "model": "gpt-4o",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say something."}],
}


def who_writes() -> str:
    """`power` commits in a thread that may wait for the disk, `process` on the loop."""
    names = [thread.name for thread in threading.enumerate()]
    return "power" if any(name.startswith("ledger writer") for name in names) else "process"


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_calls_are_charged_whatever_a_commit_survives(
    tmp_path: Path, simulator: Simulator, durability: str
) -> None:
    ledger = {"url": f"sqlite:///{tmp_path / 'ledger.db'}", "durability": durability}
    async with running(tmp_path, simulator, ledger=ledger) as stack:
        statuses = [(await answered(stack.base_url, BODY)).status for _ in range(3)]
        assert who_writes() == durability
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
    assert statuses == [200, 200, 200]
    assert simulator.total_microcents > 0
