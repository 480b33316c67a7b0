"""Keeps the write-ahead log short, from a thread, so that the loop never waits for the disk.

    the log is long ─▶ copy ─▶ (writers wait) copy the rest · start over ─▶ (writers go on)

Whoever writes first after the whole log was copied starts it over and flushes its new
header, lest a power cut bring back pages of the old log. So the thread copies the last of it
only while nobody else writes, and then writes first itself. Until then a reader of its own
keeps the log from being started over, however much of it has been copied.

Source: https://www.sqlite.org/wal.html, "Avoiding Excessively Large WAL Files";
https://sqlite.org/src/file/src/wal.c, walRestartLog and sqlite3WalFrames.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite.file import schema
from proxy.ledger.sqlite.file.connection import LedgerFile
from proxy.ledger.sqlite.file.log import is_longer, log_path
from proxy.ledger.sqlite.file.thread import OneThread

_COMMITS_PER_LOOK: Final = 16
_LONG_BYTES: Final = 16 * 2**20
"""Writers wait once in so many bytes: a few per cent of their time at full speed."""
_KEPT_BYTES: Final = 4 * _LONG_BYTES
"""What the log keeps of the disk: writing over old pages is cheaper than making new ones."""


class Checkpointer:
    """Checkpoints one file. `on_copied` is called on the loop: let writers pause soon."""

    def __init__(self, file: LedgerFile, on_copied: Callable[[], None]) -> None:
        self._log_path = log_path(file.path)
        self._on_copied = on_copied
        self._thread = OneThread("checkpoint")
        self._copier = file.beside()
        self._guard = file.beside()
        self._commits = 0
        self._limit_bytes = _LONG_BYTES
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.is_copied = False
        """Whether `finish` is to be called as soon as nobody writes."""

    def after_commit(self) -> None:
        """Look at the log now and then, and start a checkpoint when it is long."""
        self._commits += 1
        if self._commits % _COMMITS_PER_LOOK or not self._is_idle.is_set():
            return
        if is_longer(self._log_path, self._limit_bytes):
            self._is_idle.clear()
            self._thread.start(self._copy).add_done_callback(self._copied)

    def finish(self) -> "asyncio.Future[bool]":
        """Copy the rest and start the log over. Nobody may write until that is done."""
        self.is_copied = False
        running = self._thread.start(self._start_over)
        running.add_done_callback(self._finished)
        return running

    async def close(self) -> None:
        """Wait for the checkpoint that is running."""
        await self._is_idle.wait()
        self._thread.close()

    def _copied(self, done: "asyncio.Future[bool]") -> None:
        self.is_copied = done.result()
        if self.is_copied:
            self._on_copied()
        else:
            self._is_idle.set()

    def _finished(self, done: "asyncio.Future[bool]") -> None:
        # Somebody may read the log for long: it is no use to try all the time.
        self._limit_bytes = _LONG_BYTES if done.result() else self._limit_bytes + _LONG_BYTES
        self._is_idle.set()

    def _copy(self) -> bool:
        """Copy what stands in the log now, while writers go on. False if it failed."""
        try:
            guard = self._guard.connection()
            guard.execute("BEGIN")
            guard.execute("SELECT clock_ms FROM ledger").fetchone()
            self._copier.connection().execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, LedgerUnavailable):
            # The log only grows; the next transaction meets the same disk and says so.
            self._let_go()
            return False
        return True

    def _start_over(self) -> bool:
        """Copy the rest and write first. False if it failed, or somebody still reads the log."""
        try:
            guard = self._guard.connection()
            guard.execute("ROLLBACK")
            copier = self._copier.connection()
            is_read, *_ = copier.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if is_read:
                return False
            guard.execute(f"PRAGMA journal_size_limit = {_KEPT_BYTES}")
            # The number that stands there already: this writes a page all the same.
            guard.execute(f"PRAGMA user_version = {schema.VERSION}")
        except (sqlite3.Error, LedgerUnavailable):
            return False
        finally:
            self._let_go()
        return True

    def _let_go(self) -> None:
        self._guard.drop()
        self._copier.drop()
