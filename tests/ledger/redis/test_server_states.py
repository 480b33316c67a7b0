"""What real servers of each kind say when they are full, locked, read-only, restarted or busy.

Redis 6.2 wraps what a command inside a script answers, so texts that were only typed in
would prove little.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.faults import StoreError, StoreRefused
from tests.ledger.redis.conftest import DEADLINE_MS, OpenStore
from tests.ledger.redis.scripts import ADD_ONCE, ECHO, KEYS
from tests.ledger.redis.timers import ManualTimers
from tests.servers.certificates import Certificates
from tests.servers.process import Server, free_port, running
from tests.servers.relay import relay_to

SECRET = "hunter2"


@pytest.fixture
def own_server(binary: Path) -> Iterator[Server]:
    """A server that a test may ruin."""
    with running(binary) as server:
        yield server


@pytest.fixture
async def store(own_server: Server, open_store: OpenStore) -> AsyncIterator[RedisStore]:
    """A store that has been used, on a server of its own."""
    opened = open_store(own_server.unix_url)
    await opened.run(ADD_ONCE, KEYS, ["first"])
    yield opened
    await opened.close()


async def failure(store: RedisStore, timers: ManualTimers | None = None) -> StoreError:
    """What the caller of an operation is told, after pauses if there is somebody to skip them."""
    work = store.run(ADD_ONCE, KEYS, ["key"])
    with pytest.raises(StoreError) as told:
        await (work if timers is None else timers.skipping_pauses(work))
    return told.value


async def test_a_full_store_has_applied_nothing(own_server: Server, store: RedisStore) -> None:
    own_server.command("CONFIG", "SET", "maxmemory", "1")
    told = await failure(store)
    assert isinstance(told, StoreRefused)
    assert "raise its maxmemory" in told.why
    assert not told.may_have_applied
    own_server.command("CONFIG", "SET", "maxmemory", "0")
    assert own_server.command("GET", KEYS[0]) == b"1"
    assert await store.run(ADD_ONCE, KEYS, ["key"]) == [b"2"]


async def test_a_store_that_became_a_replica_is_left_for_a_new_connection(
    own_server: Server, store: RedisStore
) -> None:
    own_server.command("REPLICAOF", "127.0.0.1", free_port())
    told = await failure(store)
    assert "read-only replica" in told.why
    assert not told.may_have_applied
    own_server.command("REPLICAOF", "NO", "ONE")
    assert int(own_server.command("INFO", "stats")["total_connections_received"]) == 3


async def test_a_replica_that_lost_its_master_cannot_work_now(
    own_server: Server, store: RedisStore, timers: ManualTimers
) -> None:
    own_server.command("CONFIG", "SET", "replica-serve-stale-data", "no")
    own_server.command("REPLICAOF", "127.0.0.1", free_port())
    told = await failure(store, timers)
    assert "has lost its master" in told.why
    assert not told.may_have_applied


async def test_a_store_without_its_replicas_is_refused(
    own_server: Server, store: RedisStore
) -> None:
    own_server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    told = await failure(store)
    assert isinstance(told, StoreRefused)
    assert "min-replicas-to-write" in told.why


async def test_a_password_that_is_missing_or_wrong_is_told_and_not_shown(
    own_server: Server, open_store: OpenStore
) -> None:
    own_server.command("ACL", "SETUSER", "agent", "on", ">right", "~*", "+@all")
    own_server.command("CONFIG", "SET", "requirepass", "right")
    path = own_server.socket_path
    for url, says in (
        (f"unix://{path}", "wants a password"),
        (f"unix://:{SECRET}@{path}", "does not accept the user and password"),
        (f"unix://agent:{SECRET}@{path}", "does not accept the user and password"),
    ):
        told = await failure(open_store(url))
        assert isinstance(told, StoreRefused)
        assert says in told.why
        assert SECRET not in repr(told) + str(told)
    assert await open_store(f"unix://agent:right@{path}").run(ECHO, KEYS, []) == [1]


async def test_a_password_for_a_store_that_has_none_is_told(
    own_server: Server, open_store: OpenStore
) -> None:
    told = await failure(open_store(f"unix://:{SECRET}@{own_server.socket_path}"))
    assert isinstance(told, StoreRefused)
    assert "the store has none" in told.why
    assert SECRET not in told.why


@pytest.mark.parametrize(
    ("rights", "may_have_applied"),
    [(["-eval", "-evalsha"], False), (["-incr"], True), (["resetkeys", "~other"], False)],
)
async def test_a_user_without_the_rights_is_told(
    own_server: Server, open_store: OpenStore, rights: list[str], may_have_applied: bool
) -> None:
    """A script that is stopped in its middle is not undone."""
    own_server.command("ACL", "SETUSER", "agent", "on", ">right", "~*", "+@all", *rights)
    told = await failure(open_store(f"unix://agent:right@{own_server.socket_path}"))
    assert isinstance(told, StoreRefused)
    assert "the user of the address may not do" in told.why
    assert told.may_have_applied is may_have_applied
    assert own_server.command("EXISTS", KEYS[1]) == int(may_have_applied)


async def test_a_database_that_does_not_exist_is_told(
    own_server: Server, open_store: OpenStore
) -> None:
    told = await failure(open_store(f"{own_server.unix_url}?db=99"))
    assert isinstance(told, StoreRefused)
    assert "no database of the number" in told.why


async def test_a_store_with_too_many_clients_is_told(
    own_server: Server, open_store: OpenStore, timers: ManualTimers
) -> None:
    own_server.command("CONFIG", "SET", "maxclients", "1")
    told = await failure(open_store(own_server.unix_url), timers)
    assert "maxclients" in told.why or "hung up" in told.why
    assert not told.may_have_applied


async def test_a_busy_store_is_told(
    own_server: Server, store: RedisStore, timers: ManualTimers
) -> None:
    own_server.command("CONFIG", "SET", "lua-time-limit", "1")
    stranger = threading.Thread(target=spin, args=(own_server,))
    stranger.start()
    own_server.wait_for("low script detected")
    try:
        told = await failure(store, timers)
        assert told.why == "the store is busy with a script of somebody else"
        assert not told.may_have_applied
    finally:
        own_server.command("SCRIPT", "KILL")
        stranger.join()
    assert await store.run(ADD_ONCE, KEYS, ["key"]) == [b"2"]


def spin(server: Server) -> None:
    with pytest.raises(redis.ResponseError, match="killed"):
        server.command("EVAL", "while true do end", 0)


async def test_a_store_that_was_restarted_is_found_again(
    own_server: Server, store: RedisStore, timers: ManualTimers
) -> None:
    own_server.kill()
    for was_known_to_be_gone in (False, True):
        told = await failure(store)
        assert "cannot be reached" in told.why
        assert told.may_have_applied is not was_known_to_be_gone
    own_server.start()
    timers.advance(100)
    assert await store.run(ADD_ONCE, KEYS, ["key"]) == [b"1"]


async def test_a_port_that_nobody_has_is_told_at_once(open_store: OpenStore) -> None:
    port = free_port()
    told = await failure(open_store(f"redis://127.0.0.1:{port}"))
    assert told.why == f"the store at 127.0.0.1:{port} cannot be reached: Connection refused"


async def test_a_host_that_nobody_has_is_told(open_store: OpenStore) -> None:
    told = await failure(open_store(f"redis://{'x' * 64}.invalid"))
    assert "cannot be reached" in told.why


async def test_a_certificate_of_a_stranger_is_told(
    server: Server, certificates: Certificates, open_store: OpenStore
) -> None:
    async with relay_to(server.socket_path, certificates.context()) as relay:
        told = await failure(open_store(relay.url))
        assert isinstance(told, StoreRefused)
        assert "?ssl_ca_certs=" in told.why
        assert "certificate" in told.why


async def test_tls_with_a_server_that_has_none_is_told(
    server: Server, open_store: OpenStore, timers: ManualTimers
) -> None:
    """It waits for the end of what it takes for a command."""
    failing = asyncio.ensure_future(failure(open_store(f"rediss://127.0.0.1:{server.port}")))
    while not failing.done():
        timers.advance(DEADLINE_MS)
        await asyncio.sleep(0)
    told = await failing
    assert told.why == "no connection to the store within 1000 ms"
    assert not told.may_have_applied
