"""What an operation changes stands whole or not at all, with a savepoint or without one."""

import sqlite3
from collections.abc import Iterator

import pytest

from proxy.ledger.sqlite.transaction import Transaction

NOTE = "INSERT INTO notes VALUES (?)"
NOTES = "SELECT text FROM notes"


@pytest.fixture
def statements() -> list[str]:
    """Every statement that the connection runs."""
    return []


@pytest.fixture
def connection(statements: list[str]) -> Iterator[sqlite3.Connection]:
    """An open transaction on a table of notes."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE notes (text TEXT NOT NULL)")
    connection.execute("BEGIN IMMEDIATE")
    connection.set_trace_callback(statements.append)
    yield connection
    connection.close()


@pytest.fixture
def transaction(connection: sqlite3.Connection) -> Transaction:
    return Transaction(connection, now_ms=1)


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute(NOTES)]


def test_last_changes_are_made_when_the_operation_ends(
    transaction: Transaction, connection: sqlite3.Connection
) -> None:
    transaction.begin_operation()
    transaction.execute_last(NOTE, ("last",))
    assert notes(connection) == []
    transaction.end_operation()
    assert notes(connection) == ["last"]


def test_an_operation_of_last_changes_needs_no_savepoint(
    transaction: Transaction, statements: list[str]
) -> None:
    transaction.begin_operation()
    transaction.read(NOTES).fetchone()
    transaction.execute_last(NOTE, ("last",))
    transaction.end_operation()
    assert [s for s in statements if "operation" in s] == []


def test_an_operation_that_fails_takes_back_what_it_changed_and_nothing_else(
    transaction: Transaction, connection: sqlite3.Connection
) -> None:
    transaction.begin_operation()
    transaction.execute(NOTE, ("of the first",))
    transaction.end_operation()
    mark = transaction.begin_operation()
    transaction.execute(NOTE, ("now",))
    transaction.execute_last(NOTE, ("last",))
    transaction.undo_operation(mark)
    transaction.begin_operation()
    transaction.end_operation()
    assert notes(connection) == ["of the first"]


def test_a_question_sees_the_last_changes_of_its_own_operation(
    transaction: Transaction,
) -> None:
    transaction.begin_operation()
    transaction.execute_last(NOTE, ("last",))
    assert transaction.read(NOTES).fetchall() == [("last",)]


def test_last_changes_that_a_question_brought_forward_are_taken_back_too(
    transaction: Transaction, connection: sqlite3.Connection
) -> None:
    mark = transaction.begin_operation()
    transaction.execute_last(NOTE, ("last",))
    transaction.read(NOTES)
    transaction.undo_operation(mark)
    assert notes(connection) == []


def test_changes_keep_their_order(transaction: Transaction, connection: sqlite3.Connection) -> None:
    transaction.begin_operation()
    transaction.execute_last(NOTE, ("first",))
    transaction.execute(NOTE, ("second",))
    transaction.execute_last(NOTE, ("third",))
    transaction.end_operation()
    assert notes(connection) == ["first", "second", "third"]


def test_who_only_looks_writes_nothing_and_keeps_nothing(
    transaction: Transaction, connection: sqlite3.Connection, statements: list[str]
) -> None:
    undone: list[str] = []

    def question() -> int:
        transaction.execute(NOTE, ("now",))
        transaction.execute_last(NOTE, ("last",))
        transaction.undoable(lambda: undone.append("first"))
        row = transaction.insert(NOTE, ("new",))
        transaction.undoable(lambda: undone.append("second"))
        return row

    transaction.begin_operation()
    transaction.undoable(lambda: undone.append("of the operation"))
    assert transaction.look(question) < 0, "no row has this number"
    assert undone == ["second", "first"]
    transaction.execute_last(NOTE, ("after it",))
    transaction.end_operation()
    assert notes(connection) == ["after it"]
    assert [s for s in statements if "operation" in s] == []


def test_a_look_that_fails_is_over(transaction: Transaction) -> None:
    def question() -> None:
        raise ValueError

    transaction.begin_operation()
    with pytest.raises(ValueError):  # noqa: PT011 - it is what the question raised
        transaction.look(question)
    transaction.execute(NOTE, ("written",))
    assert transaction.read(NOTES).fetchall() == [("written",)]
