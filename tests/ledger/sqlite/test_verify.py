"""What was done by hand, forgotten or doubled shows as a difference."""

import sqlite3

import pytest

from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period, Step
from proxy.ledger.records import FundOperation
from tests.ledger.builders import BOT, DEV, declare, fund, hold, line, spend
from tests.ledger.harness import HOUR_MS, SqliteHarness

WHERE = "tenant:dev USD_MICROCENTS lifetime from 1970-01-01T00:00:00Z"
HOURLY = Period(Step.ROLLING, rolling_ms=HOUR_MS)
ROLLING = "tenant:dev/agent:bot USD_MICROCENTS rolling:3600000 from 1970-01-01T00:00:00Z"


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
            "UPDATE reservations SET charged = replace(charged, '30', '29')",
            [(WHERE, "spent + debt, by the rows", 30, 29)],
        ),
        (
            "UPDATE reservations SET state = 'UNCERTAIN' WHERE state = 'ACTIVE'",
            [(WHERE, "uncertain, by the rows", 0, 20)],
        ),
        (
            "UPDATE windows SET carried = '-4' WHERE id = 1",
            [(WHERE, "spent + debt, by the rows", 30, 26)],
        ),
        (
            "UPDATE buckets SET spent = 29",
            [(ROLLING, "spent, by the buckets", 30, 29)],
        ),
        ("DELETE FROM journal WHERE seq = 3", [("journal of dev", "seq", 4, 3)]),
    ],
)
async def test_tampering_is_found(
    sqlite: SqliteHarness, tampering: str, found: list[tuple[str, str, int, int]]
) -> None:
    await declare(sqlite.ledger, line(DEV, 100), line(BOT, 100, period=HOURLY))
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


async def test_more_may_go_through_a_window_than_int64_holds(sqlite: SqliteHarness) -> None:
    """What operators forgive and what no longer counts adds up without end."""
    ledger = sqlite.ledger
    await declare(ledger, line(DEV, INT64_MAX), line(BOT, INT64_MAX, period=HOURLY))
    for _ in range(3):
        await spend(ledger, INT64_MAX)
        await fund(ledger, DEV, INT64_MAX, FundOperation.RESET_SPENT)
        sqlite.advance_ms(HOUR_MS + HOUR_MS // 2)
    audit = await ledger.verify()
    assert audit.differences == ()
    assert audit.charged == 3 * INT64_MAX
