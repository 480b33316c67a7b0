"""What SQLite's errors mean for whoever runs the ledger, and what to do about each.

Source: https://www.sqlite.org/rescode.html.
"""

import sqlite3
from typing import Final

from proxy.domain.errors import LedgerUnavailable

_PRIMARY_CODE_MASK: Final = 0xFF

_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "the disk of the ledger is full: free some space, no restart is needed",
    sqlite3.SQLITE_READONLY: (
        "the ledger cannot be written: make its file and its directory writable"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file of the ledger cannot be opened: check that its directory exists and is writable"
    ),
    sqlite3.SQLITE_PERM: "the ledger may not be opened: check who owns its file",
    sqlite3.SQLITE_BUSY: "another program keeps the ledger locked: end it, or wait for it",
    sqlite3.SQLITE_LOCKED: "another program keeps the ledger locked: end it, or wait for it",
    sqlite3.SQLITE_IOERR: "the disk of the ledger reports errors: check the disk, then retry",
    sqlite3.SQLITE_CORRUPT: (
        "the file of the ledger is damaged: stop, keep a copy of it, and restore a backup"
    ),
    sqlite3.SQLITE_NOTADB: "the file is not a ledger: name another one",
    sqlite3.SQLITE_CONSTRAINT: (
        "the ledger refused a change that would break its own books: run `spendgate verify`"
    ),
}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock, so that waiting helps."""
    return _primary_code(error) == sqlite3.SQLITE_BUSY


def unavailable(error: sqlite3.Error) -> LedgerUnavailable:
    """The error as callers of a ledger know it, with a sentence that says what to do."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    advice = _ADVICE.get(_primary_code(error), "the ledger failed")
    return LedgerUnavailable(f"{advice} ({name})")


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY_CODE_MASK
