"""Keeps the write-ahead log short, from a thread, so that no call waits for a disk flush.

A PASSIVE checkpoint never blocks a writer. But a log to which somebody always writes is
never started over, so past a second limit new transactions wait for the thread to finish;
the loop itself does not.

Source: https://www.sqlite.org/wal.html, "Avoiding Excessively Large WAL Files".
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from proxy.ledger.sqlite.file.connection import LedgerFile

_COMMITS_PER_LOOK: Final = 64
_LONG_BYTES: Final = 4 * 2**20
"""The size at which SQLite itself would checkpoint."""
_TOO_LONG_BYTES: Final = 16 * _LONG_BYTES


class Checkpointer:
    """Checkpoints one file. `on_done` is called on the loop after each one."""

    def __init__(self, file: LedgerFile, on_done: Callable[[], None]) -> None:
        self._file = file
        self._log_path = file.path.with_name(f"{file.path.name}-wal")
        self._on_done = on_done
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._commits = 0
        self._running: asyncio.Future[None] | None = None
        self.blocks_writers = False

    def after_commit(self) -> None:
        """Look at the log now and then, and start a checkpoint when it is long."""
        self._commits += 1
        if self._commits % _COMMITS_PER_LOOK:
            return
        log_bytes = self._log_bytes()
        self.blocks_writers = log_bytes >= _TOO_LONG_BYTES
        if log_bytes >= _LONG_BYTES and self._running is None:
            self._start()

    def _log_bytes(self) -> int:
        try:
            return self._log_path.stat().st_size
        except OSError:
            return 0

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._thread, self._checkpoint)
        self._running.add_done_callback(self._finish)

    def _checkpoint(self) -> None:
        try:
            connection = self._file.connect(self._file.path, False)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()
        except sqlite3.Error:
            # The log only grows; the next transaction meets the same disk and says so.
            return

    def _finish(self, done: asyncio.Future[None]) -> None:
        self._running = None
        self.blocks_writers = False
        self._on_done()

    async def close(self) -> None:
        """Wait for the checkpoint that is running."""
        if self._running is not None:
            await asyncio.wait({self._running})
        self._thread.shutdown()
