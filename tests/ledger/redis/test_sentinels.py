"""A master that fails, and the sentinel that names another."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.ledger.redis.wire.faults import StoreError, StoreRefused
from tests.ledger.redis.conftest import OpenStore
from tests.ledger.redis.scripts import ADD_ONCE, COUNT, ECHO, KEYS
from tests.ledger.redis.timers import ManualTimers
from tests.servers.binaries import require
from tests.servers.process import free_port
from tests.servers.sentinels import MASTER_NAME, Watched, running_sentinel


@pytest.fixture
def watched(binary: Path) -> Iterator[Watched]:
    """A master of each kind in turn that a test may kill."""
    with running_sentinel(binary) as watched:
        yield watched


@pytest.fixture
def watched_valkey() -> Iterator[Watched]:
    """A master that a test may ruin."""
    with running_sentinel(require("valkey")) as watched:
        yield watched


async def test_the_store_follows_its_master_over_a_failover(
    watched: Watched, open_store: OpenStore, timers: ManualTimers
) -> None:
    store = open_store(watched.url)
    assert await store.run(ADD_ONCE, KEYS, ["before"]) == [b"1"]
    assert watched.master.command("GET", KEYS[0]) == b"1"
    watched.master.command("WAIT", 1, 1_000)
    watched.fail_over()
    timers.advance(100)
    assert store.possible_failovers == 0
    assert await store.run(ADD_ONCE, KEYS, ["after"]) == [b"2"]
    assert store.possible_failovers == 1
    assert watched.replica.command("GET", KEYS[0]) == b"2"
    assert await store.run(ADD_ONCE, KEYS, ["before"]) == [b"2"]
    await store.close()


async def test_a_master_that_was_made_a_replica_is_left_for_the_new_one(
    watched: Watched, open_store: OpenStore
) -> None:
    """Nobody closes the connection; the old master says it when it is written to."""
    store = open_store(watched.url)
    assert await store.run(COUNT, KEYS, []) == [1]
    watched.master.command("WAIT", 1, 1_000)
    watched.demote()
    assert store.possible_failovers == 0
    assert await store.run(COUNT, KEYS, []) == [2]
    assert store.possible_failovers == 1
    assert watched.replica.command("GET", KEYS[0]) == b"2"
    await store.close()


async def test_a_sentinel_that_is_gone_is_passed_over(
    watched_valkey: Watched, open_store: OpenStore
) -> None:
    url = watched_valkey.url.replace("//", f"//127.0.0.1:{free_port()},")
    store = open_store(url)
    assert await store.run(ECHO, KEYS, []) == [1]
    await store.close()


async def test_a_name_that_the_sentinel_does_not_know_is_told(
    watched_valkey: Watched, open_store: OpenStore
) -> None:
    with pytest.raises(StoreRefused, match="does not know the master of the address") as told:
        await open_store(watched_valkey.url.replace(MASTER_NAME, "other")).run(ECHO, KEYS, [])
    assert "other" not in told.value.why


async def test_a_sentinel_that_lags_behind_is_not_believed(
    watched_valkey: Watched, open_store: OpenStore
) -> None:
    watched_valkey.sentinel_command(
        "SENTINEL", "SET", MASTER_NAME, "down-after-milliseconds", 60_000
    )
    watched_valkey.master.command("REPLICAOF", "127.0.0.1", watched_valkey.replica.port)
    store = open_store(watched_valkey.url)
    with pytest.raises(StoreError, match="read-only replica") as told:
        await store.run(ECHO, KEYS, [])
    assert not told.value.may_have_applied
    await store.close()


async def test_a_user_who_may_not_ask_for_the_role_takes_the_sentinel_at_its_word(
    watched_valkey: Watched, open_store: OpenStore
) -> None:
    rights = ("on", ">right", "~*", "+@all", "-role")
    watched_valkey.master.command("ACL", "SETUSER", "agent", *rights)
    store = open_store(watched_valkey.url.replace("//", "//agent:right@"))
    assert await store.run(ECHO, KEYS, []) == [1]
    await store.close()


async def test_the_password_is_said_to_a_sentinel_only_if_it_wants_one(
    watched_valkey: Watched, open_store: OpenStore
) -> None:
    watched_valkey.master.command("CONFIG", "SET", "requirepass", "s@cret")
    url = watched_valkey.url.replace("//", "//:s%40cret@").replace("/0", "/2")
    store = open_store(url)
    assert await store.run(ECHO, KEYS, []) == [1]
    await store.close()
    watched_valkey.sentinel_command("ACL", "SETUSER", "default", "resetpass", ">s@cret")
    store = open_store(url)
    assert await store.run(ECHO, KEYS, []) == [1]
    await store.close()
    with pytest.raises(StoreRefused, match="wants a password"):
        await open_store(watched_valkey.url).run(ECHO, KEYS, [])


async def test_a_sentinel_may_have_a_user_and_a_password_of_its_own(
    watched_valkey: Watched, open_store: OpenStore
) -> None:
    watched_valkey.master.command("CONFIG", "SET", "requirepass", "s@cret")
    for sentence in (
        ("watcher", "on", ">a+b", "+sentinel|get-master-addr-by-name", "+ping"),
        ("default", "resetpass", ">other"),
    ):
        watched_valkey.sentinel_command("ACL", "SETUSER", *sentence)
    url = watched_valkey.url.replace("//", "//:s%40cret@")
    store = open_store(f"{url}?sentinel_username=watcher&sentinel_password=a+b")
    assert await store.run(ECHO, KEYS, []) == [1]
    await store.close()
    store = open_store(f"{url}?sentinel_password=other")
    assert await store.run(ECHO, KEYS, []) == [1]
    await store.close()
    with pytest.raises(StoreRefused, match="a sentinel that was told sentinel_password says"):
        await open_store(f"{url}?sentinel_password=wrong").run(ECHO, KEYS, [])


async def test_the_password_of_the_servers_is_for_no_sentinel_that_has_its_own(
    open_store: OpenStore,
) -> None:
    heard = bytearray()

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            heard.extend(data)
            writer.write(b"-NOAUTH Authentication required.\r\n")
        writer.close()

    async with await asyncio.start_server(complain, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        url = f"redis+sentinel://:hunter2@127.0.0.1:{port}/{MASTER_NAME}"
        with pytest.raises(StoreError, match="wants a password"):
            await open_store(f"{url}?sentinel_password=own").run(ECHO, KEYS, [])
    assert b"own" in heard
    assert b"hunter2" not in heard


async def test_the_password_is_not_said_to_a_sentinel_that_has_another_complaint(
    open_store: OpenStore,
) -> None:
    heard = bytearray()

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            heard.extend(data)
            writer.write(b"-ERR no such command\r\n")
        writer.close()

    async with await asyncio.start_server(complain, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        url = f"redis+sentinel://:hunter2@127.0.0.1:{port}/{MASTER_NAME}"
        with pytest.raises(StoreError, match="unknown error"):
            await open_store(url).run(ECHO, KEYS, [])
    assert b"GET-MASTER-ADDR-BY-NAME" in heard
    assert b"hunter2" not in heard


async def test_no_sentinel_at_all_is_told(open_store: OpenStore) -> None:
    ports = f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    with pytest.raises(StoreError, match="cannot be reached"):
        await open_store(f"redis+sentinel://{ports}/{MASTER_NAME}").run(ECHO, KEYS, [])
