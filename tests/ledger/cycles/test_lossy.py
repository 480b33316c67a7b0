"""Whatever a network loses, and whenever a proxy is killed: nothing lost, nothing twice."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from proxy.domain.errors import LedgerError
from proxy.gateway.ending import GivenBack
from proxy.gateway.outbox import outbox
from tests.ledger.cycles.lossy import Lossy, lossy_way_to
from tests.ledger.cycles.process import Process, charged
from tests.ledger.cycles.stub import running_stub

CALLS = 8
TIMEOUT_MS = 40


@pytest.mark.parametrize("seed", range(20))
async def test_no_settlement_is_lost_or_made_twice(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(seed, tmp_path, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(500))
async def test_no_settlement_is_lost_or_made_twice_in_many_lives(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(seed, tmp_path, monkeypatch)


async def live(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls over a bad network, kills between them, and at last a good one."""
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(outbox, "_LONGEST_PAUSE_S", 0.0)
    random = Random(seed)
    async with running_stub() as stub, lossy_way_to(stub.url, Random(seed + 1)) as way:
        budget = stub.fund("tenant:acme", 10**6)
        process = Process(stub, folder / "0", "0", url=way.url, timeout_ms=TIMEOUT_MS)
        expected: list[int] = []
        for number in range(CALLS):
            if random.random() < 0.2:
                process = await replaced(process, way, number)
            if random.random() < 0.1:
                stub.expire()
            try:
                held = await process.hold(1_000, key=f"call/{number}")
            except LedgerError:
                continue  # nobody knows, so nothing is sent
            if random.random() < 0.2:
                stub.expire()
            if random.random() < 0.2:
                await process.settle(held, GivenBack())
                continue
            actual = 100 + number
            await process.settle(held, charged(actual))
            expected.append(actual)
            for _ in range(random.randrange(40)):
                await asyncio.sleep(0)
        way.is_calm = True
        way.cut()
        process = await replaced(process, way, CALLS)
        await process.landed()
        await process.stop()
    assert sorted(stub.settlements()) == expected, f"seed {seed}"
    assert budget.spent == sum(expected)


async def replaced(process: Process, way: Lossy, number: int) -> Process:
    """Kill it, and start another on what it left."""
    stub = process.stub
    left = await process.die()
    successor = Process(stub, left, str(number + 1), url=way.url, timeout_ms=TIMEOUT_MS)
    successor.tasks.start(successor.start(), name="start")
    return successor
