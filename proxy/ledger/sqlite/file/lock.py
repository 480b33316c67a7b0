"""One `serve` for each file. Commands open the same file without this lock."""

import fcntl
import os
from pathlib import Path

from proxy.domain.errors import LedgerUnavailable


class ServeLock:
    """A lock that the kernel drops when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock of the ledger at `path`.

        Raises:
            LedgerUnavailable: another process has it, or the directory cannot be written.
        """
        lock_path = path.with_name(f"{path.name}.lock")
        try:
            self._descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerUnavailable(
                f"the lock beside the ledger cannot be opened ({error.strerror}): "
                "check that its directory exists and is writable"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise LedgerUnavailable(
                "another process serves from this ledger: a SQLite file has one server, "
                "and processes that share budgets must use Redis or Valkey"
            ) from None

    def release(self) -> None:
        """Let another process serve. The file of the lock stays: removing it would race."""
        os.close(self._descriptor)
