"""One transaction a tick: who shares it, who waits for it, and who fails with it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence

import pytest

from proxy.domain.errors import AmountOutOfRange, BudgetRefused, LedgerUnavailable, Reason
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.ledger.records import Grant, ReserveRequest
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    USD,
    ask,
    balance_of,
    declare,
    fund,
    hold,
    line,
    spend,
)
from tests.ledger.harness import DAY_MS, SqliteHarness
from tests.ledger.sqlite.faults import Faults, fail_on, ignore, io_error


@pytest.fixture(autouse=True)
async def budgets(sqlite: SqliteHarness) -> None:
    """A tenant with 1000."""
    await declare(sqlite.ledger, line(DEV, 1000))


@pytest.fixture
async def other(sqlite: SqliteHarness) -> AsyncIterator[sqlite3.Connection]:
    """Another program that has the same file open."""
    connection = sqlite3.connect(sqlite.path, isolation_level=None)
    yield connection
    connection.close()


async def all_at_once(sqlite: SqliteHarness, count: int) -> list[Grant | BaseException]:
    asked = (sqlite.ledger.reserve(ask(1)) for _ in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_what_is_asked_in_one_tick_shares_a_transaction(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    faults.statements.clear()
    await all_at_once(sqlite, 20)
    assert faults.statements.count("BEGIN IMMEDIATE") == 1
    assert faults.statements.count("COMMIT") == 1
    updates = [s for s in faults.statements if s.startswith("UPDATE windows")]
    assert len(updates) == 1, "each window is written once"


async def test_a_very_long_tick_is_cut(sqlite: SqliteHarness, faults: Faults) -> None:
    """The loop serves others in between; a thread may take more at once."""
    faults.statements.clear()
    async with asyncio.timeout(20):
        answers = await all_at_once(sqlite, 300)
    assert all(isinstance(answer, Grant) for answer in answers)
    transactions = {"process": 10, "power": 3}[sqlite.durability]
    assert faults.statements.count("COMMIT") == transactions


async def test_a_refusal_undoes_nobody_elses_operation(sqlite: SqliteHarness) -> None:
    asked = (sqlite.ledger.reserve(ask(amount)) for amount in (400, 601, 600, 1))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    amounts = [answer.amounts[USD] for answer in answers if isinstance(answer, Grant)]
    assert amounts == [400, 600]
    assert [type(answer) for answer in answers if not isinstance(answer, Grant)] == [
        BudgetRefused,
        BudgetRefused,
    ]
    assert (await balance_of(sqlite.ledger, DEV)).remaining == 0
    assert (await sqlite.ledger.verify()).differences == ()


async def test_an_operation_that_fails_late_takes_back_the_window_it_opened(
    sqlite: SqliteHarness,
) -> None:
    """The first fails after it has opened a window, in a transaction that the second needs."""
    ledger = sqlite.ledger
    lines = line(DEV, 1000, period=Period.DAY), line("tenant:dev/agent:*", 50, period=Period.DAY)
    await declare(ledger, *lines)
    await hold(ledger, 20)
    sqlite.advance_ms(DAY_MS)
    too_much = INT64_MAX - 10
    failed, granted = await asyncio.gather(
        fund(ledger, BOT, too_much, period=Period.DAY),
        ledger.reserve(ask(30)),
        return_exceptions=True,
    )
    assert isinstance(failed, AmountOutOfRange)
    assert isinstance(granted, Grant)
    assert [balance.reserved for balance in granted.balances] == [50, 30, 30]
    assert (await ledger.verify()).differences == ()


async def fail_to_declare(sqlite: SqliteHarness, *requests: ReserveRequest) -> Sequence[object]:
    """A configuration whose last budget fails, and what others ask in its tick."""
    lines = (
        line("tenant:dev/agent:*", 0),
        line(DEV, 1000),
        line(BOT, 20, period=Period.DAY, overdraft_limit=5),
        line(CLI, 11),
    )
    failed, *answers = await asyncio.gather(
        sqlite.ledger.declare(lines, templates_max=9),
        *(sqlite.ledger.reserve(request) for request in requests),
        return_exceptions=True,
    )
    assert isinstance(failed, AmountOutOfRange)
    assert (await sqlite.ledger.verify()).differences == ()
    return answers


@pytest.mark.parametrize("later_ms", [0, DAY_MS])
async def test_a_configuration_that_fails_takes_back_all_of_it(
    sqlite: SqliteHarness, later_ms: int
) -> None:
    """Windows it opened, terms it set, templates it made: others of its tick see none of it."""
    ledger = sqlite.ledger
    await declare(ledger, line(DEV, 1000), line(BOT, 10, period=Period.DAY), line(CLI, 10))
    await fund(ledger, CLI, INT64_MAX - 10)
    await spend(ledger, 3)
    sqlite.advance_ms(later_ms)
    assert await fail_to_declare(sqlite) == []
    bots, thirds = await fail_to_declare(sqlite, ask(1), ask(1, agent="third"))
    assert isinstance(bots, Grant)
    _, bot = bots.balances
    remaining = 6 if later_ms == 0 else 9
    assert (bot.overdraft_limit, bot.allocated, bot.remaining) == (0, 10, remaining)
    assert isinstance(thirds, Grant)
    assert [balance.scope for balance in thirds.balances] == [DEV]


async def test_a_configuration_that_fails_pays_nothing(sqlite: SqliteHarness) -> None:
    """What it would have raised and paid in two steps is taken back in both."""
    ledger = sqlite.ledger
    await declare(ledger, line(DEV, 1000), line(BOT, 10, period=Period.DAY), line(CLI, 10))
    await fund(ledger, CLI, INT64_MAX - 10)
    await spend(ledger, 14, held=10)
    before = await ledger.all_balances()
    (refused,) = await fail_to_declare(sqlite, ask(0))
    assert isinstance(refused, BudgetRefused)
    assert refused.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED
    assert await ledger.all_balances() == before


async def test_the_first_calls_of_a_day_share_its_window(sqlite: SqliteHarness) -> None:
    ledger = sqlite.ledger
    await declare(ledger, line(DEV, 1000), line("tenant:dev/agent:*", 10, period=Period.DAY))
    await spend(ledger, 10)
    sqlite.advance_ms(DAY_MS)
    asked = (ledger.reserve(ask(4, agent=agent)) for agent in ("bot", "bot", "new", "new", "bot"))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    kept = [a.balances[1].reserved if isinstance(a, Grant) else None for a in answers]
    assert kept == [4, 8, 4, 8, None]
    assert (await ledger.verify()).differences == ()


async def test_no_answer_leaves_before_the_commit(sqlite: SqliteHarness, faults: Faults) -> None:
    asked = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    answered_at_commit: list[bool] = []

    def look(statement: str) -> None:
        if statement == "COMMIT":
            answered_at_commit.append(asked.done())

    faults.after = look
    assert (await asked).amounts[USD] == 1
    assert answered_at_commit == [False]


async def test_a_failed_commit_fails_everyone_of_its_tick(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    faults.before = fail_on(["COMMIT"])
    answers = await all_at_once(sqlite, 5)
    assert [type(answer) for answer in answers] == [LedgerUnavailable] * 5
    assert len({id(answer) for answer in answers}) == 5, "each has a traceback of its own"
    faults.before = ignore
    assert (await balance_of(sqlite.ledger, DEV)).reserved == 0
    assert (await sqlite.ledger.reserve(ask(1))).amounts[USD] == 1


async def test_nobody_waits_for_ever_when_the_program_itself_fails(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    def fail(statement: str) -> None:
        if statement == "COMMIT":
            raise RuntimeError("a mistake of ours")

    faults.before = fail
    answers = await all_at_once(sqlite, 2)
    assert [type(answer) for answer in answers] == [RuntimeError] * 2
    faults.before = ignore
    assert (await sqlite.ledger.reserve(ask(1))).amounts[USD] == 1


async def test_a_caller_that_is_gone_before_its_tick_holds_nothing(sqlite: SqliteHarness) -> None:
    gone = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    stays = asyncio.ensure_future(sqlite.ledger.reserve(ask(2)))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).amounts[USD] == 2
    assert gone.cancelled()
    assert (await balance_of(sqlite.ledger, DEV)).reserved == 2


async def test_a_caller_that_goes_while_its_answer_comes_is_no_trouble(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    gone = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    await asyncio.sleep(0)

    def cancel(statement: str) -> None:
        if statement == "COMMIT":
            gone.cancel()

    faults.before = cancel
    with pytest.raises(asyncio.CancelledError):
        await gone
    faults.before = ignore
    assert (await balance_of(sqlite.ledger, DEV)).reserved == 1, "its lease will end it"


async def test_a_locked_file_is_waited_for_while_the_loop_goes_on(
    sqlite: SqliteHarness, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    asked = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    turns = 0
    while turns < 100:
        await asyncio.sleep(0)
        turns += 1
    assert not asked.done()
    late = asyncio.ensure_future(sqlite.ledger.reserve(ask(2)))
    other.execute("COMMIT")
    assert (await asked).amounts[USD] == 1
    assert (await late).amounts[USD] == 2


async def test_a_file_that_stays_locked_is_given_up(
    sqlite: SqliteHarness, faults: Faults, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")

    def five_seconds_pass(statement: str) -> None:
        sqlite.clock.monotonic_at_ns += 2_500_000_000

    faults.before = five_seconds_pass
    async with asyncio.timeout(20):
        answers = await all_at_once(sqlite, 3)
    assert [type(answer) for answer in answers] == [LedgerUnavailable] * 3
    assert "keeps the ledger locked" in str(answers[0])
    faults.before = ignore
    other.execute("ROLLBACK")
    assert (await sqlite.ledger.reserve(ask(1))).amounts[USD] == 1


async def test_each_lock_is_waited_for_anew(
    sqlite: SqliteHarness, faults: Faults, other: sqlite3.Connection
) -> None:
    for _ in range(3):
        other.execute("BEGIN IMMEDIATE")
        asked = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sqlite.clock.monotonic_at_ns += 4_000_000_000
        other.execute("ROLLBACK")
        assert (await asked).amounts[USD] == 1


async def test_questions_wait_for_no_lock(sqlite: SqliteHarness, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    assert (await sqlite.ledger.all_balances())[0].remaining == 1000
    other.execute("ROLLBACK")


async def test_what_was_asked_before_the_close_is_answered(
    sqlite: SqliteHarness, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    asked = asyncio.ensure_future(sqlite.ledger.reserve(ask(1)))
    await asyncio.sleep(0)
    closed = asyncio.ensure_future(sqlite.close())
    await asyncio.sleep(0)
    other.execute("ROLLBACK")
    await closed
    assert (await asked).amounts[USD] == 1


async def test_a_disk_that_is_gone_when_the_file_is_opened_again_fails_the_tick(
    sqlite: SqliteHarness, faults: Faults
) -> None:
    faults.before = fail_on(["COMMIT", "PRAGMA journal_mode"])
    with pytest.raises(LedgerUnavailable):
        await sqlite.ledger.reserve(ask(1))
    with pytest.raises(LedgerUnavailable, match=str(io_error().sqlite_errorname)):
        await sqlite.ledger.reserve(ask(1))
    faults.before = ignore
    assert (await sqlite.ledger.reserve(ask(1))).amounts[USD] == 1
