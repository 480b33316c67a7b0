"""What `verify` finds in the store, and that it can be asked while calls go on."""

import asyncio

import msgspec
import pytest

from proxy.domain.period import Period
from proxy.domain.period import Step as PeriodStep
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import BOT, DEV, ask, commit, declare, hold, line, spend
from tests.servers.process import Server

BOOKS = "spendgate:{t:dev}"


def change_record(server: Server, field: str, **values: object) -> None:
    """Change what stands in the hash behind the ledger's back."""
    packed = server.command("HGET", f"{BOOKS}:budgets", field)
    record = {**msgspec.msgpack.decode(packed), **values}
    server.command("HSET", f"{BOOKS}:budgets", field, msgspec.msgpack.encode(record))


def window_of(server: Server, scope: str) -> str:
    """The field of the scope's window."""
    fields: dict[bytes, bytes] = server.command("HGETALL", f"{BOOKS}:budgets")
    for field, packed in fields.items():
        if field.startswith(b"w:"):
            name: str = msgspec.msgpack.decode(packed)["name"]
            if name.startswith(f"{scope} "):
                return field.decode()
    raise AssertionError(scope)


@pytest.fixture
async def used(ledger: RedisLedger) -> RedisLedger:
    """Some calls have come and gone, and one is there."""
    await declare(ledger, line(DEV, 1_000), line("tenant:dev/agent:*", 500))
    for amount in (5, 7, 9):
        await spend(ledger, amount)
    await hold(ledger, 11)
    assert (await ledger.verify()).differences == ()
    return ledger


async def found(ledger: RedisLedger) -> set[tuple[str, object, object]]:
    return {(d.what, d.recorded, d.recomputed) for d in (await ledger.verify()).differences}


async def test_it_adds_up(used: RedisLedger) -> None:
    audit = await used.verify()
    assert (audit.reservations, audit.charged, audit.uncertain) == (4, 21, 0)
    assert audit.entries == len(await used.journal("dev", after_seq=0, limit=1_000))


async def test_an_amount_that_was_changed_is_found(used: RedisLedger, server: Server) -> None:
    change_record(server, window_of(server, BOT), spent="20")
    assert await found(used) == {
        ("spent, by the journal", 20, 21),
        ("spent + debt, by the rows", 20, 21),
    }


async def test_a_row_that_is_gone_is_found(used: RedisLedger, server: Server) -> None:
    reservation_id = await hold(used, 3)
    server.command("DEL", f"{BOOKS}:r:{reservation_id}")
    assert await found(used) == {("reserved, by the rows", 14, 11)}


async def test_an_entry_that_is_gone_is_found(used: RedisLedger, server: Server) -> None:
    server.command("XDEL", f"{BOOKS}:journal", "5-0")
    assert ("seq", 6, 5) in await found(used)


async def test_a_window_that_is_gone_is_found(used: RedisLedger, server: Server) -> None:
    server.command("HDEL", f"{BOOKS}:budgets", window_of(server, BOT))
    whats = {what for what, _, _ in await found(used)}
    assert whats, "its entries name a window that is not there"


async def test_what_a_rolling_window_forgot_is_found(ledger: RedisLedger, server: Server) -> None:
    period = Period(PeriodStep.ROLLING, rolling_ms=3_600_000)
    await declare(ledger, line(DEV, 100, period=period))
    await spend(ledger, 8)
    number = window_of(server, DEV).removeprefix("w:")
    server.command("HDEL", f"{BOOKS}:budgets", f"buckets:{number}")
    assert ("spent, by the buckets", 8, 0) in await found(ledger)


async def test_calls_go_on_meanwhile(ledger: RedisLedger) -> None:
    """It reads page by page, and adds what happened since."""
    await declare(ledger, line(DEV, 100_000), line("tenant:dev/agent:*", 50_000))
    for number in range(450):
        await spend(ledger, 3, agent=f"a{number % 5}")

    async def call(number: int) -> None:
        grant = await ledger.reserve(ask(5, agent=f"b{number % 4}"))
        await commit(ledger, grant.reservation_id, number % 8)

    async def keep_calling() -> None:
        for number in range(200):
            await call(number)

    calling = asyncio.ensure_future(keep_calling())
    audits = 0
    while not calling.done():
        assert (await ledger.verify()).differences == ()
        audits += 1
    await calling
    assert audits >= 2
    assert (await ledger.verify()).differences == ()


async def test_rows_may_go_meanwhile(ledger: RedisLedger) -> None:
    """No entry tells of a row that went: it is read once more."""
    await declare(ledger, line(DEV, 100_000))
    for _ in range(300):
        await spend(ledger, 3)
    at_ms = (await ledger.reservation((await ledger.reserve(ask(0))).reservation_id)).created_at_ms

    async def prune() -> None:
        while await ledger.prune(before_ms=at_ms - 1, limit=40):
            pass

    pruning = asyncio.ensure_future(prune())
    assert (await ledger.verify()).differences == ()
    await pruning
    assert (await ledger.verify()).differences == ()
