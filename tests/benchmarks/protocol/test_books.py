import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.app import new_reservation_id
from proxy.domain.clock import SystemClock
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.ledger import pair
from tests.benchmarks.protocol.books import Expected, check_books
from tests.benchmarks.protocol.requests import Operation, actual_of, estimate_of

RIGHT = Expected(holds=2, reserved=61_500, spent=41_300)
"""Of two holds, one of which is committed."""


async def _serve(path: Path) -> None:
    ledger = SqliteLedger.open(path, clock=SystemClock(), new_id=new_reservation_id)
    await pair.declare(ledger)
    await pair.reserve(ledger, 1)
    await pair.commit(ledger, (await pair.reserve(ledger, 2)).reservation_id)
    await ledger.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    asyncio.run(_serve(path))
    return path


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def test_books_that_are_right_are_right(file: Path) -> None:
    check_books(url_of(file), RIGHT)


@pytest.mark.parametrize(
    "expected",
    [replace(RIGHT, holds=3), replace(RIGHT, reserved=61_501), replace(RIGHT, spent=41_299)],
    ids=["hold", "reserved", "spent"],
)
def test_a_ledger_that_is_one_off_is_a_mismatch(file: Path, expected: Expected) -> None:
    with pytest.raises(CannotMeasure, match=r"LEDGER MISMATCH: .* of "):
        check_books(url_of(file), expected)


def test_a_balance_that_is_not_that_of_its_rows_is_a_mismatch(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE windows SET reserved = reserved + 1, spent = spent - 1")
        connection.commit()
    with pytest.raises(CannotMeasure, match=r"LEDGER MISMATCH: .*recomputed"):
        check_books(url_of(file), Expected(2, 61_501, 41_299))


def test_a_budget_that_is_not_there_is_a_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    asyncio.run(SqliteLedger.open(path, clock=SystemClock(), new_id=new_reservation_id).close())
    with pytest.raises(CannotMeasure, match="LEDGER MISMATCH: 0 budgets, of 6"):
        check_books(url_of(path), Expected())


def test_books_that_are_not_there_are_no_right_books(tmp_path: Path) -> None:
    with pytest.raises(CannotMeasure, match="the books cannot be read"):
        check_books(url_of(tmp_path / "nowhere.db"), Expected())


def test_what_is_expected_is_the_sum_of_what_was_asked() -> None:
    expected = Expected()
    expected.add(Operation.DECIDE, 5)
    assert expected == Expected()
    expected.add(Operation.RESERVE, 2)
    held = estimate_of(1) + estimate_of(2)
    assert expected == Expected(2, held, 0)
    expected.add(Operation.RESERVE, 1)
    assert expected == Expected(3, held + estimate_of(1), 0)
    expected.add(Operation.COMMIT, 3)
    assert expected == Expected(3, 0, sum(map(actual_of, (1, 2, 3))))
