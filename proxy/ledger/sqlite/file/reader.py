"""Questions of any length, asked beside the loop and beside whoever writes."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite.file.connection import LedgerFile
from proxy.ledger.sqlite.file.failures import unavailable
from proxy.ledger.sqlite.file.thread import OneThread

_T = TypeVar("_T")


class Reader:
    """Answers from what is committed, in a thread, one question after another.

    A question blocks no writer and waits for none, and sees one moment of the ledger. While
    it runs the log cannot start over, so it grows.
    Source: https://www.sqlite.org/wal.html, "Concurrency".
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file.beside()
        self._thread = OneThread("ledger reader")
        self._is_closed = False

    def ask(self, question: Callable[[sqlite3.Connection], _T]) -> "asyncio.Future[_T]":
        """What the question makes of the connection, or the error that it raises.

        Raises:
            LedgerUnavailable: the file cannot be read, or the ledger is closed.
        """
        if self._is_closed:
            raise LedgerUnavailable("the ledger is closed")
        return self._thread.start(partial(self._find, question))

    async def close(self) -> None:
        """Answer what was asked, and nothing more."""
        if not self._is_closed:
            self._is_closed = True
            await self._thread.start(self._file.drop)
            self._thread.close()

    def _find(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            connection = self._file.connection()
            connection.execute("BEGIN")
            try:
                return question(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._file.drop()
            raise unavailable(error) from error
