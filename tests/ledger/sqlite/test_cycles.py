"""What the protocol's own questions cost in a file, and what a file can hold that is wrong."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.domain.errors import IdempotencyMismatch, LedgerUnavailable, Reason, Refused
from proxy.domain.period import Period, Step
from proxy.domain.reservation import OnExpiry
from proxy.ledger.journal import Kind
from proxy.ledger.records import Grant, Place, ReservationQuery, SortKey, TenantStatus
from tests.ledger.builders import (
    BOT,
    DEV,
    ask,
    commit,
    declare,
    event,
    hold,
    line,
    over_protocol,
    spend,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, MINUTE_MS, SqliteHarness
from tests.ledger.sqlite.faults import Faults

TENANTS = "SELECT status FROM tenants WHERE tenant = ?"
REMEMBERED = "SELECT payload_hash, answer FROM remembered WHERE tenant = ? AND key = ?"


@pytest.fixture(autouse=True)
async def budgets(sqlite: SqliteHarness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(sqlite.ledger, line(DEV, 1_000), line(BOT, 500))


def is_seldom(statement: str) -> bool:
    return "min(tenant)" in statement


def asked_of(faults: Faults) -> list[str]:
    """What was asked of the rows of tenants and of answers."""
    found = [s for s in faults.statements if "tenants" in s or "remembered" in s]
    faults.statements.clear()
    return found


async def test_as_long_as_nobody_is_stopped_a_transaction_asks_once(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    ledger = sqlite.ledger
    faults.statements.clear()
    await asyncio.gather(*(ledger.reserve(ask(1)) for _ in range(5)), ledger.apply(event(1)))
    (statement,) = asked_of(faults)
    assert is_seldom(statement)


async def test_the_end_of_a_call_asks_nothing(sqlite: SqliteHarness, faults: Faults) -> None:
    await sqlite.ledger.set_tenant_status("other", TenantStatus.CLOSED, actor="ops")
    first, second = await hold(sqlite.ledger, 1), await hold(sqlite.ledger, 1)
    faults.statements.clear()
    await sqlite.ledger.extend(first, by_ms=1, key="beat")
    await commit(sqlite.ledger, first, 1)
    await sqlite.ledger.release(second, key="back")
    await sqlite.ledger.apply(event(1, is_spent=True))
    assert all(map(is_seldom, asked_of(faults)))


async def test_where_somebody_is_stopped_each_hold_looks_for_its_own_tenant(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    ledger = sqlite.ledger
    reservation_id = await over_protocol(ledger, 1)
    await ledger.set_tenant_status("other", TenantStatus.CLOSED, actor="ops")
    faults.statements.clear()
    await ledger.reserve(ask(1))
    seldom, own = asked_of(faults)
    assert is_seldom(seldom)
    assert own == TENANTS
    await commit(ledger, reservation_id, 1)
    assert asked_of(faults) == [seldom, TENANTS]


async def test_where_an_answer_is_kept_each_new_key_is_looked_for(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    ledger = sqlite.ledger
    await ledger.remember("dev", "asked 1", "body", "ALLOW", keep_ms=MINUTE_MS)
    faults.statements.clear()
    await ledger.reserve(ask(1))
    assert asked_of(faults)[1:] == [REMEMBERED]
    sqlite.advance_ms(MINUTE_MS + 1)
    await ledger.expire(limit=10)
    faults.statements.clear()
    await ledger.reserve(ask(1))
    (statement,) = asked_of(faults)
    assert is_seldom(statement)


async def test_a_tenant_is_stopped_for_what_comes_after_it_in_its_transaction(
    sqlite: SqliteHarness,
) -> None:
    ledger = sqlite.ledger
    answers = await asyncio.gather(
        ledger.reserve(ask(1)),
        ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops"),
        ledger.reserve(ask(1)),
        ledger.set_tenant_status("dev", TenantStatus.ACTIVE, actor="ops"),
        ledger.reserve(ask(1)),
        return_exceptions=True,
    )
    refused = [a.reason for a in answers if isinstance(a, Refused)]
    assert refused == [Reason.TENANT_SUSPENDED]
    assert [isinstance(answer, Grant) for answer in answers] == [True, False, False, False, True]
    assert (await ledger.verify()).differences == ()


async def test_a_key_is_taken_for_what_comes_after_it_in_its_transaction(
    sqlite: SqliteHarness,
) -> None:
    ledger = sqlite.ledger
    first, answer, second, third = await asyncio.gather(
        ledger.reserve(ask(1)),
        ledger.remember("dev", "asked 1", "body", "ALLOW", keep_ms=MINUTE_MS),
        ledger.reserve(ask(1, key="asked 1")),
        ledger.apply(event(1, key="asked 1")),
        return_exceptions=True,
    )
    assert isinstance(first, Grant)
    assert answer == "ALLOW"
    assert isinstance(second, IdempotencyMismatch)
    assert isinstance(third, IdempotencyMismatch)


@pytest.mark.parametrize("written", ["", "closed", "REVOKED"])
async def test_a_status_that_is_none_lets_nothing_new_by(
    sqlite: SqliteHarness, written: str
) -> None:
    """Spec, "ERROR SEMANTICS": a record whose status cannot be determined fails closed."""
    ledger = sqlite.ledger
    own, foreign = await hold(ledger, 10), await over_protocol(ledger, 10)
    request = ask(10, key="call 1")
    grant = await ledger.reserve(request)
    with sqlite3.connect(sqlite.path) as connection:
        connection.execute("INSERT INTO tenants VALUES ('dev', ?)", (written,))
    before = await ledger.journal("dev", after_seq=0, limit=100)
    for asked in (
        ledger.reserve(ask(1)),
        ledger.decide(ask(1)),
        ledger.apply(event(1)),
        ledger.grow(own, by={}, key="more"),
        ledger.extend(foreign, by_ms=1, key="beat"),
        commit(ledger, foreign, 1),
        ledger.release(foreign, key="back"),
        ledger.tenant_status("dev"),
    ):
        with pytest.raises(LedgerUnavailable, match="dev"):
            await asked
    assert await ledger.journal("dev", after_seq=0, limit=100) == before
    assert (await ledger.reserve(request)).balances == grant.balances
    await commit(ledger, own, 10)
    await ledger.apply(event(1, is_spent=True))
    await ledger.set_tenant_status("dev", TenantStatus.ACTIVE, actor="ops")
    assert (await ledger.reserve(ask(1))).rung == 0


async def test_a_question_opens_no_transaction_that_writes(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    rolling = Period(Step.ROLLING, rolling_ms=HOUR_MS)
    lines = [line(DEV, 1_000, period=period) for period in (rolling, Period.DAY)]
    await declare(sqlite.ledger, *lines, line("tenant:dev/run:*", 900))
    await spend(sqlite.ledger, 900, agent=None)
    sqlite.advance_ms(DAY_MS)
    faults.statements.clear()
    await sqlite.ledger.decide(ask(90, agent=None, run="1"))
    await sqlite.ledger.recall("dev", "asked 1", "body")
    await sqlite.ledger.tenant_status("dev")
    assert {s.split()[0] for s in faults.statements} == {"BEGIN", "SELECT", "ROLLBACK"}
    assert "BEGIN IMMEDIATE" not in faults.statements


async def test_questions_are_answered_while_another_connection_writes(
    sqlite: SqliteHarness,
) -> None:
    await sqlite.ledger.remember("dev", "asked 1", "body", "ALLOW", keep_ms=MINUTE_MS)
    blocker = sqlite3.connect(sqlite.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    assert (await sqlite.ledger.decide(ask(1))).rung == 0
    assert await sqlite.ledger.recall("dev", "asked 1", "body") == "ALLOW"
    assert await sqlite.ledger.tenant_status("dev") is TenantStatus.ACTIVE
    assert await sqlite.ledger.find(ReservationQuery(tenant="dev", limit=1)) == ()
    blocker.close()


def plan_of(path: Path, statement: str, values: int) -> list[str]:
    with sqlite3.connect(path) as connection:
        explained = connection.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * values)
        return [detail for *_, detail in explained]


async def plans(sqlite: SqliteHarness, faults: Faults, query: ReservationQuery) -> Sequence[str]:
    faults.statements.clear()
    await sqlite.ledger.find(query)
    (statement,) = [s for s in faults.statements if s.startswith("SELECT id")]
    return plan_of(sqlite.path, statement, statement.count("?"))


async def test_the_newest_rows_and_the_row_of_a_key_are_found_by_an_index(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    newest = ReservationQuery(tenant="dev", limit=5)
    by_age = "SEARCH reservations USING INDEX reservations_by_age (tenant=?"
    sorts_all = "USE TEMP B-TREE FOR ORDER BY"
    found, ties = await plans(sqlite, faults, newest)
    assert found == f"{by_age})"
    assert ties != sorts_all, "only rows of one moment are sorted"
    later = ReservationQuery(tenant="dev", limit=5, after=Place(7, "rsv_7"))
    assert await plans(sqlite, faults, later) == [f"{by_age} AND created_at_ms<?)", ties]
    (plan, *_) = await plans(sqlite, faults, ReservationQuery(tenant="dev", limit=5, key="k"))
    assert plan.endswith("(tenant=? AND key=?)")
    for sort in SortKey:
        query = ReservationQuery(tenant="dev", limit=5, sort=sort)
        assert not [p for p in await plans(sqlite, faults, query) if p.startswith("SCAN")]


async def test_an_annotation_costs_nothing_where_there_is_none(sqlite: SqliteHarness) -> None:
    plain = await sqlite.ledger.reserve(ask(10, on_expiry=OnExpiry.RELEASE))
    noted = await sqlite.ledger.reserve(ask(10, annotation="caps"))
    with sqlite3.connect(sqlite.path) as connection:
        kept = [
            connection.execute(
                "SELECT json_array_length(granted) FROM reservations WHERE id = ?", (one,)
            ).fetchone()[0]
            for one in (plain.reservation_id, noted.reservation_id)
        ]
    assert kept == [3, 4]


async def test_the_entry_of_a_status_is_sealed_and_checked_like_any(
    sqlite: SqliteHarness,
) -> None:
    ledger = sqlite.ledger
    await ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    sqlite.advance_ms(1)
    assert await ledger.seal(before_ms=sqlite.clock.at_ms, limit=10) == 1
    assert (await ledger.verify()).differences == ()
    with sqlite3.connect(sqlite.path) as connection:
        connection.execute(
            "UPDATE journal SET actor = 'somebody' WHERE kind = ?", (Kind.SET_TENANT_STATUS,)
        )
    assert (await ledger.verify()).differences != ()
