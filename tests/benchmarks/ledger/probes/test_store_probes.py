"""The probes of a store: what they send makes the same books as the ledger does."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from proxy.app import new_reservation_id
from proxy.domain.reservation import State
from proxy.ledger.redis.ledger import RedisLedger
from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.ledger.callers import Stint, call
from tests.benchmarks.ledger.homes import make_store, open_redis
from tests.benchmarks.ledger.probes.pipeline import Pipeline
from tests.benchmarks.ledger.probes.pool import open_pool
from tests.benchmarks.ledger.probes.requests import check, command_of, record
from tests.servers.fixtures import server, valkey
from tests.servers.process import Server

__all__ = ["server", "valkey"]

A_WHILE_S = 0.05
CALLERS = 5

Run = Callable[[Server], Awaitable[Stint]]


async def by_pipeline(server: Server) -> Stint:
    pipeline = Pipeline(
        "127.0.0.1",
        server.port,
        await record(server.url),
        new_id=new_reservation_id,
        numbers=itertools.count(1),
    )
    try:
        return pipeline.run(callers=CALLERS, duration_s=A_WHILE_S)
    finally:
        pipeline.close()


async def by_pool(server: Server) -> Stint:
    requests = await record(server.url)
    async with open_pool(server.url, requests, new_reservation_id) as pairs:
        return await call(pairs, itertools.count(1), callers=CALLERS, duration_s=A_WHILE_S)


@pytest.fixture
async def books(server: Server) -> AsyncIterator[RedisLedger]:
    async with open_redis(make_store(server.url)) as ledger:
        yield ledger


@pytest.mark.parametrize("run", [by_pipeline, by_pool])
async def test_books_that_a_probe_made_are_true(
    run: Run, server: Server, books: RedisLedger
) -> None:
    stint = await run(server)
    pairs = stint.operations // 2
    assert len(stint.latencies_ns) == pairs >= CALLERS
    states = frozenset(State)
    rows = await books.reservations(states=states, limit=10_000)
    assert {row.state for row in rows} == {State.COMMITTED}
    recorded = 1
    assert len({row.key for row in rows}) == len(rows) == pairs + recorded
    assert (await books.verify()).differences == ()


async def test_a_request_of_another_pair_differs_in_its_words_only(server: Server) -> None:
    requests = await record(server.url)
    command = command_of(requests, requests.reserve)
    other_id, other_key = new_reservation_id(), "pair-000000000042"
    other = command.of(other_id, other_key)
    assert len(other) == len(command.packed)
    assert other.count(other_id.encode()) == other.count(other_key.encode()) == 1
    assert command.of(requests.reservation_id, requests.key) == command.packed


@pytest.mark.parametrize("reply", [[b"BUDGET_EXCEEDED", b"", b"", 0], b"OK", Exception("NOSCRIPT")])
def test_a_script_that_refuses_ends_the_probe(reply: object) -> None:
    with pytest.raises(CannotMeasure, match="the store answered"):
        check(reply)


async def test_a_store_that_hangs_up_ends_the_probe(server: Server) -> None:
    pipeline = Pipeline(
        "127.0.0.1",
        server.port,
        await record(server.url),
        new_id=new_reservation_id,
        numbers=itertools.count(1),
    )
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises((CannotMeasure, ConnectionError)):
        pipeline.run(callers=1, duration_s=A_WHILE_S)
    pipeline.close()
