"""A process that dies, or a disk that fails, between any two statements of any operation."""

import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.period import Period, Step
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.journal import Entry
from proxy.ledger.records import Balance, BudgetStatus, FundOperation, Reservation
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.ledger.builders import (
    BOT,
    DEV,
    TOKENS,
    USD,
    ask,
    commit,
    declare,
    event,
    fund,
    hold,
    line,
    spend,
    usd,
)
from tests.ledger.harness import (
    DAY_MS,
    HOUR_MS,
    SECOND_MS,
    ManualClock,
    SqliteHarness,
    copy_ledger,
    scratch,
)
from tests.ledger.sqlite.faults import Faults, fail_at, fail_on, ignore

Act = Callable[[SqliteLedger], Awaitable[object]]
Books = tuple[tuple[Balance, ...], tuple[Reservation, ...], tuple[Entry, ...]]

OWER = Scope("tenant:dev/agent:owing")
FIRST, SECOND, LATE, OWING = (f"rsv_{number:032x}" for number in (1, 2, 3, 4))

ROLLING = Period(Step.ROLLING, rolling_ms=DAY_MS // 2)
LINES = (
    line(DEV, 1_000, period=Period.DAY, rollover_max=50),
    line(DEV, 500, period=ROLLING),
    line(DEV, 1_000, unit=TOKENS),
    line("tenant:dev/agent:*", 900, period=Period.DAY),
    line(OWER, 90, period=ROLLING),
    line("tenant:dev/agent:*/run:*", 50, idle_ttl_ms=HOUR_MS),
)


async def arrange(harness: SqliteHarness) -> None:
    """Open holds, one of them lapsed, one given up, and an agent that owes for one.

    A day later the rolling windows let go, of what an agent owes for too, and a run is idle.
    """
    ledger = harness.ledger
    await declare(ledger, *LINES)
    for amount in (20, 30, 5):
        await hold(ledger, {USD: amount, TOKENS: 2 * amount})
    await hold(ledger, 40, agent="owing")
    await ledger.release(LATE, key="give up", actor="ops")
    settled = await commit(ledger, OWING, 100)
    assert settled.uncovered == usd(10)
    await spend(ledger, 3, run="idle")
    await ledger.reserve(ask(7, ttl_ms=SECOND_MS))
    harness.advance_ms(2 * SECOND_MS)


async def books(ledger: SqliteLedger) -> Books:
    return (
        await ledger.all_balances(),
        await ledger.reservations(states=frozenset(State), limit=100),
        await ledger.journal("dev", after_seq=0, limit=1_000),
    )


def change_lines(ledger: SqliteLedger) -> Awaitable[object]:
    lines = (
        line(DEV, 300, period=Period.DAY),
        line(DEV, 500, period=ROLLING, overdraft_limit=5),
        line(BOT, 7),
        line("tenant:dev/**/agent:*", 80, period=Period.DAY, idle_ttl_ms=HOUR_MS),
    )
    return ledger.declare(lines, templates_max=5, version=2)


OPERATIONS: dict[str, Act] = {
    "reserve": lambda ledger: ledger.reserve(
        ask({USD: 1, TOKENS: 1}, key="new", agent="cli", run="new")
    ),
    "dispatch": lambda ledger: ledger.dispatch(SECOND),
    "grow": lambda ledger: ledger.grow(FIRST, by={USD: 1}, key="more"),
    "extend": lambda ledger: ledger.extend(FIRST, by_ms=1, key="longer"),
    "commit": lambda ledger: commit(ledger, FIRST, {USD: 25, TOKENS: 50}, key="end"),
    "release": lambda ledger: ledger.release(SECOND, key="end"),
    "charge_late": lambda ledger: ledger.charge_late(
        LATE, actual={USD: 9, TOKENS: 20}, key="late", payload_hash=""
    ),
    "apply": lambda ledger: ledger.apply(event({USD: 200, TOKENS: 1}, key="new", is_spent=True)),
    "mark_uncertain": lambda ledger: ledger.mark_uncertain(FIRST),
    "recover": lambda ledger: ledger.recover(),
    "expire": lambda ledger: ledger.expire(limit=10),
    "declare": change_lines,
    "fund": lambda ledger: fund(ledger, OWER, 50, period=ROLLING, key="once"),
    "reset": lambda ledger: fund(
        ledger, DEV, 900, FundOperation.RESET_SPENT, period=ROLLING, spent=7
    ),
    "set_status": lambda ledger: ledger.set_status(BOT, None, BudgetStatus.FROZEN, actor="ops"),
}
ONCE_BY_KEY = ("reserve", "grow", "extend", "commit", "release", "charge_late", "apply", "fund")
"""What a caller may try again without knowing whether it happened."""


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("a_day_later", [False, True])
async def test_a_kill_between_any_two_statements_leaves_all_or_nothing(
    sqlite: SqliteHarness, faults: Faults, name: str, a_day_later: bool
) -> None:
    await arrange(sqlite)
    if a_day_later:
        sqlite.advance_ms(DAY_MS)
    left_behind: list[Path] = []

    def keep_a_copy(statement: str) -> None:
        left_behind.append(sqlite.directory / f"killed-{len(left_behind)}.db")
        copy_ledger(sqlite.path, left_behind[-1])

    before = await books(sqlite.ledger)
    faults.before = faults.after = keep_a_copy
    await OPERATIONS[name](sqlite.ledger)
    faults.before = faults.after = ignore
    after = await books(sqlite.ledger)

    assert len(left_behind) > 5
    found = [await reopened(path, sqlite) for path in left_behind]
    happened = [state == after for state in found]
    assert all(state in (before, after) for state in found)
    assert happened == sorted(happened), "once it has happened it has happened"
    if before != after:
        assert (happened[0], happened[-1]) == (False, True)


async def reopened(path: Path, harness: SqliteHarness) -> Books:
    """What the next process finds."""
    ledger = SqliteLedger.open(path, clock=harness.clock, new_id=harness.new_id)
    try:
        assert (await ledger.verify()).differences == ()
        return await books(ledger)
    finally:
        await ledger.close()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_disk_that_fails_at_any_statement_changes_nothing(
    sqlite: SqliteHarness, faults: Faults, name: str
) -> None:
    """And once it works again, so does the ledger."""
    await arrange(sqlite)
    sqlite.advance_ms(DAY_MS)
    before = await books(sqlite.ledger)
    faults.statements.clear()
    for number in count(1):
        faults.before = fail_at(number)
        try:
            await OPERATIONS[name](sqlite.ledger)
        except LedgerUnavailable:
            faults.before = ignore
            assert await books(sqlite.ledger) == before
        else:
            break
    faults.before = ignore
    assert number > 5, "it failed at each of its statements"
    assert (await sqlite.ledger.verify()).differences == ()


@pytest.mark.parametrize("name", ONCE_BY_KEY)
async def test_a_commit_whose_answer_is_lost_is_done_once(
    sqlite: SqliteHarness, faults: Faults, name: str
) -> None:
    """LiteLLM #30460: a retry after a lost reply must not count twice."""
    await arrange(sqlite)
    faults.after = fail_on(["COMMIT"])
    with pytest.raises(LedgerUnavailable):
        await OPERATIONS[name](sqlite.ledger)
    faults.after = ignore
    done = await books(sqlite.ledger)
    answer = await OPERATIONS[name](sqlite.ledger)
    assert await books(sqlite.ledger) == done
    assert await OPERATIONS[name](sqlite.ledger) == answer


WRITER = """
import asyncio, sys
from pathlib import Path
from proxy.domain.clock import SystemClock
from tests.ledger.builders import DEV, ask, commit, declare, line
from proxy.ledger.sqlite.ledger import SqliteLedger

async def main():
    ids = iter(range(10**6))
    path, durability = Path(sys.argv[1]), sys.argv[2]
    ledger = SqliteLedger.open(
        path, clock=SystemClock(), new_id=lambda: f"rsv_{next(ids)}", durability=durability
    )
    await declare(ledger, line(DEV, 10**12))
    async def call(number):
        for turn in range(10**6):
            grant = await ledger.reserve(ask(100, key=f"{number}/{turn}"))
            await ledger.dispatch(grant.reservation_id)
            await commit(ledger, grant.reservation_id, 7)
            print(grant.reservation_id, flush=True)
    await asyncio.gather(*(call(number) for number in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_a_killed_process_loses_nothing_it_has_answered(durability: str) -> None:
    with scratch() as directory:
        path = directory / "ledger.db"
        answered = answers_of_a_killed_writer(path, durability)
        ledger = SqliteLedger.open(path, clock=ManualClock(), new_id=lambda: "rsv_none")
        try:
            for reservation_id in answered:
                row = await ledger.reservation(reservation_id)
                assert (row.state, row.charged) == (State.COMMITTED, usd(7))
            await ledger.recover()
            open_rows = await ledger.reservations(states=frozenset({State.ACTIVE}), limit=9)
            audit = await ledger.verify()
        finally:
            await ledger.close()
    assert len(answered) >= 200
    assert open_rows == ()
    assert audit.differences == ()
    assert audit.charged >= 7 * len(answered)
    assert audit.uncertain <= 8 * 100


def answers_of_a_killed_writer(path: Path, durability: str) -> list[str]:
    """What a process said it had settled before it was killed in the middle of its work."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), durability], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        answered += process.stdout.readlines()
    return [said.strip() for said in answered if said.endswith("\n")]
