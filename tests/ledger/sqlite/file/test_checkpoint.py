"""The log is kept short from a thread, and the loop never waits for the disk meanwhile.

Who starts a log over flushes its new header, and may cut its file: both wait for the disk.
The salts in the header change then and only then, so they tell who did it.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.ledger.sqlite.file import schema
from proxy.ledger.sqlite.file.log import is_longer, log_path
from tests.ledger.builders import DEV, USD, ask, declare, line
from tests.ledger.harness import SqliteHarness
from tests.ledger.sqlite.faults import PATIENCE_S, Faults, Halt, fail_only_on, ignore

MIB = 2**20
LONG_BYTES = 16 * MIB
KEPT_BYTES = 64 * MIB
COMMITS_PER_LOOK = 16
COPY = "PRAGMA wal_checkpoint(PASSIVE)"
COPY_REST = "PRAGMA wal_checkpoint(RESTART)"
START_OVER = f"PRAGMA user_version = {schema.VERSION}"


@pytest.fixture(autouse=True)
async def budgets(sqlite: SqliteHarness, faults: Faults) -> None:
    """A tenant with a lot, and statements counted from the first transaction."""
    faults.statements.clear()
    await declare(sqlite.ledger, line(DEV, 10**9))


def lengthen_log(path: Path, size_bytes: int) -> None:
    """As many small transactions would."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA secure_delete = OFF")  # or dropping it would write it once more
    connection.execute("CREATE TABLE filling (bytes BLOB)")
    connection.execute("INSERT INTO filling VALUES (zeroblob(?))", (size_bytes,))
    connection.execute("DROP TABLE filling")
    connection.close()


def salts(path: Path) -> bytes:
    with log_path(path).open("rb") as log:
        return log.read(24)[16:]


def size_bytes(path: Path) -> int:
    return log_path(path).stat().st_size


def is_long(path: Path) -> bool:
    return is_longer(log_path(path), LONG_BYTES)


async def hold_often(sqlite: SqliteHarness, times: int) -> None:
    for _ in range(times):
        await sqlite.ledger.reserve(ask(1))


async def until_the_next_look(sqlite: SqliteHarness, faults: Faults) -> None:
    """Commit until the log is looked at."""
    await hold_often(sqlite, 1)
    while commits_on_the_loop(faults) % COMMITS_PER_LOOK:
        await hold_often(sqlite, 1)


def commits_on_the_loop(faults: Faults) -> int:
    return faults.statements.count("COMMIT")


async def until_it_started_over(sqlite: SqliteHarness) -> None:
    """Go on as usual until that is done."""
    before = salts(sqlite.path)
    async with asyncio.timeout(PATIENCE_S):
        while salts(sqlite.path) == before:
            await hold_often(sqlite, 1)


@pytest.fixture
def halt(request: pytest.FixtureRequest) -> Iterator[Halt]:
    """A halt that no failing test leaves behind."""
    halt = Halt(request.param)
    yield halt
    halt.go_on()


at = pytest.mark.parametrize


async def test_a_short_log_is_left_alone(sqlite: SqliteHarness, faults: Faults) -> None:
    await hold_often(sqlite, 3 * COMMITS_PER_LOOK)
    assert not is_long(sqlite.path)
    assert COPY not in faults.statements


async def test_a_long_log_starts_over_when_its_file_goes_by_another_name(
    sqlite: SqliteHarness, tmp_path: Path
) -> None:
    """SQLite keeps the log beside the file, wherever the link is."""
    (tmp_path / "link.db").symlink_to(sqlite.path)
    await sqlite.close()
    sqlite.path = tmp_path / "link.db"
    await sqlite.restart()
    file_path = sqlite.path.resolve()
    lengthen_log(file_path, LONG_BYTES)
    async with asyncio.timeout(PATIENCE_S):
        while is_long(file_path):
            await hold_often(sqlite, 1)


async def test_a_long_log_starts_over_again_and_again(sqlite: SqliteHarness) -> None:
    for _ in range(3):
        lengthen_log(sqlite.path, LONG_BYTES)
        assert is_long(sqlite.path)
        await until_it_started_over(sqlite)
        assert not is_long(sqlite.path)
    assert size_bytes(sqlite.path) < 2 * LONG_BYTES, "each log was written over the last one"
    assert (await sqlite.ledger.verify()).differences == ()


async def test_no_statement_of_the_loop_starts_the_log_over_or_cuts_it(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    """Whatever the two threads do between each other's statements."""
    started_over: list[str] = []
    seen = [(salts(sqlite.path), size_bytes(sqlite.path))]

    def look(statement: str) -> None:
        now = salts(sqlite.path), size_bytes(sqlite.path)
        if threading.current_thread() is threading.main_thread():
            assert now[0] == seen[0][0]
            assert now[1] >= seen[0][1]
        elif now[0] != seen[0][0]:
            started_over.append(statement)
        seen[0] = now

    def look_before(statement: str) -> None:
        # What the other thread did since is nobody's doing here.
        seen[0] = salts(sqlite.path), size_bytes(sqlite.path)

    for filling_bytes in (LONG_BYTES, 5 * LONG_BYTES, LONG_BYTES):
        lengthen_log(sqlite.path, filling_bytes)
        faults.before, faults.after = look_before, look
        await until_it_started_over(sqlite)
        await until_the_next_look(sqlite, faults)
        faults.before = faults.after = ignore
    assert started_over == [START_OVER] * 3


@at("halt", [COPY], indirect=True)
async def test_a_log_that_was_copied_whole_in_a_quiet_moment_is_not_started_over_by_the_loop(
    sqlite: SqliteHarness, faults: Faults, halt: Halt
) -> None:
    """Nobody wrote during the copy. The next to write would start it over, and wait for it."""
    lengthen_log(sqlite.path, LONG_BYTES)
    faults.after = halt
    await until_the_next_look(sqlite, faults)
    await halt.has_come()
    before = salts(sqlite.path)
    await hold_often(sqlite, 3)
    assert salts(sqlite.path) == before
    halt.go_on()
    await until_it_started_over(sqlite)


@at("halt", [COPY], indirect=True)
async def test_writers_go_on_while_the_log_is_copied(
    sqlite: SqliteHarness, faults: Faults, halt: Halt
) -> None:
    lengthen_log(sqlite.path, LONG_BYTES)
    faults.before = halt
    await until_the_next_look(sqlite, faults)
    await halt.has_come()
    async with asyncio.timeout(PATIENCE_S):
        await hold_often(sqlite, 2 * COMMITS_PER_LOOK)


@at("halt", [COPY_REST, START_OVER], indirect=True)
async def test_while_it_starts_over_writers_wait_and_the_loop_does_not(
    sqlite: SqliteHarness, faults: Faults, halt: Halt
) -> None:
    lengthen_log(sqlite.path, LONG_BYTES)
    faults.before = halt
    await until_the_next_look(sqlite, faults)
    await halt.has_come()
    asked = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not asked.done()
    assert (await sqlite.ledger.balances([DEV], USD))[0].reserved > 0, "questions go on"
    halt.go_on()
    async with asyncio.timeout(PATIENCE_S):
        assert (await asked).amounts[USD] == 1


@at("statement", ["BEGIN", COPY, "ROLLBACK", COPY_REST, START_OVER])
async def test_a_checkpoint_that_fails_stops_nobody(
    sqlite: SqliteHarness, faults: Faults, statement: str
) -> None:
    lengthen_log(sqlite.path, LONG_BYTES)
    faults.before = fail_only_on(statement)
    async with asyncio.timeout(PATIENCE_S):
        while statement not in faults.asked:
            await hold_often(sqlite, 1)
        await hold_often(sqlite, COMMITS_PER_LOOK)
    faults.before = ignore
    lengthen_log(sqlite.path, LONG_BYTES)
    await until_it_started_over(sqlite)


async def test_a_log_that_somebody_reads_is_tried_again_when_it_is_much_longer(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    lengthen_log(sqlite.path, LONG_BYTES)
    reader = sqlite3.connect(sqlite.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM ledger").fetchone()
    before = salts(sqlite.path)
    async with asyncio.timeout(PATIENCE_S):
        while faults.statements.count(COPY_REST) < 1:
            await hold_often(sqlite, 1)
        await hold_often(sqlite, 3 * COMMITS_PER_LOOK)
    assert faults.statements.count(COPY_REST) == 1
    lengthen_log(sqlite.path, LONG_BYTES)
    async with asyncio.timeout(PATIENCE_S):
        while faults.statements.count(COPY_REST) < 2:
            await hold_often(sqlite, 1)
    assert salts(sqlite.path) == before
    reader.close()
    lengthen_log(sqlite.path, LONG_BYTES)
    await until_it_started_over(sqlite)
    assert not is_long(sqlite.path)


async def test_a_log_that_grew_huge_gives_the_disk_back(sqlite: SqliteHarness) -> None:
    lengthen_log(sqlite.path, KEPT_BYTES + LONG_BYTES)
    assert size_bytes(sqlite.path) > KEPT_BYTES
    await until_it_started_over(sqlite)
    await hold_often(sqlite, 1)
    assert size_bytes(sqlite.path) == KEPT_BYTES


@at("halt", [COPY], indirect=True)
async def test_the_end_waits_for_the_checkpoint(
    sqlite: SqliteHarness, faults: Faults, halt: Halt
) -> None:
    lengthen_log(sqlite.path, LONG_BYTES)
    faults.before = halt
    await until_the_next_look(sqlite, faults)
    await halt.has_come()
    closed = asyncio.ensure_future(sqlite.close())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not closed.done()
    halt.go_on()
    await closed
    assert START_OVER in faults.statements
    assert not log_path(sqlite.path).exists()


async def test_a_log_that_is_gone_is_no_log(sqlite: SqliteHarness) -> None:
    log_path(sqlite.path).unlink()
    await hold_often(sqlite, COMMITS_PER_LOOK)
    assert (await sqlite.ledger.balances([DEV], USD))[0].reserved == COMMITS_PER_LOOK
