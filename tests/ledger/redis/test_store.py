"""Operations against real servers of each kind, with nothing in the way."""

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.redis.wire.address import Endpoint, parse
from proxy.ledger.redis.wire.dial import Dialer
from proxy.ledger.redis.wire.faults import StoreError
from tests.ledger.redis.conftest import DEADLINE_MS, OpenStore
from tests.ledger.redis.scripts import ADD_ONCE, COUNT, ECHO, KEYS, script
from tests.ledger.redis.timers import ManualTimers
from tests.servers.binaries import require
from tests.servers.certificates import Certificates
from tests.servers.process import Server, free_port, running
from tests.servers.relay import Relay, relay_to


async def test_an_operation_answers_what_its_script_returns(
    any_server: Server, open_store: OpenStore
) -> None:
    """Amounts travel as decimal text: a number of Lua is a double."""
    store = open_store(any_server.unix_url)
    reply = await store.run(ECHO, KEYS, [2**63 - 1, -(2**63), "ж", b"\x00\xff\r\n", ""])
    assert reply == [
        1,
        b"9223372036854775807",
        b"-9223372036854775808",
        "ж".encode(),
        b"\x00\xff\r\n",
        b"",
    ]
    shapes = script("shapes", "return {false, {1, {'x'}}, redis.call('TIME')[1] + 0 > 1}")
    assert await store.run(shapes, KEYS, []) == [None, [1, [b"x"]], 1]


async def test_an_operation_works_over_the_loopback_too(
    any_server: Server, open_store: OpenStore
) -> None:
    assert await open_store(any_server.url).run(ECHO, KEYS, ["x"]) == [1, b"x"]


async def test_an_idle_connection_notices_a_peer_that_went_without_a_word(
    server: Server, timers: ManualTimers
) -> None:
    dialer = Dialer(parse(server.url), timers=timers, reply_ms=DEADLINE_MS)
    endpoint = Endpoint("127.0.0.1", server.port)
    connection = await dialer.open_server(endpoint, lambda connection: None)
    plug = connection._transport.get_extra_info("socket")
    assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
    connection.retire()
    await connection.closed


async def test_an_operation_works_over_tls(
    server: Server, certificates: Certificates, open_store: OpenStore
) -> None:
    async with relay_to(server.socket_path, certificates.context()) as relay:
        store = open_store(f"{relay.url}?ssl_ca_certs={certificates.ca_path}")
        assert await store.run(ECHO, KEYS, ["x" * 100_000]) == [1, b"x" * 100_000]
        assert relay.connections == 1
        await store.close()


async def test_an_operation_works_with_a_server_that_speaks_tls_itself(
    certificates: Certificates, open_store: OpenStore
) -> None:
    """The Valkey of the tests is built without; the Redis of a system is not."""
    port = free_port()
    tls = {
        "tls_port": str(port),
        "tls_cert_file": str(certificates.chain_path),
        "tls_key_file": str(certificates.key_path),
        "tls_ca_cert_file": str(certificates.ca_path),
        "tls_auth_clients": "no",
    }
    with running(require("redis"), **tls):
        store = open_store(f"rediss://127.0.0.1:{port}/1?ssl_ca_certs={certificates.ca_path}")
        assert await store.run(ECHO, KEYS, ["x" * 100_000]) == [1, b"x" * 100_000]
        await store.close()


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_a_server_that_asks_who_we_are_is_shown_a_certificate(
    certificates: Certificates, open_store: OpenStore, version: str
) -> None:
    port = free_port()
    tls = {
        "tls_port": str(port),
        "tls_cert_file": str(certificates.chain_path),
        "tls_key_file": str(certificates.key_path),
        "tls_ca_cert_file": str(certificates.ca_path),
        "tls_protocols": version,
    }
    url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificates.ca_path}"
    known = f"&ssl_certfile={certificates.chain_path}&ssl_keyfile={certificates.key_path}"
    with running(require("redis"), **tls):
        store = open_store(f"{url}{known}")
        assert await store.run(ECHO, KEYS, ["x"]) == [1, b"x"]
        await store.close()
        with pytest.raises(StoreError, match=r"needs \?ssl_certfile="):
            await open_store(url).run(ECHO, KEYS, ["x"])


async def test_the_database_of_the_address_is_used(server: Server, open_store: OpenStore) -> None:
    assert await open_store(f"{server.unix_url}?db=3").run(COUNT, KEYS, []) == [1]
    assert await open_store(f"{server.url}/2").run(COUNT, KEYS, []) == [1]
    assert server.command("EXISTS", KEYS[0]) == 0
    keyspace = server.command("INFO", "keyspace")
    assert set(keyspace) == {"db2", "db3"}


@pytest.mark.parametrize("user", ["", "default"])
async def test_a_password_opens_the_store(binary: Path, user: str, open_store: OpenStore) -> None:
    with running(binary, requirepass="s@cret") as server:
        store = open_store(f"unix://{user}:s%40cret@{server.socket_path}")
        assert await store.run(ECHO, KEYS, ["x"]) == [1, b"x"]
        await store.close()


async def test_a_script_is_sent_once_and_then_called_by_its_digest(
    relay: Relay, open_store: OpenStore
) -> None:
    store = open_store(relay.url)
    for _ in range(3):
        assert await store.run(ECHO, KEYS, ["x"]) == [1, b"x"]
    assert [request[0] for request in relay.requests] == [b"PING", b"EVAL", b"EVALSHA", b"EVALSHA"]
    await store.close()


async def test_a_server_that_forgot_its_scripts_is_sent_them_again(
    any_server: Server, open_store: OpenStore
) -> None:
    any_server.command("FLUSHALL")
    store = open_store(any_server.unix_url)
    assert await store.run(ADD_ONCE, KEYS, ["a"]) == [b"1"]
    any_server.command("SCRIPT", "FLUSH")
    replies = await asyncio.gather(*(store.run(ADD_ONCE, KEYS, [name]) for name in "bcdef"))
    assert sorted(replies) == [[b"2"], [b"3"], [b"4"], [b"5"], [b"6"]]


async def test_many_callers_share_one_connection_and_each_gets_its_own_reply(
    relay: Relay, open_store: OpenStore
) -> None:
    store = open_store(relay.url)
    names = [f"caller {number}" for number in range(500)]
    replies = await asyncio.gather(*(store.run(ECHO, KEYS, [name]) for name in names))
    assert replies == [[1, name.encode()] for name in names]
    assert relay.connections == 1
    await store.close()


async def test_what_one_caller_awaits_is_applied_in_its_order(
    server: Server, open_store: OpenStore
) -> None:
    store = open_store(server.unix_url)

    async def count(times: int) -> list[int]:
        return [(await store.run(COUNT, KEYS, []))[0] for _ in range(times)]

    seen = await asyncio.gather(*(count(20) for _ in range(10)))
    assert all(mine == sorted(mine) for mine in seen)
    assert sorted(number for mine in seen for number in mine) == list(range(1, 201))


async def test_nothing_is_sent_of_an_operation_with_a_wrong_argument(
    server: Server, open_store: OpenStore
) -> None:
    store = open_store(server.unix_url)
    await store.run(COUNT, KEYS, [])
    with pytest.raises(TypeError):
        await store.run(COUNT, KEYS, [None])  # type: ignore[list-item]
    assert await store.run(COUNT, KEYS, []) == [2]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("return redis.call('HGET', KEYS[1], 'x')", "a script failed: .*broken.lua:1"),
        ("local a\nreturn {a.b}", "a script failed: .*broken.lua:2"),
        ("return 1", "the script broken answered with something that is no list"),
    ],
)
async def test_a_broken_script_is_named_and_not_tried_again(
    any_server: Server, open_store: OpenStore, source: str, says: str
) -> None:
    any_server.command("FLUSHALL")
    any_server.command("SET", KEYS[0], "not a hash")
    broken = script("broken", f"redis.call('APPEND', KEYS[2], 'x') {source}")
    with pytest.raises(StoreError, match=says) as told:
        await open_store(any_server.unix_url).run(broken, KEYS, [])
    assert told.value.may_have_applied
    assert any_server.command("GET", KEYS[1]) == b"x"


async def test_a_closed_store_finishes_what_was_asked_and_takes_no_more(
    relay: Relay, open_store: OpenStore
) -> None:
    store = open_store(relay.url)
    await store.run(COUNT, KEYS, [])
    asked = [asyncio.ensure_future(store.run(COUNT, KEYS, [])) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.gather(store.close(), store.close())
    assert [reply for [reply] in await asyncio.gather(*asked)] == [2, 3, 4]
    with pytest.raises(LedgerUnavailable, match="the ledger is closed") as told:
        await store.run(COUNT, KEYS, [])
    assert isinstance(told.value, StoreError)
    assert not told.value.may_have_applied
    await store.close()


async def test_a_store_that_was_never_used_closes(open_store: OpenStore) -> None:
    await open_store("redis://localhost:1").close()
