"""Very many leases end at once: they go in short runs, and calls come in between."""

import asyncio

import pytest

from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import DEV, ask, balance_of, declare, line
from tests.ledger.redis.home.test_cost import A_RUN, Meter
from tests.servers.process import Server


@pytest.mark.parametrize("holds", [1_000, pytest.param(100_000, marks=pytest.mark.soak)])
async def test_a_storm_of_leases_is_ended_in_short_runs(
    ledger: RedisLedger, server: Server, holds: int
) -> None:
    await declare(ledger, line(DEV, 10 * holds))
    for first in range(0, holds, 500):
        asked = (ask(5, ttl_ms=1, key=f"{number}") for number in range(first, first + 500))
        await asyncio.gather(*map(ledger.reserve, asked))
    long_lease = await ledger.reserve(ask(7))
    meter = Meter(server)
    meter.start()
    swept = await ledger.expire(limit=holds)
    assert len(swept.released) == holds
    assert meter.read()["evalsha"] <= holds // A_RUN + 3
    assert (await balance_of(ledger, DEV)).reserved == 7
    assert (await ledger.reservation(long_lease.reservation_id)).finalized_at_ms is None


async def test_a_call_waits_for_one_run_at_most(ledger: RedisLedger, server: Server) -> None:
    """The store answers in the order in which it is asked: the sweep asks a little at a time."""
    await declare(ledger, line(DEV, 100_000))
    asked = (ask(5, ttl_ms=1, key=f"{number}") for number in range(500))
    await asyncio.gather(*map(ledger.reserve, asked))
    sweep = asyncio.ensure_future(ledger.expire(limit=500))
    rounds = 0
    while not sweep.done():
        await ledger.reserve(ask(0))
        rounds += 1
    assert len((await sweep).released) == 500
    assert rounds >= 500 // A_RUN - 2
