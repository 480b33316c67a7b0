"""What was done by hand, forgotten or doubled shows as a difference."""

import sqlite3

import pytest

from tests.ledger.builders import BOT, DEV, declare, hold, line, spend
from tests.ledger.harness import SqliteHarness

WHERE = "tenant:dev USD_MICROCENTS lifetime from 1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (
            "UPDATE windows SET spent = spent + 1 WHERE id = 1",
            [
                (WHERE, "spent + debt, by the rows", 31, 30),
                (WHERE, "spent, by the journal", 31, 30),
            ],
        ),
        (
            "UPDATE windows SET reserved = 21 WHERE id = 1",
            [(WHERE, "reserved, by the rows", 21, 20), (WHERE, "reserved, by the journal", 21, 20)],
        ),
        (
            "UPDATE windows SET allocated = 7 WHERE id = 1",
            [(WHERE, "allocated, by the journal", 7, 100)],
        ),
        (
            "UPDATE windows SET is_over_limit = 1 WHERE id = 1",
            [(WHERE, "over_limit, by the journal", 1, 0)],
        ),
        (
            "UPDATE reservations SET charged = 29 WHERE charged = 30",
            [(WHERE, "spent + debt, by the rows", 30, 29)],
        ),
        (
            "UPDATE reservations SET state = 'UNCERTAIN' WHERE state = 'ACTIVE'",
            [(WHERE, "uncertain, by the rows", 0, 20)],
        ),
        ("DELETE FROM journal WHERE seq = 3", [("journal of dev", "seq", 4, 3)]),
    ],
)
async def test_tampering_is_found(
    sqlite: SqliteHarness, tampering: str, found: list[tuple[str, str, int, int]]
) -> None:
    await declare(sqlite.ledger, line(DEV, 100), line(BOT, 100))
    await spend(sqlite.ledger, 30)
    await hold(sqlite.ledger, 20)
    assert (await sqlite.ledger.verify()).differences == ()
    with sqlite3.connect(sqlite.path) as connection:
        connection.execute(tampering)
    differences = (await sqlite.ledger.verify()).differences
    shown = [(d.where, d.what, d.recorded, d.recomputed) for d in differences]
    assert [row for row in shown if row in found] == found


async def test_a_check_blocks_no_writer(sqlite: SqliteHarness) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    await sqlite.ledger.verify()
    await hold(sqlite.ledger, 1)
    assert (await sqlite.ledger.verify()).reservations == 1
