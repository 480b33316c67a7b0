"""Questions are answered beside the loop and beside whoever writes, from one moment."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

import pytest

from proxy.domain.errors import LedgerUnavailable, ReservationNotFound
from proxy.ledger.sqlite.file.connection import LedgerFile
from proxy.ledger.sqlite.file.log import log_path
from proxy.ledger.sqlite.file.reader import Reader
from tests.ledger.builders import DEV, USD, ask, declare, line
from tests.ledger.harness import SqliteHarness
from tests.ledger.sqlite.faults import PATIENCE_S, Faults, Halt, fail_only_on, ignore

LAST = "ROLLBACK"
CLOCK = "SELECT clock_ms FROM ledger"


def read_clock(connection: sqlite3.Connection) -> int:
    clock_ms: int = connection.execute(CLOCK).fetchone()[0]
    return clock_ms


@pytest.fixture
async def reader(sqlite: SqliteHarness, faults: Faults) -> AsyncIterator[Reader]:
    """Reads the file of a ledger."""
    await declare(sqlite.ledger, line(DEV, 1000))
    reader = Reader(LedgerFile(sqlite.path, create=False, connect=faults.connect))
    yield reader
    faults.before = ignore
    await reader.close()


async def test_calls_go_on_while_an_operator_waits_for_an_answer(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    await declare(sqlite.ledger, line(DEV, 1000))
    halt = faults.before = Halt(LAST)
    operator = asyncio.ensure_future(sqlite.ledger.verify())
    try:
        await halt.has_come()
        async with asyncio.timeout(PATIENCE_S):
            grant = await sqlite.ledger.reserve(ask(5))
            assert await sqlite.ledger.balances([DEV], USD) == grant.balances
            row = await sqlite.ledger.reservation(grant.reservation_id)
            assert row.amounts == grant.amounts
        assert not operator.done()
    finally:
        halt.go_on()
    assert (await operator).differences == ()


async def test_the_end_lets_go_of_the_file(sqlite: SqliteHarness) -> None:
    await sqlite.ledger.all_balances()
    await sqlite.close()
    assert not log_path(sqlite.path).exists(), "whoever closes the file last removes its log"


async def test_a_question_sees_one_moment(sqlite: SqliteHarness, reader: Reader) -> None:
    writer = sqlite3.connect(sqlite.path, isolation_level=None, check_same_thread=False)

    def read_twice(connection: sqlite3.Connection) -> tuple[int, int]:
        first = read_clock(connection)
        writer.execute("UPDATE ledger SET clock_ms = clock_ms + 1")
        return first, read_clock(connection)

    first, second = await reader.ask(read_twice)
    writer.close()
    assert second == first
    assert await reader.ask(read_clock) == first + 1


async def test_what_a_question_raises_reaches_who_asked(reader: Reader) -> None:
    def find(connection: sqlite3.Connection) -> None:
        raise ReservationNotFound("rsv_none")

    with pytest.raises(ReservationNotFound):
        await reader.ask(find)
    assert await reader.ask(read_clock) > 0


async def test_after_an_error_of_the_disk_the_file_is_opened_again(
    reader: Reader, faults: Faults
) -> None:
    await reader.ask(read_clock)
    faults.before = fail_only_on(CLOCK)
    with pytest.raises(LedgerUnavailable, match="SQLITE_IOERR"):
        await reader.ask(read_clock)
    faults.before = ignore
    faults.statements.clear()
    assert await reader.ask(read_clock) > 0
    assert "PRAGMA journal_mode = WAL" in faults.statements


async def test_nothing_is_answered_after_the_end(reader: Reader) -> None:
    asked = [reader.ask(read_clock) for _ in range(3)]
    await reader.close()
    await reader.close()
    assert all(one.done() for one in asked)
    with pytest.raises(LedgerUnavailable, match="closed"):
        await reader.ask(read_clock)
