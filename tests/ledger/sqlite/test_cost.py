"""What a call costs the ledger does not grow with what it has seen.

Operations are counted, not timed: a machine's speed wanders, its query plans do not.
"""

import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.domain.period import Period, Step
from tests.ledger.builders import (
    BOT,
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    event,
    fund,
    line,
    run_of,
)
from tests.ledger.harness import HOUR_MS, MINUTE_MS, SqliteHarness, scratch
from tests.ledger.sqlite.faults import Faults

FILL_RESERVATIONS = """
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < :rows)
INSERT INTO reservations (
    id, tenant, key, payload_hash, state, subject, scope, action_kind, action_name, trace_id,
    price_version, windows, rung, amounts, overage, on_expiry, dispatched, created_at_ms, ttl_ms,
    expires_at_ms, lapses_at_ms, extensions, metadata, granted, finalized_at_ms, settled_key,
    settled_hash, settled, charged, estimated
)
SELECT 'old_' || x, 'dev', 'old ' || x, '', 'COMMITTED', '{"tenant":"dev"}', 'tenant:dev',
    'llm.completion', '', '', '', '[1]', 0, '{"USD_MICROCENTS":5}', 'ALLOW_IF_AVAILABLE',
    'uncertain', 1, 0, 60000, 60000, 60000, 0, '{}', '[{"USD_MICROCENTS":5},60000,[]]', 1, 'k',
    '', '["COMMITTED",{"USD_MICROCENTS":5},{},{},[]]', '{"USD_MICROCENTS":5}', 0
FROM n
"""
FILL_JOURNAL = """
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < :rows),
    last (seq) AS (SELECT max(seq) FROM journal)
INSERT INTO journal (
    tenant, seq, at_ms, kind, reservation_id, scope, actor, trace_id, price_version, postings
)
SELECT 'dev', last.seq + 2 * x + half.y, 0, half.kind, 'old_' || x, 'tenant:dev', '', '', '',
    half.postings
FROM n, last, (
    SELECT -1 AS y, 'reserve' AS kind, '[[1,0,5,0,0,0,0,0]]' AS postings
    UNION ALL SELECT 0, 'commit', '[[1,0,-5,5,0,0,0,0]]'
) AS half
"""
FILL_WINDOWS = f"""
WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000)
INSERT INTO windows (
    budget_id, start_ms, end_ms, carried, used_at_ms, allocated, reserved, spent, debt,
    uncertain, uncovered, is_over_limit
)
SELECT budget_id, start_ms - {HOUR_MS} * x, start_ms - {HOUR_MS} * (x - 1), '0', 0,
    0, 0, 0, 0, 0, 0, 0
FROM n, windows WHERE id = 2
"""

PLAIN = (line(DEV, 10**9), line(BOT, 10**9))
EVERY_KIND = (
    line(DEV, 10**9),
    line(DEV, 10**9, period=Period.HOUR, rollover_max=50),
    line(DEV, 10**9, period=Period(Step.ROLLING, rolling_ms=HOUR_MS)),
    line(DEV, 10**9, unit=TOKENS),
    line("tenant:dev/**/agent:*", 10**9, period=Period.DAY, idle_ttl_ms=MINUTE_MS),
    line("tenant:dev/agent:*/run:*", 10**9, idle_ttl_ms=MINUTE_MS),
)


@dataclass
class Meter:
    """Counts what connections do: their statements, and the steps of SQLite's machine."""

    faults: Faults
    steps: int = 0
    connections: list[sqlite3.Connection] = field(default_factory=list)
    spent: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def connect(self, path: Path, create: bool) -> sqlite3.Connection:
        connection = self.faults.connect(path, create)
        connection.set_progress_handler(self._step, 1)
        self.connections.append(connection)
        return connection

    def stop(self) -> None:
        """Count no more: what follows is not to be measured, and long."""
        for connection in self.connections:
            connection.set_progress_handler(None, 0)

    def _step(self) -> int:
        self.steps += 1
        return 0

    def take(self, name: str) -> None:
        """What was spent since the last time was spent on this."""
        self.spent[name] = self.steps, list(self.faults.statements)
        self.steps = 0
        self.faults.statements.clear()


@pytest.fixture
def meter(faults: Faults) -> Meter:
    return Meter(faults)


@pytest.fixture
async def metered(meter: Meter) -> AsyncIterator[SqliteHarness]:
    """A fresh home whose every step is counted."""
    with scratch() as directory:
        harness = SqliteHarness(directory, connect=meter.connect)
        yield harness
        await harness.close()


async def cost_of_a_call(
    sqlite: SqliteHarness, meter: Meter, run: str = "run"
) -> Mapping[str, tuple[int, list[str]]]:
    """What each operation spends that the life of one call is made of."""
    ledger = sqlite.ledger
    meter.take("before")
    meter.spent.clear()
    grant = await ledger.reserve(ask({USD: 5, TOKENS: 7}, run=run))
    meter.take("reserve")
    await ledger.dispatch(grant.reservation_id)
    meter.take("dispatch")
    await ledger.grow(grant.reservation_id, by={USD: 1}, key="more")
    meter.take("grow")
    await ledger.extend(grant.reservation_id, by_ms=1, key="longer")
    meter.take("extend")
    await commit(ledger, grant.reservation_id, {USD: 5, TOKENS: 6}, key="end")
    meter.take("commit")
    await ledger.apply(event({USD: 1}, run=run))
    meter.take("event")
    await ledger.expire(limit=100)
    meter.take("expire")
    await ledger.balances([DEV, BOT, run_of(BOT, run)], USD)
    meter.take("balances")
    await fund(ledger, DEV, 1, key=grant.reservation_id)
    meter.take("fund")
    return dict(meter.spent)


@pytest.mark.parametrize("rows", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
async def test_a_call_takes_as_many_steps_after_very_many_others(
    metered: SqliteHarness, meter: Meter, rows: int
) -> None:
    """inferrail took 104 ms for a reserve after 5,000 receipts."""
    await declare(metered.ledger, *EVERY_KIND)
    await cost_of_a_call(metered, meter)
    fresh = await cost_of_a_call(metered, meter)
    with sqlite3.connect(metered.path) as connection:
        connection.execute(FILL_JOURNAL, {"rows": rows})
        connection.execute(FILL_RESERVATIONS, {"rows": rows})
        connection.execute(FILL_WINDOWS)
        connection.execute("UPDATE windows SET spent = spent + 5 * ? WHERE id = 1", (rows,))
    old = await cost_of_a_call(metered, meter)
    assert old == fresh
    meter.stop()
    assert (await balance_of(metered.ledger, DEV, Period.LIFETIME, USD)).spent == 5 * rows + 18
    assert (await metered.ledger.verify()).differences == ()


async def test_uncertain_holds_are_counted_in_as_many_steps_after_a_thousand_calls(
    metered: SqliteHarness, meter: Meter
) -> None:
    await declare(metered.ledger, *PLAIN)
    await metered.ledger.mark_uncertain((await metered.ledger.reserve(ask(1))).reservation_id)
    assert await metered.ledger.count_uncertain() == 1  # opens what reads
    meter.take("before")
    assert await metered.ledger.count_uncertain() == 1
    meter.take("fresh")
    with sqlite3.connect(metered.path) as connection:
        connection.execute(FILL_RESERVATIONS, {"rows": 1_000})
    assert await metered.ledger.count_uncertain() == 1
    meter.take("old")
    assert meter.spent["old"] == meter.spent["fresh"]


async def test_a_plain_call_takes_few_statements(metered: SqliteHarness, meter: Meter) -> None:
    await declare(metered.ledger, *PLAIN)
    await cost_of_a_call(metered, meter)
    spent = await cost_of_a_call(metered, meter)
    counts = {name: len(statements) for name, (_, statements) in spent.items()}
    assert counts["reserve"] <= 11, "one of them looks for what is seldom there"
    assert counts["dispatch"] <= 8
    assert counts["commit"] <= 9
    assert max(counts.values()) <= 16


async def test_a_retired_budget_costs_nothing_any_more(
    metered: SqliteHarness, meter: Meter
) -> None:
    """However many runs there were, the next one finds only those that still count."""
    await declare(metered.ledger, *EVERY_KIND)
    costs = []
    for run in range(8):
        costs.append(await cost_of_a_call(metered, meter, f"run-{run}"))
        metered.advance_ms(2 * MINUTE_MS)
    assert costs[3:] == [costs[3]] * 5


def places(statement: str) -> int:
    """How many values it is given."""
    found = re.findall(r"\?(\d*)", statement)
    return max((int(number) for number in found if number), default=len(found))


async def test_no_statement_of_a_call_scans_a_table_that_grows(
    metered: SqliteHarness, meter: Meter
) -> None:
    await declare(metered.ledger, *EVERY_KIND)
    spent = await cost_of_a_call(metered, meter, "first")
    for _ in range(2):
        metered.advance_ms(HOUR_MS)
        await metered.ledger.expire(limit=0)
    later = await cost_of_a_call(metered, meter, "second")
    statements = {
        statement
        for each in (spent, later)
        for _, taken in each.values()
        for statement in taken
        if statement.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    with sqlite3.connect(metered.path) as connection:
        plans = {
            statement: [
                detail
                for *_, detail in connection.execute(
                    f"EXPLAIN QUERY PLAN {statement}", [None] * places(statement)
                )
            ]
            for statement in statements
        }
    scans = {detail for details in plans.values() for detail in details if "SCAN" in detail}
    few = {"SCAN ledger", "SCAN CONSTANT ROW", "SCAN templates"}
    assert scans == few, "one row, no table at all, and a few lines of configuration"
    assert len(plans) > 20
