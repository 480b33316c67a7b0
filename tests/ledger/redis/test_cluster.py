"""Three masters, slots that move between them, and one that fails."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.faults import StoreError, StoreRefused
from proxy.ledger.redis.wire.slots import slot_of
from tests.ledger.redis.conftest import OpenStore
from tests.ledger.redis.scripts import ADD_ONCE, COUNT, ECHO
from tests.ledger.redis.timers import ManualTimers
from tests.servers.binaries import require
from tests.servers.cluster import RunningCluster, running_cluster
from tests.servers.process import Server, free_port

TENANTS = [f"tenant-{number}" for number in range(12)]


def keys_of(tenant: str) -> list[str]:
    return [f"{{t:{tenant}}}:count", f"{{t:{tenant}}}:done"]


@pytest.fixture
def empty(cluster: RunningCluster) -> RunningCluster:
    """The cluster of the session, without keys."""
    for master in cluster.masters:
        master.command("FLUSHALL")
    return cluster


@contextmanager
def moving(cluster: RunningCluster, slot: int, to: Server) -> Iterator[None]:
    """A slot on its way to another master; then it is back where it was."""
    source = cluster.owner(slot)
    to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.node_id(source))
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.node_id(to))
    try:
        yield
    finally:
        for master in (source, to):
            master.command("CLUSTER", "SETSLOT", slot, "STABLE")


def another(cluster: RunningCluster, owner: Server) -> Server:
    return next(master for master in cluster.masters if master is not owner)


def known_commands(server: Server, name: str) -> int:
    statistics = server.command("INFO", "commandstats").get(f"cmdstat_{name}", {"calls": 0})
    calls: int = statistics["calls"]
    return calls


async def test_each_tenant_lives_on_the_master_of_its_slot(
    empty: RunningCluster, open_store: OpenStore
) -> None:
    store = open_store(empty.url)
    replies = await asyncio.gather(
        *(store.run(ADD_ONCE, keys_of(tenant), ["a"]) for tenant in TENANTS)
    )
    assert replies == [[b"1"]] * len(TENANTS)
    owners = {tenant: empty.owner(slot_of(keys_of(tenant)[0])) for tenant in TENANTS}
    assert len({id(owner) for owner in owners.values()}) == 3
    for tenant, owner in owners.items():
        assert owner.command("GET", keys_of(tenant)[0]) == b"1"
    await store.close()


async def test_one_reachable_node_is_enough_to_begin(
    empty: RunningCluster, open_store: OpenStore, timers: ManualTimers
) -> None:
    live = empty.masters[1].port
    store = open_store(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{live}")
    for tenant in TENANTS:
        assert await store.run(ECHO, keys_of(tenant), []) == [1]
    await store.close()


async def test_the_map_is_asked_for_once_for_many(
    empty: RunningCluster, open_store: OpenStore
) -> None:
    before = sum(known_commands(master, "cluster|slots") for master in empty.masters)
    before += sum(known_commands(master, "cluster") for master in empty.masters)
    store = open_store(empty.url)
    await asyncio.gather(*(store.run(ECHO, keys_of(tenant), []) for tenant in TENANTS * 10))
    after = sum(known_commands(master, "cluster|slots") for master in empty.masters)
    after += sum(known_commands(master, "cluster") for master in empty.masters)
    assert after - before == 1
    await store.close()


async def test_a_slot_that_has_moved_is_followed_and_remembered(
    empty: RunningCluster, open_store: OpenStore
) -> None:
    store, keys = open_store(empty.url), keys_of("mover")
    slot = slot_of(keys[0])
    source = empty.owner(slot)
    target = another(empty, source)
    await store.run(ECHO, keys, [])
    empty.give(slot, target)
    try:
        assert await store.run(COUNT, keys, []) == [1]
        assert store.possible_failovers == 1
        assert await store.run(COUNT, keys, []) == [2]
        assert store.possible_failovers == 1
        assert target.command("GET", keys[0]) == b"2"
    finally:
        target.command("FLUSHALL")
        empty.give(slot, source)
    assert await store.run(COUNT, keys, []) == [1]
    await store.close()


async def test_a_key_on_the_move_is_asked_for_where_it_goes_and_the_slot_stays(
    empty: RunningCluster, open_store: OpenStore
) -> None:
    store, keys = open_store(empty.url), keys_of("traveller")
    slot = slot_of(keys[0])
    source = empty.owner(slot)
    target = another(empty, source)
    with moving(empty, slot, target):
        assert await store.run(COUNT, keys[:1], []) == [1]
        assert await store.run(COUNT, keys[:1], []) == [2]
        assert store.possible_failovers == 0
        assert target.command("DBSIZE") == 1
        target.command("FLUSHALL")
    assert await store.run(COUNT, keys[:1], []) == [1]
    assert source.command("GET", keys[0]) == b"1"
    await store.close()


async def test_keys_that_are_apart_while_they_move_are_waited_for(
    empty: RunningCluster, open_store: OpenStore, timers: ManualTimers
) -> None:
    store, keys = open_store(empty.url), keys_of("family")
    slot = slot_of(keys[0])
    source = empty.owner(slot)
    assert await store.run(COUNT, keys, []) == [1]
    with moving(empty, slot, another(empty, source)):
        running = asyncio.ensure_future(store.run(ADD_ONCE, keys, ["a"]))
        pause_ms = await timers.next_pause()
    timers.advance(pause_ms)
    assert await running == [b"2"]
    source.command("DEL", keys[1])
    with moving(empty, slot, another(empty, source)):
        with pytest.raises(StoreError, match="moving keys between its nodes") as told:
            await timers.skipping_pauses(store.run(ADD_ONCE, keys, ["a"]))
        assert not told.value.may_have_applied
    await store.close()


async def test_keys_in_two_slots_are_refused(empty: RunningCluster, open_store: OpenStore) -> None:
    store = open_store(empty.url)
    with pytest.raises(StoreError, match="not in one slot") as told:
        await store.run(ADD_ONCE, ["{a}", "{b}"], ["a"])
    assert not told.value.may_have_applied
    await store.close()


async def test_one_node_of_a_cluster_is_not_a_store(
    empty: RunningCluster, open_store: OpenStore
) -> None:
    keys = keys_of("lost")
    owner = empty.owner(slot_of(keys[0]))
    store = open_store(another(empty, owner).url)
    with pytest.raises(StoreRefused, match=r"write redis\+cluster://"):
        await store.run(ECHO, keys, [])
    await store.close()


async def test_one_server_is_not_a_cluster(any_server: Server, open_store: OpenStore) -> None:
    store = open_store(f"redis+cluster://127.0.0.1:{any_server.port}")
    with pytest.raises(StoreRefused, match="not a cluster; write redis://"):
        await store.run(ECHO, keys_of("x"), [])


async def test_a_cluster_that_nobody_answers_for_is_told(open_store: OpenStore) -> None:
    store = open_store(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match="cannot be reached") as told:
        await store.run(ECHO, keys_of("x"), [])
    assert not told.value.may_have_applied


async def run_all(store: RedisStore, timers: ManualTimers) -> dict[str, str]:
    """What each tenant gets: an answer, or why not."""
    outcomes = {}
    for tenant in TENANTS:
        timers.advance(100)
        try:
            await timers.skipping_pauses(store.run(ECHO, keys_of(tenant), []))
        except StoreError as error:
            outcomes[tenant] = error.why
        else:
            outcomes[tenant] = "answered"
    return outcomes


async def test_a_master_that_dies_is_replaced_by_whoever_has_its_slots_then(
    open_store: OpenStore, timers: ManualTimers
) -> None:
    """Its replica is made one by hand: the cluster's own vote takes longer than a test may."""
    with running_cluster(require("valkey"), has_replica=True) as cluster:
        store = open_store(cluster.url)
        assert set((await run_all(store, timers)).values()) == {"answered"}
        cluster.masters[0].kill()
        outcomes = await run_all(store, timers)
        lost = [
            tenant
            for tenant in TENANTS
            if cluster.owner(slot_of(keys_of(tenant)[0])) is cluster.masters[0]
        ]
        assert lost
        for tenant in lost:
            assert "cannot be reached" in outcomes[tenant]
        cluster.take_over()
        assert set((await run_all(store, timers)).values()) == {"answered"}
        assert store.possible_failovers >= 1
        await store.close()
