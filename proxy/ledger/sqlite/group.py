"""One transaction for all that is asked in one tick of the loop.

    submit ─▶ waiting ─▶ (next tick) BEGIN · each operation, whole or not · COMMIT ─▶ answers

No answer leaves before COMMIT returned. While another connection holds the lock the loop
goes on, and the same operations are tried again a little later.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite import clock as ledger_clock
from proxy.ledger.sqlite.file.checkpoint import Checkpointer
from proxy.ledger.sqlite.file.connection import LedgerFile
from proxy.ledger.sqlite.file.failures import is_busy, unavailable
from proxy.ledger.sqlite.operations.sweep import renew_leases
from proxy.ledger.sqlite.transaction import Transaction

_T = TypeVar("_T")

_OPERATIONS_MAX: Final = 128
"""How many operations share a transaction: beyond, the loop serves others in between."""

_LOCK_RETRY_S: Final = 0.005
_LOCK_WAIT_MAX_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: Callable[[Transaction], object]
    future: "asyncio.Future[Any]"


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class Group:
    """Runs operations on one file, in the order they were asked.

    An operation whose caller was cancelled before its tick does not happen. `on_leap` is
    told by how many milliseconds the clock has leaped.
    """

    def __init__(self, file: LedgerFile, clock: Clock, on_leap: Callable[[int], None]) -> None:
        self._file = file
        self._clock = clock
        self._on_leap = on_leap
        self._checkpointer = Checkpointer(file, on_done=self._schedule)
        self._waiting: list[_Asked] = []
        self._timer: asyncio.Handle | None = None
        self._locked_since_ns: int | None = None
        self._is_closed = False

    def submit(self, operation: Callable[[Transaction], _T]) -> "asyncio.Future[_T]":
        """Run the operation in this tick's transaction.

        The answer raises what the operation raised, or LedgerUnavailable: then nothing of
        it was written, or nobody can tell.
        """
        if self._is_closed:
            raise LedgerUnavailable("the ledger is closed")
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(operation, future))
        self._schedule()
        return future

    async def close(self) -> None:
        """Finish what was asked, and ask no more."""
        self._is_closed = True
        while open_ones := [asked.future for asked in self._waiting if not asked.future.done()]:
            await asyncio.wait(open_ones)
        await self._checkpointer.close()
        self._file.drop()

    def _schedule(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._timer = None
        if self._checkpointer.blocks_writers:
            return  # it schedules the next run when it is done
        self._waiting = [asked for asked in self._waiting if not asked.future.done()]
        connection = self._begin() if self._waiting else None
        if connection is None:
            return
        batch, self._waiting = self._waiting[:_OPERATIONS_MAX], self._waiting[_OPERATIONS_MAX:]
        _answer(batch, self._transact(connection, batch))
        self._schedule()

    def _begin(self) -> sqlite3.Connection | None:
        """The connection, inside a transaction; None when that has to wait, or failed."""
        try:
            connection = self._file.connection()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if is_busy(error) and self._may_wait():
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(_LOCK_RETRY_S, self._run)
                return None
            self._fail_waiting(unavailable(error))
        except LedgerUnavailable as failure:
            self._fail_waiting(failure)
        else:
            self._locked_since_ns = None
            return connection
        return None

    def _may_wait(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if self._locked_since_ns is None:
            self._locked_since_ns = now_ns
        return now_ns - self._locked_since_ns < _LOCK_WAIT_MAX_NS

    def _fail_waiting(self, failure: LedgerUnavailable) -> None:
        self._file.drop()
        self._locked_since_ns = None
        batch, self._waiting = self._waiting, []
        _answer(batch, [_Failed(LedgerUnavailable(failure.why)) for _ in batch])

    def _transact(self, connection: sqlite3.Connection, batch: list[_Asked]) -> list[object]:
        """What becomes of each operation, once the transaction has been committed."""
        try:
            moment = ledger_clock.record(connection, self._clock.now_ms())
            transaction = Transaction(connection, moment.now_ms)
            if moment.leap_ms:
                renew_leases(transaction)
            outcomes = [_attempt(transaction, asked.operation) for asked in batch]
            transaction.flush()
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._file.drop()
            return [_Failed(unavailable(error)) for _ in batch]
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            self._file.drop()
            return [_Failed(error) for _ in batch]
        if moment.leap_ms:
            # On its own: whoever is told may fail, and what was written stands.
            asyncio.get_running_loop().call_soon(self._on_leap, moment.leap_ms)
        self._checkpointer.after_commit()
        return outcomes


def _attempt(transaction: Transaction, operation: Callable[[Transaction], object]) -> object:
    """Run one operation. If it fails, the others of its tick stand."""
    mark = transaction.begin_operation()
    try:
        outcome = operation(transaction)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - it goes to whoever asked
        transaction.undo_operation(mark)
        return _Failed(error)
    transaction.end_operation()
    return outcome


def _answer(batch: list[_Asked], outcomes: list[object]) -> None:
    for asked, outcome in zip(batch, outcomes, strict=True):
        if asked.future.done():
            continue
        if isinstance(outcome, _Failed):
            asked.future.set_exception(outcome.error)
        else:
            asked.future.set_result(outcome)
