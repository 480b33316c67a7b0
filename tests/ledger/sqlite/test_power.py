"""`durability: power`: no answer before its commit is on the disk, and a loop that waits for none.

That the disk has it nobody can see from here: SQLite promises it for a COMMIT that returned
under `synchronous=FULL` (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.records import Grant
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.ledger.builders import DEV, USD, ask, balance_of, declare, line
from tests.ledger.harness import SqliteHarness, scratch
from tests.ledger.sqlite.faults import PATIENCE_S, Faults, Halt, ignore

FULL = 2


@pytest.fixture
async def ledger(faults: Faults) -> AsyncIterator[SqliteLedger]:
    """A fresh one, with a tenant that has 1000."""
    with scratch() as directory:
        harness = SqliteHarness(directory, durability="power", connect=faults.connect)
        try:
            await declare(harness.ledger, line(DEV, 1000))
            faults.statements.clear()
            yield harness.ledger
        finally:
            faults.before = faults.after = ignore
            await harness.close()


@pytest.fixture
def disk(faults: Faults) -> Iterator[Halt]:
    """A disk that is waited for, until it may go on."""
    halt = Halt("COMMIT")
    yield halt
    halt.go_on()


async def some_turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_every_commit_is_synced_before_its_answers_leave(
    ledger: SqliteLedger, faults: Faults
) -> None:
    seen: list[tuple[int, bool]] = []
    asked: list[asyncio.Future[Grant]] = []

    def look(connection: sqlite3.Connection, statement: str) -> None:
        if statement == "COMMIT":
            (synchronous,) = sqlite3.Connection.execute(connection, "PRAGMA synchronous").fetchone()
            seen.append((synchronous, any(one.done() for one in asked[-5:])))

    faults.watch = look
    for _ in range(4):
        asked += [asyncio.ensure_future(ledger.reserve(ask(1))) for _ in range(5)]
        await asyncio.gather(*asked)
    assert seen == [(FULL, False)] * 4


async def test_the_loop_and_its_questions_go_on_while_the_disk_is_waited_for(
    ledger: SqliteLedger, faults: Faults, disk: Halt
) -> None:
    faults.before = disk
    asked = asyncio.ensure_future(ledger.reserve(ask(1)))
    await disk.has_come()
    await some_turns()
    assert not asked.done()
    (balance,) = await ledger.balances([DEV], USD)
    assert balance.reserved == 0, "what is not committed is not seen"
    disk.go_on()
    assert (await asked).amounts[USD] == 1
    (balance,) = await ledger.balances([DEV], USD)
    assert balance.reserved == 1


async def test_what_is_asked_while_the_disk_is_waited_for_shares_the_next_commit(
    ledger: SqliteLedger, faults: Faults, disk: Halt
) -> None:
    faults.before = disk
    first = asyncio.ensure_future(ledger.reserve(ask(1)))
    await disk.has_come()
    others = [asyncio.ensure_future(ledger.reserve(ask(1))) for _ in range(100)]
    await some_turns()
    disk.go_on()
    await asyncio.gather(first, *others)
    assert faults.statements.count("COMMIT") == 2
    assert (await balance_of(ledger, DEV)).reserved == 101


async def test_a_very_long_queue_is_cut(ledger: SqliteLedger, faults: Faults) -> None:
    await asyncio.gather(*(ledger.reserve(ask(1)) for _ in range(300)))
    assert faults.statements.count("COMMIT") == 3


async def test_no_statement_is_carried_out_on_the_loop(
    ledger: SqliteLedger, faults: Faults
) -> None:
    here: list[str] = []

    def look(statement: str) -> None:
        if threading.current_thread() is threading.main_thread():
            here.append(statement)

    faults.before = look
    grant = await ledger.reserve(ask(1))
    await ledger.commit(grant.reservation_id, actual={USD: 1}, key="end", payload_hash="")
    assert here == []


async def test_who_leaves_while_others_wait_for_the_disk_holds_nothing(
    ledger: SqliteLedger, faults: Faults, disk: Halt
) -> None:
    """His own operation has not begun; one that has begun is carried out."""
    faults.before = disk
    begun = asyncio.ensure_future(ledger.reserve(ask(1)))
    await disk.has_come()
    gone = asyncio.ensure_future(ledger.reserve(ask(20)))
    stays = asyncio.ensure_future(ledger.reserve(ask(300)))
    await some_turns()
    begun.cancel()
    gone.cancel()
    disk.go_on()
    assert (await stays).amounts[USD] == 300
    assert (await balance_of(ledger, DEV)).reserved == 301, "the lease of the first will end it"


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("leave", [False, True])
async def test_the_end_waits_for_the_disk_and_the_loop_does_not(
    ledger: SqliteLedger, faults: Faults, disk: Halt, late: int, leave: bool
) -> None:
    faults.before = disk
    asked = [asyncio.ensure_future(ledger.reserve(ask(1)))]
    await disk.has_come()
    asked += [asyncio.ensure_future(ledger.reserve(ask(2))) for _ in range(late)]
    await some_turns()
    if leave:
        for one in asked:
            one.cancel()
    closed = asyncio.ensure_future(ledger.close())
    await some_turns()
    assert not closed.done()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.reserve(ask(1))
    disk.go_on()
    async with asyncio.timeout(PATIENCE_S):
        await closed
    assert all(one.done() for one in asked)
    assert faults.statements.count("COMMIT") == (1 if leave else 1 + late)
