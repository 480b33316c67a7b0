"""A connection that is made again when it is gone, and the rests in between."""

import asyncio
from collections import deque
from random import Random

import pytest

from proxy.ledger.redis.wire.connection import Connection, OnEnd, pack
from proxy.ledger.redis.wire.faults import AttemptFailed, Fault, Remedy
from proxy.ledger.redis.wire.link import Link
from proxy.ledger.redis.wire.timing import Backoff
from tests.ledger.redis.timers import ManualTimers
from tests.ledger.redis.wire.transports import FakeTransport

DIAL_MS = 1_000
DOWN = Fault("nobody is there", Remedy.RECONNECT)


class Exchange:
    """Dials: a connection each time, or one of the failures that were laid in."""

    def __init__(self) -> None:
        self.timers = ManualTimers(at_ms=0)
        self.dials = 0
        self.failures: deque[Fault] = deque()
        self.silent = False
        self.hangs_up = False
        self.transports: list[FakeTransport] = []
        self.losses = 0
        self.link = Link(
            self.dial,
            timers=self.timers,
            backoff=Backoff(Random(1)),
            dial_ms=DIAL_MS,
            on_loss=self.lose,
        )

    def lose(self) -> None:
        self.losses += 1

    async def dial(self, on_end: OnEnd) -> Connection:
        self.dials += 1
        if self.silent:
            await asyncio.get_running_loop().create_future()
        if self.failures:
            raise AttemptFailed(self.failures.popleft())
        connection = Connection(timers=self.timers, reply_ms=DIAL_MS, on_end=on_end)
        self.transports.append(FakeTransport(connection))
        if self.hangs_up:
            self.transports[-1].lose()
        return connection

    async def connected(self) -> Connection:
        return await self.link.connected(self.timers.now_ms() + DIAL_MS)

    async def failure(self) -> Fault:
        with pytest.raises(AttemptFailed) as failed:
            await self.connected()
        return failed.value.fault


async def test_nobody_is_dialled_before_somebody_asks() -> None:
    exchange = Exchange()
    assert exchange.link.connection is None
    assert exchange.link.is_idle
    assert exchange.dials == 0


async def test_all_who_ask_meanwhile_share_one_connection() -> None:
    exchange = Exchange()
    connections = await asyncio.gather(*(exchange.connected() for _ in range(5)))
    assert exchange.dials == 1
    assert set(connections) == {exchange.link.connection}
    assert not exchange.link.is_idle


async def test_a_first_loss_is_made_good_at_once() -> None:
    exchange = Exchange()
    first = await exchange.connected()
    exchange.transports[0].lose()
    assert exchange.link.connection is None
    assert await exchange.connected() is not first
    assert exchange.dials == 2
    assert exchange.losses == 1


async def test_a_second_loss_soon_after_is_followed_by_a_rest() -> None:
    exchange = Exchange()
    for _ in range(2):
        await exchange.connected()
        exchange.transports[-1].lose(ConnectionResetError("reset"))
    assert (await exchange.failure()).why == "the store hung up: it broke: reset"
    assert exchange.dials == 2
    exchange.timers.advance(Backoff.FIRST_MS)
    await exchange.connected()
    assert exchange.dials == 3


async def test_every_loss_of_a_connection_that_lasted_is_a_first_one() -> None:
    exchange = Exchange()
    for dials in range(1, 6):
        await exchange.connected()
        assert exchange.dials == dials
        exchange.timers.advance(2_000)
        exchange.transports[-1].lose()


async def test_failing_tries_are_told_at_once_and_rest_longer_each_time() -> None:
    exchange = Exchange()
    exchange.failures.extend([DOWN] * 4)
    for shortest_ms, longest_ms, dials in ((0, 0, 1), (0, 0, 2), (25, 50, 3), (50, 100, 4)):
        exchange.timers.advance(max(shortest_ms - 1, 0))
        if shortest_ms:
            assert await exchange.failure() == DOWN
            assert exchange.dials == dials - 1
        exchange.timers.advance(longest_ms - max(shortest_ms - 1, 0))
        assert await exchange.failure() == DOWN
        assert exchange.dials == dials
    exchange.timers.advance(200)
    await exchange.connected()
    assert exchange.dials == 5


async def test_a_dial_that_hears_nothing_is_given_up() -> None:
    exchange = Exchange()
    exchange.silent = True
    late = "no connection to the store within 1000 ms"
    for _ in range(2):
        waiting = asyncio.ensure_future(exchange.failure())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        exchange.timers.advance(DIAL_MS)
        assert (await waiting).why == late
    exchange.silent = False
    assert (await exchange.failure()).why == late
    assert exchange.dials == 2
    exchange.timers.advance(Backoff.FIRST_MS)
    await exchange.connected()
    assert exchange.dials == 3


async def test_a_connection_that_was_lost_while_it_was_made_is_not_handed_out() -> None:
    exchange = Exchange()
    exchange.hangs_up = True
    assert (await exchange.failure()).why == "the store hung up: it was closed"
    assert exchange.link.connection is None
    exchange.hangs_up = False
    assert (await exchange.connected()).why_ended is None


async def test_a_retired_connection_still_brings_its_replies() -> None:
    exchange = Exchange()
    connection = await exchange.connected()
    asked = connection.ask(pack("PING"))
    exchange.link.retire(connection, DOWN)
    newer = await exchange.connected()
    assert newer is not connection
    await asyncio.sleep(0)
    connection.data_received(b"+PONG\r\n")
    assert asked.result() == b"PONG"
    assert exchange.link.connection is newer
    exchange.link.retire(connection, DOWN)
    assert exchange.link.connection is newer
    assert exchange.losses == 1


async def test_closing_waits_for_what_was_asked() -> None:
    exchange = Exchange()
    connection = await exchange.connected()
    asked = connection.ask(pack("PING"))
    closing = asyncio.ensure_future(exchange.link.close())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not closing.done()
    connection.data_received(b"+PONG\r\n")
    await closing
    assert asked.result() == b"PONG"
    assert exchange.link.is_idle


async def test_closing_cuts_a_dial_short() -> None:
    exchange = Exchange()
    exchange.silent = True
    waiting = asyncio.ensure_future(exchange.failure())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await exchange.link.close()
    assert "no connection" in (await waiting).why
    assert exchange.link.is_idle
