"""How far a log has got is read off its pages: the size of its file says nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.ledger.sqlite.file.log import is_longer, log_path


@pytest.fixture(params=[512, 4096, 65536])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A file with a log that nobody checkpoints by himself; pages of this size."""
    connection = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    with closing(connection):
        connection.execute(f"PRAGMA page_size = {request.param}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE t (x)")
        yield connection


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where its log is."""
    return log_path(tmp_path / "ledger.db")


def length_bytes(connection: sqlite3.Connection) -> int:
    """The log's length, as SQLite counts it."""
    _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return 32 + int(frames) * (24 + int(page_bytes))


def write(connection: sqlite3.Connection, size_bytes: int) -> None:
    connection.execute("INSERT INTO t VALUES (zeroblob(?))", (size_bytes,))


def test_a_log_is_longer_than_all_that_it_has_passed(
    connection: sqlite3.Connection, log: Path
) -> None:
    write(connection, 300_000)
    size_bytes = log.stat().st_size
    assert size_bytes == length_bytes(connection)
    assert is_longer(log, 0)
    assert is_longer(log, size_bytes - 33)
    assert not is_longer(log, size_bytes - 32)
    assert not is_longer(log, 10 * size_bytes)


def test_old_pages_behind_a_log_that_started_over_do_not_count(
    connection: sqlite3.Connection, log: Path
) -> None:
    write(connection, 600_000)
    before_bytes = log.stat().st_size
    length_bytes(connection)
    write(connection, 1)
    assert log.stat().st_size == before_bytes, "its file is as long as before"
    now_bytes = length_bytes(connection)
    assert now_bytes < before_bytes // 2
    assert is_longer(log, 0)
    assert not is_longer(log, now_bytes)
    assert not is_longer(log, before_bytes // 2)


def test_a_log_that_is_missing_or_empty_is_short(tmp_path: Path) -> None:
    assert not is_longer(tmp_path / "none", 0)
    (tmp_path / "empty").touch()
    assert not is_longer(tmp_path / "empty", 0)
