"""What a call costs the ledger does not grow with what it has seen.

Operations are counted, not timed: a machine's speed wanders, its query plans do not.
"""

import sqlite3
from collections.abc import Mapping

from tests.ledger.builders import BOT, DEV, ask, balance_of, declare, line
from tests.ledger.harness import SqliteHarness
from tests.ledger.sqlite.faults import Faults

HISTORY = 100_000

FILL_RESERVATIONS = f"""
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {HISTORY})
INSERT INTO reservations (
    id, tenant, key, payload_hash, state, subject, unit, action_kind, action_name, windows,
    rung, amount, overage, on_expiry, dispatched, created_at_ms, ttl_ms, expires_at_ms,
    lapses_at_ms, extensions, metadata, granted, finalized_at_ms, settled_key, settled_hash,
    settled, charged, uncovered, estimated
)
SELECT 'old_' || x, 'dev', 'old ' || x, '', 'COMMITTED', '{{"tenant":"dev"}}',
    'USD_MICROCENTS', 'llm.completion', '', '[1]', 0, 5, 'ALLOW_IF_AVAILABLE', 'uncertain', 1,
    0, 60000, 60000, 60000, 0, '{{}}', '[5,60000,[]]', 1, 'k', '', '["COMMITTED",5,0,0,[]]', 5, 0, 0
FROM n
"""
FILL_JOURNAL = f"""
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {HISTORY}),
    last (seq) AS (SELECT max(seq) FROM journal)
INSERT INTO journal
SELECT 'dev', last.seq + 2 * x + half.y, 0, half.kind, 'old_' || x, half.postings, ''
FROM n, last, (
    SELECT -1 AS y, 'reserve' AS kind, '[[1,0,5,0,0,0,0,0]]' AS postings
    UNION ALL SELECT 0, 'commit', '[[1,0,-5,5,0,0,0,0]]'
) AS half
"""


async def statements_of_a_call(sqlite: SqliteHarness, faults: Faults) -> Mapping[str, list[str]]:
    ledger = sqlite.ledger
    spent: dict[str, list[str]] = {}

    def take(name: str) -> None:
        spent[name] = list(faults.statements)
        faults.statements.clear()

    faults.statements.clear()
    grant = await ledger.reserve(ask(5))
    take("reserve")
    await ledger.dispatch(grant.reservation_id)
    take("dispatch")
    await ledger.grow(grant.reservation_id, by=1, key="more")
    take("grow")
    await ledger.extend(grant.reservation_id, by_ms=1, key="longer")
    take("extend")
    await ledger.commit(grant.reservation_id, actual=5, key="end", payload_hash="")
    take("commit")
    await ledger.expire(limit=100)
    take("expire")
    await ledger.balances([DEV, BOT], ask(1).unit)
    take("balances")
    return spent


async def test_a_call_takes_as_many_statements_after_100_000_others(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    """inferrail took 104 ms for a reserve after 5,000 receipts."""
    await declare(sqlite.ledger, line(DEV, 10**9), line(BOT, 10**9))
    await statements_of_a_call(sqlite, faults)
    fresh = await statements_of_a_call(sqlite, faults)
    with sqlite3.connect(sqlite.path) as connection:
        connection.execute(FILL_JOURNAL)
        connection.execute(FILL_RESERVATIONS)
        connection.execute("UPDATE windows SET spent = spent + 5 * ? WHERE id = 1", (HISTORY,))
    old = await statements_of_a_call(sqlite, faults)
    assert old == fresh
    assert max(len(statements) for statements in old.values()) <= 15
    assert (await balance_of(sqlite.ledger, DEV)).spent == 5 * HISTORY + 15
    assert (await sqlite.ledger.verify()).differences == ()


async def test_no_statement_of_a_call_scans_a_table_that_grows(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    await declare(sqlite.ledger, line(DEV, 10**9), line(BOT, 10**9))
    spent = await statements_of_a_call(sqlite, faults)
    statements = {statement for taken in spent.values() for statement in taken}
    with sqlite3.connect(sqlite.path) as connection:
        plans = {
            statement: [
                detail
                for *_, detail in connection.execute(
                    f"EXPLAIN QUERY PLAN {statement}", [None] * statement.count("?")
                )
            ]
            for statement in statements
            if statement.startswith(("SELECT", "UPDATE", "DELETE"))
        }
    scans = {detail for details in plans.values() for detail in details if "SCAN" in detail}
    assert scans == {"SCAN ledger", "SCAN templates"}, "one row, and a few lines of configuration"
    assert len(plans) > 10
