"""Sealed entries edited by hand, and a process that dies while it seals or lets go."""

import re
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.period import Period
from proxy.domain.reservation import State
from proxy.ledger.audit import Head
from proxy.ledger.seal import check_head
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.ledger.sqlite.operations import seal as seals
from tests.ledger.builders import BOT, DEV, TOKENS, USD, declare, fund, hold, line, spend
from tests.ledger.harness import DAY_MS, HOUR_MS, NOON_MS, SqliteHarness, copy_ledger
from tests.ledger.sqlite.faults import Faults, fail_at, ignore

FAR_MS = NOON_MS + 10_000 * DAY_MS
FORGOTTEN = 3
"""Windows of those days whose time is over."""
TABLES = ("reservations", "replies", "fundings", "seals", "windows", "budgets", "journal")


async def live(harness: SqliteHarness) -> list[Head]:
    """Four days of calls in windows that end, runs that are idle, and funds; the heads."""
    ledger = harness.ledger
    await declare(
        ledger,
        line(DEV, 1_000, period=Period.DAY),
        line(BOT, 1_000, unit=TOKENS),
        line("tenant:dev/agent:*/run:*", 50, idle_ttl_ms=HOUR_MS),
    )
    heads: list[Head] = []
    for day in range(4):
        await spend(ledger, {USD: 3, TOKENS: 5}, run=str(day))
        grown = await hold(ledger, 2)
        await ledger.grow(grown, by={USD: 1}, key="more")
        await ledger.release(grown, key="end")
        await fund(ledger, DEV, 5, period=Period.DAY, key=str(day))
        harness.advance_ms(2 * HOUR_MS)
        await ledger.expire(limit=100)
        await ledger.seal(before_ms=FAR_MS, limit=100)
        heads.extend((await ledger.verify()).heads)
        harness.advance_ms(DAY_MS - 2 * HOUR_MS)
    return heads


async def prune_all(ledger: SqliteLedger) -> None:
    while await ledger.prune(before_ms=FAR_MS, limit=4):
        pass


def alter(harness: SqliteHarness, *statements: str) -> None:
    with closing(sqlite3.connect(harness.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in TABLES
        }


EDITS = {
    "an amount": "UPDATE journal SET postings = replace(postings, ',3,', ',2,') WHERE seq = 6",
    "another window": "UPDATE journal SET postings = replace(postings, '[[1,', '[[2,')",
    "a window that is not there": "UPDATE journal SET postings = replace(postings, '[[1,', '[[0,')",
    "a bracket": "UPDATE journal SET postings = replace(postings, ']]', ']') WHERE seq = 6",
    "who": "UPDATE journal SET actor = 'mallory' WHERE kind = 'fund'",
    "what": "UPDATE journal SET kind = 'expire' WHERE kind = 'release'",
    "nothing known": "UPDATE journal SET kind = 'kommit' WHERE seq = 6",
    "when": "UPDATE journal SET at_ms = at_ms + 1 WHERE seq = 6",
    "whose": "UPDATE journal SET scope = 'tenant:dev/agent:cli' WHERE seq = 6",
    "gone": "DELETE FROM journal WHERE seq = 6",
    "the first gone": "DELETE FROM journal WHERE seq = 1",
    "all gone": "DELETE FROM journal",
    "one more": "INSERT INTO journal SELECT tenant, seq + 1000, at_ms, kind, reservation_id, scope,"
    " actor, trace_id, price_version, postings FROM journal WHERE seq = 6",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
async def test_an_edit_of_a_sealed_entry_is_found(sqlite: SqliteHarness, edit: str) -> None:
    await live(sqlite)
    assert (await sqlite.ledger.verify()).differences == ()
    alter(sqlite, edit)
    assert (await sqlite.ledger.verify()).differences


async def test_entries_in_another_order_are_found(sqlite: SqliteHarness) -> None:
    """What they sum up to is the same."""
    await live(sqlite)
    alter(
        sqlite,
        "UPDATE journal SET seq = -seq WHERE seq IN (6, 7)",
        "UPDATE journal SET seq = 13 + seq WHERE seq < 0",
    )
    differences = (await sqlite.ledger.verify()).differences
    assert {difference.what for difference in differences} == {"entries"}


async def test_whoever_seals_an_edit_again_does_not_meet_a_head_that_was_kept(
    sqlite: SqliteHarness,
) -> None:
    heads = await live(sqlite)
    alter(
        sqlite,
        "UPDATE journal SET actor = 'mallory' WHERE kind = 'fund' AND at_ms < 1795348800000",
        "DELETE FROM seals",
        "DELETE FROM standings",
    )
    await sqlite.ledger.seal(before_ms=FAR_MS, limit=100)
    audit = await sqlite.ledger.verify()
    assert audit.differences == (), "alone it is as good as any"
    assert audit.heads != (heads[-1],)
    seals = await sqlite.ledger.seals("dev")
    assert all(check_head(seals, head) for head in heads)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE seals SET entries_sha256 = digest WHERE last_seq = {seq}",
        "UPDATE seals SET previous = digest WHERE last_seq = {seq}",
        "UPDATE seals SET first_seq = first_seq - 1 WHERE last_seq = {seq}",
        "UPDATE standings SET windows = replace(windows, ':1000', ':1001')",
        "UPDATE standings SET windows = 'nonsense'",
    ],
)
async def test_an_edit_of_a_seal_is_found(sqlite: SqliteHarness, edit: str) -> None:
    heads = await live(sqlite)
    alter(sqlite, edit.format(seq=heads[-2].seq))
    assert (await sqlite.ledger.verify()).differences


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE journal SET actor = 'mallory' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 2",
        "UPDATE journal SET kind = 'kommit' WHERE seq = 2",
        "UPDATE seals SET standing_sha256 = digest",
    ],
)
async def test_what_was_edited_stays_for_everybody_to_see(sqlite: SqliteHarness, edit: str) -> None:
    await live(sqlite)
    alter(sqlite, edit)
    before = counts(sqlite.path)
    await prune_all(sqlite.ledger)
    after = counts(sqlite.path)
    assert after["reservations"] == 0
    assert after["seals"] == before["seals"]
    assert after["journal"] == before["journal"] + FORGOTTEN
    assert (await sqlite.ledger.verify()).differences


async def test_a_damaged_journal_keeps_no_other_from_being_sealed(sqlite: SqliteHarness) -> None:
    await declare(sqlite.ledger, line("tenant:a", 5), line("tenant:b", 5))
    alter(sqlite, "UPDATE journal SET kind = 'nonsense' WHERE tenant = 'a'")
    assert await sqlite.ledger.seal(before_ms=FAR_MS, limit=9) == 1
    assert [head.tenant for head in (await sqlite.ledger.verify()).heads] == ["b"]


async def test_in_the_end_nothing_is_left_of_what_is_old(sqlite: SqliteHarness) -> None:
    await live(sqlite)
    full = counts(sqlite.path)
    assert (full["replies"], full["windows"], full["budgets"]) == (4, 9, 6)
    left = [await a_quiet_week(sqlite) for _ in range(6)]
    assert left[2] == left[3] == left[5]
    assert left[5] == {
        "reservations": 0,
        "replies": 0,
        "fundings": 0,
        "seals": 2,
        "windows": 4,
        "budgets": 2,
        "journal": 6,
    }


async def a_quiet_week(sqlite: SqliteHarness) -> dict[str, int]:
    """One call, and what is left at its end."""
    sqlite.advance_ms(7 * DAY_MS)
    await spend(sqlite.ledger, 1)
    await sqlite.ledger.seal(before_ms=FAR_MS, limit=9)
    sqlite.advance_ms(1)
    await prune_all(sqlite.ledger)
    return counts(sqlite.path)


async def test_two_that_seal_at_once_close_each_run_once(sqlite: SqliteHarness) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    await spend(sqlite.ledger, 1)
    with closing(sqlite3.connect(sqlite.path)) as connection:
        (found,) = seals.due(connection, before_ms=FAR_MS, limit=9)
    assert await sqlite.ledger.seal(before_ms=FAR_MS, limit=9) == 1
    assert not await sqlite.ledger._group.submit(lambda t: seals.keep(t, found))
    assert [seal.digest for seal in await sqlite.ledger.seals("dev")] == [found.seal.digest]


async def test_a_last_entry_that_moved_nothing_is_missed(sqlite: SqliteHarness) -> None:
    await declare(sqlite.ledger, line(DEV, 100))
    await hold(sqlite.ledger, 1)
    await sqlite.ledger.seal(before_ms=FAR_MS, limit=9)
    alter(sqlite, "DELETE FROM journal WHERE kind = 'dispatch'")
    (difference,) = (await sqlite.ledger.verify()).differences
    assert difference.what == "entries"


# A process that dies, or a disk that fails

Act = Callable[[SqliteLedger], Awaitable[object]]

ACTS: dict[str, Act] = {
    "seal": lambda ledger: ledger.seal(before_ms=FAR_MS, limit=100),
    "prune": prune_all,
}


@pytest.mark.parametrize("name", ACTS)
async def test_a_kill_between_any_two_statements_leaves_a_sound_ledger(
    sqlite: SqliteHarness, faults: Faults, name: str
) -> None:
    await live(sqlite)
    await spend(sqlite.ledger, 1)
    balances = await sqlite.ledger.all_balances()
    left_behind: list[Path] = []

    def keep_a_copy(statement: str) -> None:
        if statement.startswith(("COMMIT", "RELEASE", "DELETE", "INSERT", "UPDATE")):
            left_behind.append(sqlite.directory / f"killed-{len(left_behind)}.db")
            copy_ledger(sqlite.path, left_behind[-1])

    faults.after = keep_a_copy
    await ACTS[name](sqlite.ledger)
    faults.after = ignore
    assert len(left_behind) >= 3
    for path in left_behind[:: max(1, len(left_behind) // 40)]:
        ledger = SqliteLedger.open(path, clock=sqlite.clock, new_id=sqlite.new_id)
        try:
            assert (await ledger.verify()).differences == ()
            assert await ledger.all_balances() == balances
            await ACTS[name](ledger)
            assert (await ledger.verify()).differences == ()
        finally:
            await ledger.close()


@pytest.mark.parametrize("name", ACTS)
async def test_a_disk_that_fails_at_any_statement_leaves_a_sound_ledger(
    sqlite: SqliteHarness, faults: Faults, name: str
) -> None:
    await live(sqlite)
    await spend(sqlite.ledger, 1)
    balances = await sqlite.ledger.all_balances()
    for number in count(1):
        faults.before = fail_at(number)
        try:
            await ACTS[name](sqlite.ledger)
        except LedgerUnavailable:
            faults.before = ignore
            assert (await sqlite.ledger.verify()).differences == ()
        else:
            break
    faults.before = ignore
    assert number > 5, "it failed at each of its statements"
    assert (await sqlite.ledger.verify()).differences == ()
    assert await sqlite.ledger.all_balances() == balances
    rows = await sqlite.ledger.reservations(states=frozenset(State), limit=100)
    assert len(rows) == {"seal": 9, "prune": 0}[name]


async def test_nothing_old_is_looked_for_by_reading_a_whole_table(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    await live(sqlite)
    faults.statements.clear()
    await prune_all(sqlite.ledger)
    selects = {text for text in faults.statements if text.lstrip().startswith("SELECT")}
    with closing(sqlite3.connect(sqlite.path)) as connection:
        plans = [
            detail
            for text in selects
            for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {text}", places(text))
            if "SCAN" in detail
        ]
    small = (
        *("SCAN json_each", "SCAN ledger", "SCAN CONSTANT ROW", "SCAN (subquery", "SCAN found"),
        "SCAN reservations USING INDEX reservations_active",  # the clock has leaped
    )
    assert [plan for plan in plans if not plan.startswith(small)] == []
    assert len(selects) > 10


def places(statement: str) -> list[None]:
    numbered = re.findall(r"\?(\d+)", statement)
    return [None] * max(map(int, numbered), default=statement.count("?"))
