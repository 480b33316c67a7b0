"""Connections that fail on demand, and a look at what a crash would leave."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from proxy.ledger.sqlite.file.connection import Connect, connect

Hook = Callable[[str], None]
Watch = Callable[[sqlite3.Connection, str], None]

PATIENCE_S = 20
"""For what another thread does: it is over in a moment, unless something is broken."""


def ignore(statement: str) -> None:
    """Nothing happens."""


class Faults:
    """What happens around each statement, on every connection opened through `connect`.

    `before` and `after` are called with the text of the statement and may raise. What was
    `asked` stands in `statements` once `before` let it through. `watch` sees the connection.
    """

    def __init__(self) -> None:
        self.before: Hook = ignore
        self.after: Hook = ignore
        self.watch: Watch = lambda connection, statement: None
        self.pages_max: int | None = None
        self.is_read_only = False
        self.asked: list[str] = []
        self.statements: list[str] = []

    @property
    def connect(self) -> Connect:
        """Opens connections that go through these faults."""
        return self._connect

    def _connect(self, path: Path, create: bool) -> sqlite3.Connection:
        faults = self

        class Connection(sqlite3.Connection):
            """Calls the hooks."""

            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                faults.watch(self, sql)
                return faults.around(sql, partial(super().execute, sql, parameters))

            def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
                return faults.around(sql, partial(super().executemany, sql, parameters))

        connection = connect(path, create, factory=Connection)
        if self.pages_max is not None:
            sqlite3.Connection.execute(connection, f"PRAGMA max_page_count = {self.pages_max}")
        if self.is_read_only:
            sqlite3.Connection.execute(connection, "PRAGMA query_only = ON")
        return connection

    def around(self, sql: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        self.asked.append(sql)
        self.before(sql)
        self.statements.append(sql)
        cursor = run()
        self.after(sql)
        return cursor


def io_error() -> sqlite3.OperationalError:
    """As SQLite reports a disk that fails."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    error.sqlite_errorname = "SQLITE_IOERR"
    return error


def fail_at(number: int) -> Hook:
    """Fail at the statement of this number, counted from now; once."""
    left = [number]

    def hook(statement: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise io_error()

    return hook


def fail_on(words: Sequence[str]) -> Hook:
    """Fail at every statement that starts with one of these."""

    def hook(statement: str) -> None:
        if statement.startswith(tuple(words)):
            raise io_error()

    return hook


def fail_only_on(statement: str) -> Hook:
    """Fail at this very statement, each time."""

    def hook(asked: str) -> None:
        if asked == statement:
            raise io_error()

    return hook


class Halt:
    """A hook that holds a thread beside the loop's at a statement, until it may go on."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._has_come, self._may_go_on = threading.Event(), threading.Event()

    def __call__(self, statement: str) -> None:
        is_beside = threading.current_thread() is not threading.main_thread()
        if is_beside and statement == self._statement:
            self._has_come.set()
            assert self._may_go_on.wait(PATIENCE_S)

    async def has_come(self) -> None:
        """Wait until the thread is held."""
        assert await asyncio.to_thread(self._has_come.wait, PATIENCE_S)

    def go_on(self) -> None:
        """Hold nobody any more."""
        self._may_go_on.set()
