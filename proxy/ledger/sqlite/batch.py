"""One transaction for several operations: BEGIN · each of them, whole or not · COMMIT."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite import clock as ledger_clock
from proxy.ledger.sqlite.file.connection import LedgerFile
from proxy.ledger.sqlite.file.failures import is_busy, unavailable
from proxy.ledger.sqlite.operations.sweep import renew_leases
from proxy.ledger.sqlite.transaction import Transaction

Operation = Callable[[Transaction], object]


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation of which nothing stands, or nobody can tell."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of each operation. `leap_ms` is 0, or how far the clock has leaped."""

    outcomes: Sequence[object]
    leap_ms: int = 0


@dataclass(frozen=True, slots=True)
class NotBegun:
    """Nothing was done. While another connection holds the lock, waiting helps."""

    failure: LedgerUnavailable
    is_locked: bool = False


def run(file: LedgerFile, clock: Clock, operations: Sequence[Operation]) -> Ended | NotBegun:
    """Run the operations in one transaction. Every failure is an answer, none is raised."""
    try:
        connection = file.connection()
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        if is_busy(error):
            return NotBegun(unavailable(error), is_locked=True)
        file.drop()
        return NotBegun(unavailable(error))
    except LedgerUnavailable as failure:
        file.drop()
        return NotBegun(failure)
    try:
        return _transact(connection, clock, operations)
    except sqlite3.Error as error:
        file.drop()
        return Ended([Failed(unavailable(error)) for _ in operations])
    except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
        file.drop()
        return Ended([Failed(error) for _ in operations])


def _transact(
    connection: sqlite3.Connection, clock: Clock, operations: Sequence[Operation]
) -> Ended:
    moment = ledger_clock.record(connection, clock.now_ms())
    transaction = Transaction(connection, moment.now_ms)
    if moment.leap_ms:
        renew_leases(transaction)
    outcomes = [_attempt(transaction, operation) for operation in operations]
    transaction.flush()
    connection.execute("COMMIT")
    return Ended(outcomes, moment.leap_ms)


def _attempt(transaction: Transaction, operation: Operation) -> object:
    """Run one operation. If it fails, the others stand."""
    mark = transaction.begin_operation()
    try:
        outcome = operation(transaction)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - it goes to whoever asked
        transaction.undo_operation(mark)
        return Failed(error)
    transaction.end_operation()
    return outcome
