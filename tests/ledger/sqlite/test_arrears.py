"""What a hold in several units owes is kept, and looked for, by unit."""

import sqlite3

from tests.ledger.builders import BOT, DEV, TOKENS, USD, commit, declare, hold, line
from tests.ledger.harness import SqliteHarness


async def test_only_windows_that_owe_are_looked_at_again(sqlite: SqliteHarness) -> None:
    """One operation looks at so many holds: those that owe nothing must not take their place."""
    await declare(sqlite.ledger, line(DEV, 50), line(BOT, 50), line(DEV, 50, unit=TOKENS))
    reservation_id = await hold(sqlite.ledger, {USD: 10, TOKENS: 10})
    await commit(sqlite.ledger, reservation_id, {USD: 60, TOKENS: 7})
    with sqlite3.connect(sqlite.path) as connection:
        owing = connection.execute("SELECT window_id, number FROM arrears").fetchall()
    assert owing == [(1, 1), (2, 1)]
