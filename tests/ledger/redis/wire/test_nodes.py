"""Which nodes of a cluster are asked for its map, when, and which are left."""

import asyncio
from collections import Counter
from functools import partial
from random import Random

import pytest

from proxy.ledger.redis.wire.address import Endpoint
from proxy.ledger.redis.wire.cluster import Cluster
from proxy.ledger.redis.wire.connection import Connection, OnEnd
from proxy.ledger.redis.wire.faults import AttemptFailed, Fault, Remedy
from proxy.ledger.redis.wire.link import Link
from proxy.ledger.redis.wire.replies import fault_of
from proxy.ledger.redis.wire.slots import slot_of
from proxy.ledger.redis.wire.timing import Backoff
from tests.ledger.redis.timers import ManualTimers
from tests.ledger.redis.wire.transports import FakeTransport

A, B, C, D = (Endpoint(name, 7000) for name in "abcd")
KEY = "{t:acme}:budgets"
DUE_MS = 10_000


class World:
    """Nodes that know the same map, some of them out of reach."""

    def __init__(self, *seeds: Endpoint) -> None:
        self.timers = ManualTimers(at_ms=0)
        self.owners: dict[Endpoint, tuple[int, int]] = {A: (0, 8191), B: (8192, 16383)}
        self.down: set[Endpoint] = set()
        self.dialled: list[Endpoint] = []
        self.asked: Counter[Endpoint] = Counter()
        self.transports: dict[Endpoint, FakeTransport] = {}
        self.cluster = Cluster(seeds, self.link, timers=self.timers, look_ms=1_000)

    def link(self, endpoint: Endpoint) -> Link:
        return Link(
            partial(self.dial, endpoint),
            timers=self.timers,
            backoff=Backoff(Random(1)),
            dial_ms=1_000,
            on_loss=lambda: None,
        )

    async def dial(self, endpoint: Endpoint, on_end: OnEnd) -> Connection:
        self.dialled.append(endpoint)
        if endpoint in self.down:
            raise AttemptFailed(Fault(f"{endpoint} is down", Remedy.RECONNECT))
        connection = Connection(timers=self.timers, reply_ms=1_000, on_end=on_end)
        answer = partial(self.answer, endpoint)
        self.transports[endpoint] = FakeTransport(connection, answer)
        return connection

    def answer(self, endpoint: Endpoint, command: list[bytes]) -> bytes:
        assert command == [b"CLUSTER", b"SLOTS"]
        self.asked[endpoint] += 1
        ranges = [
            b"*3\r\n:%d\r\n:%d\r\n*2\r\n$1\r\n%s\r\n:%d\r\n"
            % (first, last, owner.host.encode(), owner.port)
            for owner, (first, last) in self.owners.items()
        ]
        return b"*%d\r\n%s" % (len(ranges), b"".join(ranges))

    async def look(self) -> Link:
        return await self.cluster.look_again(KEY, self.timers.now_ms() + DUE_MS)


async def test_before_the_first_look_nobody_owns_anything() -> None:
    world = World(A)
    assert world.cluster.find(KEY) is None
    link = await world.look()
    assert world.cluster.find(KEY) is link
    assert world.asked == {A: 1}


async def test_many_who_miss_a_node_look_once_in_a_while() -> None:
    world = World(A)
    await asyncio.gather(*(world.look() for _ in range(50)))
    for _ in range(50):
        await world.look()
    assert world.asked.total() == 1
    world.timers.advance(99)
    await world.look()
    assert world.asked.total() == 1
    world.timers.advance(1)
    await world.look()
    assert world.asked.total() == 2


async def test_a_node_that_answers_already_is_asked_before_seeds_are_dialled() -> None:
    world = World(C, D)
    await world.look()
    world.dialled.clear()
    await (await world.look()).connected(DUE_MS)
    world.timers.advance(100)
    owner = world.dialled.pop()
    await world.look()
    assert world.asked[owner] == 1
    assert world.dialled == []


async def test_each_look_begins_with_another_seed() -> None:
    """The first one may swallow all the time there is."""
    world = World(A, B, C)
    world.down = {A, B, C}
    for _ in range(3):
        with pytest.raises(AttemptFailed, match="is down"):
            await world.look()
        world.timers.advance(10_000)
    firsts = world.dialled[0::3]
    assert sorted(firsts) == [A, B, C]


async def test_an_owner_that_is_no_seed_is_asked_when_seeds_are_gone() -> None:
    world = World(C)
    await world.look()
    world.down = {C}
    world.timers.advance(5_000)
    await world.look()
    assert world.asked == {C: 1, A: 1}


async def test_nodes_that_own_nothing_are_left() -> None:
    world = World(C)
    await world.look()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not world.transports[C].is_open
    world.owners = {D: (0, 16383)}
    world.timers.advance(100)
    link = await world.look()
    await link.connected(DUE_MS)
    assert world.transports[D].is_open
    await world.cluster.close()
    assert not any(transport.is_open for transport in world.transports.values())


async def test_a_slot_without_a_master_is_told() -> None:
    world = World(A)
    world.owners = {A: (0, 0)}
    assert slot_of(KEY) != 0
    with pytest.raises(AttemptFailed, match="cluster of the store is down"):
        await world.look()


async def test_a_redirect_without_a_host_leads_to_the_host_that_gave_it() -> None:
    world = World(A)
    asked = await world.look()
    owner = A if slot_of(KEY) < 8192 else B
    link = world.cluster.follow(KEY, fault_of("MOVED 1 :7999"), asked)
    await link.connected(DUE_MS)
    assert world.dialled[-1] == Endpoint(owner.host, 7999)
    assert world.cluster.find(KEY) is link


async def test_a_map_that_cannot_be_read_is_asked_for_elsewhere() -> None:
    world = World(C, D)
    world.answer = lambda endpoint, command: b"+OK\r\n"  # type: ignore[method-assign]
    with pytest.raises(AttemptFailed, match="did not say which node has which keys"):
        await world.look()
    assert sorted(world.dialled) == [C, D]


async def test_a_look_that_hears_nothing_is_given_up() -> None:
    world = World(A)
    was_asked = asyncio.Event()

    def say_nothing(endpoint: Endpoint, command: list[bytes]) -> bytes:
        was_asked.set()
        return b""

    world.answer = say_nothing  # type: ignore[method-assign]
    looking = asyncio.ensure_future(world.look())
    await was_asked.wait()
    world.timers.advance(1_000)
    with pytest.raises(AttemptFailed, match="within 1000 ms"):
        await looking
