"""What a store must be before it may hold a ledger, and what its operator should know."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.ledger.redis.fitness import check_fitness, judge, read_info
from proxy.ledger.redis.wire.faults import StoreError, StoreRefused
from tests.ledger.redis.conftest import OpenStore
from tests.servers.cluster import RunningCluster
from tests.servers.process import Server, free_port, running

SOUND = {
    "redis_version": "6.2.14",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
}


def test_a_sound_store_has_no_findings() -> None:
    assert judge(SOUND) == []


@pytest.mark.parametrize("version", ["6.2.0", "7.2.4", "8.0", "10.0.1", "6.10"])
def test_every_version_from_the_oldest_on_is_accepted(version: str) -> None:
    assert judge({**SOUND, "redis_version": version}) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"redis_version": "6.0.16"}, "version 6.0.16; the ledger needs Redis 6.2 or newer"),
        ({"redis_version": "5.9"}, "version 5.9"),
        ({"redis_version": ""}, "version unknown"),
        ({"redis_version": "fork"}, "version fork"),
        ({"role": "slave"}, "read-only replica"),
        ({"maxmemory_policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
        ({"maxmemory_policy": "volatile-ttl"}, "CONFIG SET maxmemory-policy noeviction"),
    ],
)
def test_what_could_lose_a_budget_is_refused(change: Mapping[str, str], says: str) -> None:
    with pytest.raises(StoreRefused) as told:
        judge({**SOUND, **change})
    assert says in told.value.why
    assert not told.value.may_have_applied


def test_a_crash_that_would_forget_is_a_finding() -> None:
    (finding,) = judge({**SOUND, "aof_enabled": "0"})
    assert "appendonly yes" in finding


def test_a_policy_that_is_not_told_is_a_finding() -> None:
    told = {name: value for name, value in SOUND.items() if name != "maxmemory_policy"}
    (finding,) = judge(told)
    assert "does not tell its maxmemory-policy" in finding


@pytest.mark.parametrize(
    ("reply", "fields"),
    [
        (b"# Server\r\nredis_version:7\r\n\r\n# Memory\r\na:b:c\r\n", ["redis_version", "a"]),
        (b"", []),
        (b"\xff:\xff\r\n", ["\ufffd"]),
        (None, []),
    ],
)
def test_the_fields_of_an_answer_are_read(reply: object, fields: list[str]) -> None:
    assert list(read_info(reply)) == fields
    assert read_info(reply).get("a", "b:c") == "b:c"


async def test_every_kind_of_server_is_fit_as_it_comes(
    any_server: Server, open_store: OpenStore
) -> None:
    (finding,) = await check_fitness(open_store(any_server.unix_url))
    assert "append-only" in finding


async def test_every_kind_of_server_tells_what_makes_it_unfit(
    binary: Path, open_store: OpenStore
) -> None:
    """Its configuration may be out of reach, as on managed stores; INFO is enough."""
    with running(binary, maxmemory_policy="allkeys-lru", appendonly="yes") as server:
        server.command("ACL", "SETUSER", "agent", "on", ">right", "~*", "+@all", "-config")
        store = open_store(f"unix://agent:right@{server.socket_path}")
        with pytest.raises(StoreRefused, match="allkeys-lru"):
            await check_fitness(store)
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert await check_fitness(store) == ()
        server.command("REPLICAOF", "127.0.0.1", free_port())
        with pytest.raises(StoreRefused, match="read-only replica"):
            await check_fitness(store)
        await store.close()


async def test_a_cluster_has_each_finding_once(
    cluster: RunningCluster, open_store: OpenStore
) -> None:
    (finding,) = await check_fitness(open_store(cluster.url))
    assert "append-only" in finding


async def test_one_unfit_master_makes_a_cluster_unfit(
    cluster: RunningCluster, open_store: OpenStore
) -> None:
    cluster.masters[2].command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StoreRefused, match="allkeys-lru"):
            await check_fitness(open_store(cluster.url))
    finally:
        cluster.masters[2].command("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_a_store_that_is_not_there_is_told(open_store: OpenStore) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as told:
        await check_fitness(open_store(f"redis://127.0.0.1:{free_port()}"))
    assert not isinstance(told.value, StoreRefused)
