"""Budgets that nobody uses are looked for when their time is up, and not before."""

from proxy.domain.scope import Scope
from tests.ledger.builders import DEV, declare, hold, line, run_of, spend
from tests.ledger.harness import MINUTE_MS, SECOND_MS, SqliteHarness
from tests.ledger.sqlite.faults import Faults

RUNS = line("tenant:dev/run:*", 100, idle_ttl_ms=MINUTE_MS)


def looks(faults: Faults) -> int:
    """How many budgets were looked at since the last time."""
    count = sum("max(reserved > 0 OR" in statement for statement in faults.statements)
    faults.statements.clear()
    return count


async def retired(sqlite: SqliteHarness, *, limit: int = 100) -> list[Scope]:
    return [name.scope for name in (await sqlite.ledger.expire(limit=limit)).retired]


async def test_a_budget_is_looked_at_once_in_its_time(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    await declare(sqlite.ledger, line(DEV, 1000), RUNS)
    for run in ("a", "b"):
        await spend(sqlite.ledger, 1, agent=None, run=run)
    assert await retired(sqlite) == []
    assert looks(faults) == 2
    sqlite.advance_ms(MINUTE_MS // 2)
    await spend(sqlite.ledger, 1, agent=None, run="b")
    for _ in range(3):
        assert await retired(sqlite) == []
    assert looks(faults) == 0
    sqlite.advance_ms(MINUTE_MS // 2 + 1)
    assert await retired(sqlite) == [run_of(DEV, "a")]
    assert looks(faults) == 2
    sqlite.advance_ms(MINUTE_MS // 2)
    assert await retired(sqlite) == [run_of(DEV, "b")]


async def test_what_expires_takes_the_place_of_what_retires(sqlite: SqliteHarness) -> None:
    """One sweep does only so much, whatever there is to do."""
    await declare(sqlite.ledger, line(DEV, 1000), RUNS)
    for run in ("a", "b", "c"):
        await spend(sqlite.ledger, 1, agent=None, run=run)
    uncertain = await hold(sqlite.ledger, 1, agent=None)
    await sqlite.ledger.mark_uncertain(uncertain)
    sqlite.advance_ms(15 * MINUTE_MS)
    swept = await sqlite.ledger.expire(limit=2)
    assert (swept.committed, len(swept.retired)) == ((uncertain,), 1)
    assert await retired(sqlite, limit=1) == [run_of(DEV, "b")]
    sqlite.advance_ms(SECOND_MS)
    assert await retired(sqlite, limit=0) == []
    assert await retired(sqlite) == [run_of(DEV, "c")]
