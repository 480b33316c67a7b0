"""How the file is opened. Nothing here waits: whoever finds it locked tries again later."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite.file import schema
from proxy.ledger.sqlite.file.failures import unavailable

Connect = Callable[[Path, bool], sqlite3.Connection]
"""Opens a file; the flag says whether it may be created."""

Durability = Literal["process", "power"]
"""What a commit survives: the end of the process, or that of the machine as well."""

_CACHED_STATEMENTS: Final = 256
"""More than there are different statements, so that each is compiled once."""

_CACHE_KIB: Final = 8_192
"""The newest rows and the upper index pages of some 10**6 reservations."""


def connect(
    path: Path, create: bool, *, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """A connection in autocommit mode that never waits for a lock.

    One thread may open it and another use it, not both at once.
    """
    if create:
        _create_private(path)
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=0,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
        factory=factory,
    )


def _create_private(path: Path) -> None:
    """Make an empty file for its owner alone; SQLite gives its log and index the same mode.

    Where one stands already it stays as it is. What hinders us hinders SQLite as well,
    and its error says what to do.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


class LedgerFile:
    """One file with our tables, and one connection to it. Each thread has its own of these.

    With `process` a commit reaches the operating system, and a checkpoint the disk: a power
    cut takes the last commits, each of them whole, and leaves the ledger as it stood before
    them. With `power` a commit returns when it is on the disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        named: Path | None = None,
        create: bool,
        durability: Durability = "process",
        connect: Connect = connect,
    ) -> None:
        """Open the file. `named`: how people name it; a link has to lead to it all the time.

        Raises:
            LedgerUnavailable: it cannot be opened, or is not ours to write.
        """
        named = named or path
        if not create and not path.exists():
            raise LedgerUnavailable(f"there is no ledger at {named}: `spendgate serve` makes it")
        self.path = path
        self._named = named.absolute()
        self.durability = durability
        self._connect = connect
        self._connection: sqlite3.Connection | None = self._open(create=create)
        self._identity = self._find()

    def connection(self) -> sqlite3.Connection:
        """The connection; a new one after a failure, and never to another file.

        Nobody would find again what is written to a file that was moved away or removed, and
        its log would spoil the one in its place.
        Source: https://www.sqlite.org/howtocorrupt.html, "Unlinking or renaming".

        Raises:
            LedgerUnavailable: as when the file was first opened, or it is not there any more.
        """
        if self._find() != self._identity:
            raise LedgerUnavailable(
                "the file of the ledger was moved, removed or replaced: put it back, "
                "or restart with the one that is there"
            )
        if self._connection is None:
            self._connection = self._open(create=False)
        return self._connection

    def beside(self) -> "LedgerFile":
        """The same file with a connection of its own, opened when it is asked for."""
        other = copy(self)
        other._connection = None
        return other

    def drop(self) -> None:
        """Close the connection, and with it the transaction that it may be in."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _find(self) -> tuple[int, int] | None:
        """Which file stands at the path, by device and number."""
        try:
            found = os.stat(self.path)
            if self._named != self.path and not os.path.samestat(found, os.stat(self._named)):
                return None
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self, *, create: bool) -> sqlite3.Connection:
        try:
            connection = self._connect(self.path, create)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        try:
            _set_up(connection, self.durability)
            schema.prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise unavailable(error) from error
        except LedgerUnavailable:
            connection.close()
            raise
        return connection


def _set_up(connection: sqlite3.Connection, durability: Durability) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerUnavailable(
            f"the ledger cannot keep a write-ahead log there (journal mode {mode}): "
            "put its file on a local disk"
        )
    if durability == "power":
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # or macOS only tells the disk to begin
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
    else:
        connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
