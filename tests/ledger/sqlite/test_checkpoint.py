"""The log is kept short from a thread, whatever is going on."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from tests.ledger.builders import DEV, ask, declare, hold, line
from tests.ledger.harness import SqliteHarness
from tests.ledger.sqlite.faults import Faults, fail_on

MIB = 2**20
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
COMMITS_PER_LOOK = 64


@pytest.fixture(autouse=True)
async def budgets(sqlite: SqliteHarness, faults: Faults) -> None:
    """A tenant with a lot, and statements counted from the first transaction."""
    faults.statements.clear()
    await declare(sqlite.ledger, line(DEV, 10**9))


def lengthen_log(path: Path, size_bytes: int) -> None:
    """As many small transactions would."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE filling (bytes BLOB)")
    connection.execute("INSERT INTO filling VALUES (zeroblob(?))", (size_bytes,))
    connection.execute("DROP TABLE filling")
    connection.close()


def log_bytes(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


async def hold_often(sqlite: SqliteHarness, times: int) -> None:
    for _ in range(times):
        await sqlite.ledger.reserve(ask(1))


async def test_a_short_log_is_left_alone(sqlite: SqliteHarness, faults: Faults) -> None:
    await hold_often(sqlite, 2 * COMMITS_PER_LOOK)
    assert log_bytes(sqlite.path) < 4 * MIB
    assert CHECKPOINT not in faults.statements


async def test_a_long_log_starts_over(sqlite: SqliteHarness, faults: Faults) -> None:
    lengthen_log(sqlite.path, 5 * MIB)
    turns = 0
    while log_bytes(sqlite.path) > 4 * MIB and turns < 100:
        await hold_often(sqlite, COMMITS_PER_LOOK)
        turns += 1
    assert log_bytes(sqlite.path) < 4 * MIB
    assert CHECKPOINT in faults.statements
    assert (await sqlite.ledger.verify()).differences == ()


@pytest.mark.parametrize(("size_bytes", "waits"), [(65 * MIB, True), (5 * MIB, False)])
async def test_past_a_second_limit_writers_wait_for_the_thread(
    sqlite: SqliteHarness, faults: Faults, size_bytes: int, waits: bool
) -> None:
    """A log to which somebody always writes would never start over."""
    lengthen_log(sqlite.path, size_bytes)
    has_begun, may_go_on = threading.Event(), threading.Event()

    def hold_the_thread(statement: str) -> None:
        if statement == CHECKPOINT:
            has_begun.set()
            may_go_on.wait(10)

    faults.before = hold_the_thread
    while faults.statements.count("COMMIT") % COMMITS_PER_LOOK:
        await hold_often(sqlite, 1)
    assert await asyncio.to_thread(has_begun.wait, 10)
    asked = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert asked.done() is not waits
    may_go_on.set()
    async with asyncio.timeout(10):
        assert (await asked).amount == 1


async def test_a_checkpoint_that_fails_stops_nobody(sqlite: SqliteHarness, faults: Faults) -> None:
    lengthen_log(sqlite.path, 65 * MIB)
    faults.before = fail_on([CHECKPOINT])
    async with asyncio.timeout(20):
        await hold_often(sqlite, 3 * COMMITS_PER_LOOK)
    assert (await sqlite.ledger.all_balances())[0].reserved == 3 * COMMITS_PER_LOOK


async def test_the_end_waits_for_the_checkpoint(sqlite: SqliteHarness, faults: Faults) -> None:
    lengthen_log(sqlite.path, 20 * MIB)
    asked = [asyncio.ensure_future(hold(sqlite.ledger, 1)) for _ in range(4)]
    while CHECKPOINT not in faults.statements:
        await hold_often(sqlite, 1)
    await asyncio.gather(*asked)
    await sqlite.close()
    assert not sqlite.path.with_name(f"{sqlite.path.name}-wal").exists()


async def test_a_log_that_is_gone_is_no_log(sqlite: SqliteHarness) -> None:
    sqlite.path.with_name(f"{sqlite.path.name}-wal").unlink()
    await hold_often(sqlite, COMMITS_PER_LOOK)
    assert (await sqlite.ledger.all_balances())[0].reserved == COMMITS_PER_LOOK
