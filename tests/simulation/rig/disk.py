"""The file of the ledger, and the troubles that its statements meet.

A process that dies leaves what its files hold at that moment: the next one opens a copy of
them, so nothing that the dead one still does can reach it.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import count
from pathlib import Path
from shutil import copytree
from typing import Any, TypeVar

from proxy.ledger.sqlite.file.connection import connect
from tests.ledger.harness import copy_ledger
from tests.simulation.rig.virtual import Killed, VirtualTime

Result = TypeVar("Result")


class Trouble(StrEnum):
    """What can become of a statement."""

    FAILS = "fails"
    """It is not carried out, and says so."""
    LOSES_ITS_REPLY = "loses its reply"
    """It is carried out, and reports an error."""
    KILLS_BEFORE = "kills before"
    """The process dies, and it is not carried out."""
    KILLS_AFTER = "kills after"
    """It is carried out, and then the process dies."""


class Disk:
    """The files of one ledger through all its processes."""

    def __init__(self, directory: Path, time: VirtualTime) -> None:
        self._directory = directory
        self._time = time
        self._numbers = count(1)
        self._trouble: Trouble | None = None
        self._trouble_in = 0
        self.path = self._next_path()
        self.outbox = self.path.with_suffix(".d")
        self._out_until_s = 0.0
        self._writes_left: int | None = None
        self._permille = 0
        self._write_kills = False
        self.writes = 0
        """How many there were into files of the outbox so far."""
        self.statements = 0
        """How many the processes have asked for so far."""

    def crash(self) -> None:
        """Go on with a copy of what a killed process left."""
        left, self.path = self.path, self._next_path()
        if left.exists():
            copy_ledger(left, self.path)
        kept, self.outbox = self.outbox, self.path.with_suffix(".d")
        if kept.exists():
            copytree(kept, self.outbox)

    def trouble_in(self, statements: int, trouble: Trouble) -> None:
        """This befalls the statement after so many others."""
        self._trouble, self._trouble_in = trouble, statements

    def fail_for(self, duration_ms: int) -> None:
        """Every statement fails for so long."""
        self._out_until_s = self._time.elapsed_s + duration_ms / 1000

    def heal(self) -> None:
        """No troubles any more."""
        self._trouble = None
        self._out_until_s = 0.0

    def connect(self, path: Path, create: bool) -> sqlite3.Connection:
        """As the ledger does it itself, but watched."""
        connection = connect(path, create, factory=_Watched)
        assert isinstance(connection, _Watched)
        connection.disk = self
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection beside all others: it sees what is committed, and nothing else."""
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    def run(self, statement: Callable[[], Result]) -> Result:
        """Carry a statement out, or not."""
        self.statements += 1
        trouble = self._due()
        if trouble is Trouble.KILLS_BEFORE:
            raise Killed
        if trouble is Trouble.FAILS:
            raise _failure()
        result = statement()
        if trouble is Trouble.KILLS_AFTER:
            raise Killed
        if trouble is Trouble.LOSES_ITS_REPLY:
            raise _failure()
        return result

    def break_write(self, after: int, permille: int, *, kills: bool) -> None:
        """The write after so many others ends after so much of it: a crash, or a full disk."""
        self._writes_left, self._permille, self._write_kills = after, permille, kills

    def write(self, descriptor: int, data: bytes) -> None:
        """Write into a file of the outbox."""
        self.writes += 1
        if self._writes_left != 0:
            if self._writes_left is not None:
                self._writes_left -= 1
            os.write(descriptor, data)
            return
        self._writes_left = None
        os.write(descriptor, data[: len(data) * self._permille // 1000])
        if self._write_kills:
            raise Killed
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _due(self) -> Trouble | None:
        if self._time.elapsed_s < self._out_until_s:
            return Trouble.FAILS
        if self._trouble is None:
            return None
        if self._trouble_in:
            self._trouble_in -= 1
            return None
        trouble, self._trouble = self._trouble, None
        return trouble

    def _next_path(self) -> Path:
        return self._directory / f"ledger-{next(self._numbers)}.db"


class _Watched(sqlite3.Connection):
    disk: Disk

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        statement = super().execute
        return self.disk.run(lambda: statement(sql, parameters))

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        statement = super().executemany
        return self.disk.run(lambda: statement(sql, parameters))


def _failure() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    error.sqlite_errorname = "SQLITE_IOERR"
    return error
