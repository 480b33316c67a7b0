"""The store's time is the ledger's; the caller's counts for nothing."""

from proxy.domain.period import Period, window_at
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import DEV, ask, balance_of, commit, declare, line
from tests.ledger.harness import MINUTE_MS
from tests.servers.process import Server


def time_of(server: Server) -> int:
    seconds, microseconds = server.command("TIME")
    return int(seconds) * 1_000 + int(microseconds) // 1_000


async def test_a_hold_is_made_and_ends_at_the_time_of_the_store(
    ledger: RedisLedger, server: Server
) -> None:
    await declare(ledger, line(DEV, 100))
    before_ms = time_of(server)
    grant = await ledger.reserve(ask(5, agent=None))
    between_ms = time_of(server)
    await commit(ledger, grant.reservation_id, 5)
    after_ms = time_of(server)
    row = await ledger.reservation(grant.reservation_id)
    assert before_ms <= row.created_at_ms <= between_ms
    assert row.finalized_at_ms is not None
    assert between_ms <= row.finalized_at_ms <= after_ms
    assert grant.expires_at_ms == row.created_at_ms + MINUTE_MS
    (*_, last) = await ledger.journal("dev", after_seq=0, limit=10)
    assert last.at_ms == row.finalized_at_ms


async def test_the_window_is_that_of_the_time_of_the_store(
    ledger: RedisLedger, server: Server
) -> None:
    await declare(ledger, line(DEV, 100, period=Period.HOUR))
    before_ms, balance, after_ms = (
        time_of(server),
        await balance_of(ledger, DEV),
        time_of(server),
    )
    windows = {window_at(Period.HOUR, at_ms).start_ms for at_ms in (before_ms, after_ms)}
    assert balance.window_start_ms in windows


async def test_a_window_that_a_caller_made_up_is_not_believed(
    ledger: RedisLedger, server: Server
) -> None:
    """Its clock may be years off: what it says of the calendar is held against the store's."""
    await declare(ledger, line(DEV, 100, period=Period.HOUR))
    balance = await balance_of(ledger, DEV)
    assert balance.window_end_ms is not None
    assert balance.window_start_ms <= time_of(server) <= balance.window_end_ms
