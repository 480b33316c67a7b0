"""What the ledger says when its file cannot serve, and that it comes back when it can."""

import sqlite3
from pathlib import Path

import pytest

from proxy.domain.errors import LedgerError, LedgerUnavailable
from proxy.ledger.records import ReserveRequest
from proxy.ledger.sqlite.file import failures, schema
from proxy.ledger.sqlite.file.connection import Connect, connect
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.ledger.builders import DEV, USD, ask, declare, hold, line, spend
from tests.ledger.harness import ManualClock, SqliteHarness
from tests.ledger.sqlite.faults import Faults, fail_on, ignore


def open_file(path: Path, *, serves: bool = True, connect: Connect = connect) -> SqliteLedger:
    return SqliteLedger.open(
        path, clock=ManualClock(), new_id=lambda: "rsv_1", serves=serves, connect=connect
    )


# While it runs


async def test_a_full_disk_admits_nothing_until_there_is_space(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    await declare(sqlite.ledger, line(DEV, 1_000))
    before = await sqlite.ledger.all_balances()
    faults.pages_max = page_count(sqlite.path)
    await sqlite.restart()
    admitted, why = await hold_until_it_fails(sqlite.ledger)
    assert "the disk of the ledger is full: free some space" in why
    assert "SQLITE_FULL" in why
    assert (await sqlite.ledger.all_balances())[0].reserved == admitted
    assert (await sqlite.ledger.verify()).differences == ()

    faults.pages_max *= 10
    await sqlite.restart()
    await hold(sqlite.ledger, 1)
    assert (await sqlite.ledger.all_balances())[0].reserved == before[0].reserved + admitted + 1


def page_count(path: Path) -> int:
    connection = sqlite3.connect(path)
    count: int = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    return count


async def hold_until_it_fails(ledger: SqliteLedger) -> tuple[int, str]:
    """How many holds of 1 were admitted before the disk was full, and what was said then."""
    admitted = 0
    while True:
        try:
            await hold(ledger, 1, dispatched=False)
        except LedgerUnavailable as failure:
            return admitted, str(failure)
        admitted += 1


async def test_a_full_disk_needs_no_restart(sqlite: SqliteHarness, faults: Faults) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    faults.pages_max = page_count(sqlite.path)
    await sqlite.restart()
    admitted, _ = await hold_until_it_fails(sqlite.ledger)
    faults.pages_max = None
    await hold(sqlite.ledger, 1)
    assert (await sqlite.ledger.all_balances())[0].reserved == admitted + 1


async def test_a_ledger_that_cannot_be_written_still_answers_questions(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    faults.is_read_only = True
    await sqlite.restart()
    with pytest.raises(LedgerUnavailable, match=r"cannot be written.*SQLITE_READONLY"):
        await hold(sqlite.ledger, 1)
    assert (await sqlite.ledger.all_balances())[0].remaining == 100
    with pytest.raises(LedgerUnavailable):
        await hold(sqlite.ledger, 1)
    faults.is_read_only = False
    await hold(sqlite.ledger, 1)


async def test_a_damaged_file_is_found_and_named(sqlite: SqliteHarness) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    await spend(sqlite.ledger, 1)
    await sqlite.close()
    damage(sqlite.path, "windows")
    ledger = open_file(sqlite.path)
    try:
        for attempt in (hold(ledger, 1), ledger.all_balances(), ledger.verify()):
            with pytest.raises(LedgerUnavailable, match=r"damaged.*restore a backup"):
                await attempt
    finally:
        await ledger.close()


def damage(path: Path, table: str) -> None:
    """Overwrite the page that a table starts with."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
    ).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x55" * 4096)


async def test_a_question_that_fails_says_so(sqlite: SqliteHarness, faults: Faults) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    faults.before = fail_on(["SELECT"])
    with pytest.raises(LedgerUnavailable, match="SQLITE_IOERR"):
        await sqlite.ledger.all_balances()
    faults.before = ignore
    assert len(await sqlite.ledger.all_balances()) == 1


async def test_a_file_that_is_gone_is_not_made_anew(sqlite: SqliteHarness) -> None:
    """An empty ledger would let everything through."""
    await declare(sqlite.ledger, line(DEV, 100))
    sqlite.path.unlink()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"moved, removed or replaced: put it back"):
            await hold(sqlite.ledger, 1)
    assert not sqlite.path.exists()


async def test_a_file_that_was_moved_away_is_waited_for(sqlite: SqliteHarness) -> None:
    """What is written to it in the meantime would be in no ledger that anybody opens."""
    await declare(sqlite.ledger, line(DEV, 100))
    await hold(sqlite.ledger, 1)
    away = sqlite.path.rename(sqlite.path.with_name("away.db"))
    with pytest.raises(LedgerUnavailable):
        await hold(sqlite.ledger, 2)
    away.rename(sqlite.path)
    await hold(sqlite.ledger, 4)
    assert (await sqlite.ledger.all_balances())[0].reserved == 1 + 4
    assert (await sqlite.ledger.verify()).differences == ()


async def test_a_file_in_the_place_of_another_is_not_touched(sqlite: SqliteHarness) -> None:
    """The log of the one would spoil the other; the next start takes what is there."""
    await declare(sqlite.ledger, line(DEV, 100))
    backup = sqlite.path.with_name("backup.db")
    connection = sqlite3.connect(sqlite.path)
    connection.execute("VACUUM INTO ?", (str(backup),))
    connection.close()
    before = backup.read_bytes()
    backup.replace(sqlite.path)
    for attempt in (hold(sqlite.ledger, 1), sqlite.ledger.all_balances()):
        with pytest.raises(LedgerUnavailable, match="or restart with the one that is there"):
            await attempt
    assert sqlite.path.read_bytes() == before


async def test_a_broken_rule_is_stopped_by_the_tables(sqlite: SqliteHarness) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    reservation_id = await hold(sqlite.ledger, 10)
    with sqlite3.connect(sqlite.path, isolation_level=None) as tampered:
        tampered.execute("UPDATE reservations SET tenant = 'x', number = 9")
        tampered.execute(
            "INSERT INTO journal VALUES ('x', 1, 0, 'fund', NULL, '', '', '', '', '[]')"
        )
        tampered.execute(
            "CREATE TRIGGER late AFTER UPDATE ON reservations BEGIN "
            "UPDATE windows SET spent = -1; END"
        )
    with pytest.raises(LedgerUnavailable, match=r"its own books.*verify"):
        await sqlite.ledger.release(reservation_id, key="give back")


async def test_a_caller_that_asks_nonsense_harms_nobody_else(sqlite: SqliteHarness) -> None:
    """Even what only a bug could ask: the others of its tick are served."""
    await declare(sqlite.ledger, line(DEV, 100))
    good = sqlite.ledger.reserve(ask(1))
    request: ReserveRequest = ask(1, metadata={"key": object()})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        await sqlite.ledger.reserve(request)
    assert (await good).amounts[USD] == 1


async def test_a_closed_ledger_says_so(sqlite: SqliteHarness) -> None:
    await sqlite.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await sqlite.ledger.reserve(ask(1))


# When it is opened


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="check that its directory exists"):
        open_file(tmp_path / "nowhere" / "ledger.db")


def test_a_command_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="`spendgate serve` makes it"):
        open_file(tmp_path / "ledger.db", serves=False)
    assert list(tmp_path.iterdir()) == []


def test_a_text_file_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("budgets: []\n" * 100)
    with pytest.raises(LedgerUnavailable, match="not a ledger: name another one"):
        open_file(path)
    assert path.read_text().startswith("budgets")


@pytest.mark.parametrize("user_version", [0, 1, 3])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, user_version: int) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE recipes (name TEXT)")
    theirs.execute(f"PRAGMA user_version = {user_version}")
    theirs.close()
    with pytest.raises(LedgerUnavailable, match="another program's database"):
        open_file(path)


async def test_a_newer_ledger_is_refused(sqlite: SqliteHarness) -> None:
    await sqlite.close()
    newer = sqlite3.connect(sqlite.path)
    newer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    newer.close()
    with pytest.raises(LedgerUnavailable, match="newer version of the program"):
        open_file(sqlite.path)


async def test_a_ledger_that_could_not_be_opened_can_be_once_that_is_mended(
    sqlite: SqliteHarness,
) -> None:
    """Its lock was given back."""
    await sqlite.close()
    kept = sqlite.path.read_bytes()
    sqlite.path.write_text("not a ledger" * 100)
    with pytest.raises(LedgerUnavailable):
        open_file(sqlite.path)
    sqlite.path.write_bytes(kept)
    await open_file(sqlite.path).close()


def test_a_place_without_a_write_ahead_log_is_named(tmp_path: Path) -> None:
    def connect_to_memory(path: Path, create: bool) -> sqlite3.Connection:
        return sqlite3.connect(":memory:", isolation_level=None)

    with pytest.raises(LedgerUnavailable, match=r"journal mode memory.*local disk"):
        open_file(tmp_path / "ledger.db", connect=connect_to_memory)


def test_two_processes_that_start_at_once_make_the_tables_once(tmp_path: Path) -> None:
    """The second one finds the file empty, waits for nothing, and finds the tables there."""
    path = tmp_path / "ledger.db"
    raced: list[LedgerError] = []

    class Racing(sqlite3.Connection):
        def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE" and not raced:
                raced.append(LedgerUnavailable())
                open_file(path, serves=False)._file.drop()
            return super().execute(sql)

    def connect_slowly(path: Path, create: bool) -> sqlite3.Connection:
        return connect(path, create, factory=Racing)

    open_file(path, connect=connect_slowly)._file.drop()
    assert len(raced) == 1


def test_an_error_without_a_code_is_still_told() -> None:
    assert str(failures.unavailable(sqlite3.Error("strange"))) == "the ledger failed (Error)"
