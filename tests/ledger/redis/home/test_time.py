"""The store's time is the ledger's; the caller's counts for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import pytest

from proxy.domain.period import Period, window_at
from proxy.ledger.redis.call import Argument
from proxy.ledger.redis.ledger import RedisLedger
from proxy.ledger.redis.script import Script
from proxy.ledger.redis.store import Reply, Store
from tests.ledger.builders import DEV, ask, balance_of, commit, declare, line
from tests.ledger.harness import HOUR_MS, MINUTE_MS, NOON_MS, ManualClock, RedisHarness
from tests.ledger.redis.home.conftest import Processes
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


@dataclass
class Calendar:
    """A caller's idea of the calendar: it tells of its hour before it is asked for one."""

    store: Store
    start_ms: int

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        packed, *told = args
        if told == [b""]:
            hour = {"period": str(Period.HOUR), "after_ms": 0, "skipped": 0}
            span = {"start_ms": self.start_ms, "end_ms": self.start_ms + HOUR_MS}
            told = [msgspec.msgpack.encode([hour | span])]
        return await self.store.run(script, keys, [packed, *told])

    @property
    def possible_failovers(self) -> int:
        return self.store.possible_failovers

    async def close(self) -> None:
        await self.store.close()


@pytest.mark.parametrize("hours_off", [-24 * 365, -1, 1, 24 * 365])
async def test_a_window_that_a_caller_made_up_is_not_believed(
    processes: Processes, server: Server, hours_off: int
) -> None:
    """Its clock may be years off: what it says of the calendar is held against the store's."""
    store = processes.connect(server.unix_url)
    before_ms = time_of(server)
    wrong_ms = window_at(Period.HOUR, before_ms).start_ms + hours_off * HOUR_MS
    ledger = processes.open(Calendar(store, wrong_ms))
    await declare(ledger, line(DEV, 100, period=Period.HOUR))
    (balance,) = (await ledger.reserve(ask(5, agent=None))).balances
    assert balance.window_end_ms is not None
    assert balance.window_start_ms <= time_of(server)
    assert before_ms < balance.window_end_ms


@dataclass
class RunningClock(ManualClock):
    """A millisecond goes by with each look at it."""

    def now_ms(self) -> int:
        self.at_ms += 1
        return self.at_ms


@pytest.mark.parametrize("left_ms", range(5))
async def test_a_window_that_ends_while_it_is_told_is_told_again(
    server: Server, left_ms: int
) -> None:
    harness = RedisHarness(server.unix_url, clock=RunningClock())
    try:
        ledger = harness.ledger
        await declare(ledger, line(DEV, 100, period=Period.HOUR))
        for hour in (1, 2):
            harness.clock.at_ms = NOON_MS + hour * HOUR_MS - left_ms
            grant = await ledger.reserve(ask(5, agent=None))
            (balance,) = grant.balances
            made_ms = (await ledger.reservation(grant.reservation_id)).created_at_ms
            assert balance.window_end_ms is not None
            assert balance.window_start_ms <= made_ms < balance.window_end_ms
    finally:
        await harness.close()
