"""What befalls an operation on its way, one fault a test, and what its caller is told."""

import asyncio
import gc
from collections.abc import Awaitable

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.faults import StoreError, StoreRefused
from proxy.ledger.redis.wire.timing import Backoff
from tests.ledger.redis.conftest import DEADLINE_MS, OpenStore
from tests.ledger.redis.scripts import ADD_ONCE, COUNT, ECHO, KEYS
from tests.ledger.redis.timers import ManualTimers
from tests.servers.process import Server
from tests.servers.relay import Answer, Fate, HoldReply, LoseReply, LoseRequest, Pass, Relay

LOADING = Answer(b"-LOADING the dataset\r\n")


@pytest.fixture
async def store(relay: Relay, open_store: OpenStore) -> RedisStore:
    """A store that has been used once."""
    opened = open_store(relay.url)
    await opened.run(ECHO, KEYS, [])
    return opened


async def refused(operation: Awaitable[object]) -> StoreError:
    with pytest.raises(LedgerUnavailable) as told:
        await operation
    assert isinstance(told.value, StoreError)
    return told.value


@pytest.mark.parametrize("after_bytes", [0, 1, 3, 6])
async def test_a_lost_reply_is_asked_for_again_on_a_new_connection(
    relay: Relay, store: RedisStore, server: Server, after_bytes: int
) -> None:
    relay.spoil(LoseReply(after_bytes))
    assert await store.run(ADD_ONCE, KEYS, ["key"]) == [b"1"]
    assert server.command("GET", KEYS[0]) == b"1"
    assert relay.connections == 2
    sent = [request for request in relay.requests if request[-1] == b"key"]
    assert len(sent) == 2


async def test_it_is_really_sent_twice(relay: Relay, store: RedisStore, server: Server) -> None:
    """So every operation must do nothing the second time; this one does not."""
    relay.spoil(LoseReply())
    assert await store.run(COUNT, KEYS, []) == [2]


async def test_a_lost_request_is_sent_again(relay: Relay, store: RedisStore) -> None:
    relay.spoil(LoseRequest())
    assert await store.run(COUNT, KEYS, []) == [1]


async def test_all_that_were_on_their_way_are_sent_again(
    relay: Relay, store: RedisStore, server: Server
) -> None:
    relay.spoil(*[Pass()] * 10, LoseReply())
    names = [f"key {number}" for number in range(40)]
    replies = await asyncio.gather(*(store.run(ADD_ONCE, KEYS, [name]) for name in names))
    assert len(replies) == 40
    assert server.command("GET", KEYS[0]) == b"40"
    assert relay.connections == 2


async def test_what_is_lost_twice_is_unknown(
    relay: Relay, store: RedisStore, server: Server, timers: ManualTimers
) -> None:
    relay.spoil(LoseReply(), LoseReply())
    told = await refused(store.run(COUNT, KEYS, []))
    assert told.may_have_applied
    assert "hung up" in told.why
    assert server.command("GET", KEYS[0]) == b"2"
    timers.advance(Backoff.FIRST_MS)
    assert await store.run(COUNT, KEYS, []) == [3]


async def test_what_never_left_was_not_applied(
    relay: Relay, open_store: OpenStore, server: Server
) -> None:
    relay.refuses = True
    told = await refused(open_store(relay.url).run(COUNT, KEYS, []))
    assert not told.may_have_applied
    assert server.command("EXISTS", KEYS[0]) == 0


async def test_what_had_not_left_a_cut_connection_was_not_applied(
    relay: Relay, store: RedisStore
) -> None:
    link = store._topology.find(KEYS[0])
    assert link is not None
    assert link.connection is not None
    running = asyncio.ensure_future(refused(store.run(COUNT, KEYS, [])))
    await asyncio.sleep(0)
    relay.refuses = True
    link.connection.end("before the tick was over")
    assert not (await running).may_have_applied


@pytest.mark.parametrize(
    "reply",
    [
        LOADING.reply,
        b"-BUSY a script\r\n",
        b"-MASTERDOWN stale\r\n",
        b"-TRYAGAIN moving\r\n",
        b"-CLUSTERDOWN slot not served\r\n",
        b"-ERR max number of clients reached\r\n",
    ],
)
async def test_a_server_that_cannot_work_now_is_asked_once_more_a_little_later(
    relay: Relay, store: RedisStore, timers: ManualTimers, reply: bytes
) -> None:
    relay.spoil(Answer(reply))
    running = asyncio.ensure_future(store.run(COUNT, KEYS, []))
    pause = await timers.next_pause()
    assert not running.done()
    assert 50 <= pause <= 100
    timers.advance(pause)
    assert await running == [1]
    assert relay.connections == 1


async def test_a_closing_store_lets_second_tries_finish(
    relay: Relay, store: RedisStore, timers: ManualTimers
) -> None:
    relay.spoil(LOADING)
    running = asyncio.ensure_future(store.run(COUNT, KEYS, []))
    pause_ms = await timers.next_pause()
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    timers.advance(pause_ms)
    assert await running == [1]
    await closing
    assert relay.connections == 1


async def test_a_server_that_still_cannot_work_is_told_of(
    relay: Relay, store: RedisStore, timers: ManualTimers
) -> None:
    relay.spoil(LOADING, LOADING)
    running = asyncio.ensure_future(refused(store.run(COUNT, KEYS, [])))
    timers.advance(await timers.next_pause())
    told = await running
    assert told.why == "the store is loading its data"
    assert not told.may_have_applied


async def test_a_refusal_after_a_lost_reply_leaves_it_unknown(
    relay: Relay, store: RedisStore
) -> None:
    relay.spoil(LoseReply(), Answer(b"-OOM full\r\n"))
    told = await refused(store.run(COUNT, KEYS, []))
    assert isinstance(told, StoreRefused)
    assert told.may_have_applied


@pytest.mark.parametrize("kind", ["OOM", "MISCONF", "NOREPLICAS", "NOAUTH", "NOPERM", "DENIED"])
async def test_what_only_an_operator_can_change_is_not_tried_again(
    relay: Relay, store: RedisStore, kind: str
) -> None:
    relay.spoil(Answer(f"-{kind} says the server\r\n".encode()))
    before = len(relay.requests)
    told = await refused(store.run(COUNT, KEYS, []))
    assert isinstance(told, StoreRefused)
    assert not told.may_have_applied
    assert len(relay.requests) == before + 1


async def test_what_is_no_reply_is_a_lost_one(relay: Relay, store: RedisStore) -> None:
    relay.spoil(Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert await store.run(COUNT, KEYS, []) == [1]
    assert relay.connections == 2


@pytest.mark.parametrize("port_says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_what_is_no_store_is_told_of(open_store: OpenStore, port_says: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(port_says)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        told = await refused(open_store(f"redis://127.0.0.1:{port}").run(COUNT, KEYS, []))
    assert ("is this a Redis" in told.why) is bool(port_says)
    assert not told.may_have_applied


async def test_a_greeting_that_fails_in_its_middle_leaves_nothing_unheard(
    open_store: OpenStore,
) -> None:
    """A future that fails unheard would be a line in the log of every try."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"-WRONGPASS for the first of three commands\r\n")
        await reader.read()
        writer.close()

    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: unheard.append(told))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        told = await refused(open_store(f"redis://:x@127.0.0.1:{port}/1").run(COUNT, KEYS, []))
        assert isinstance(told, StoreRefused)
        gc.collect()
    assert unheard == []


async def test_a_reply_that_does_not_come_is_given_up_at_the_deadline(
    relay: Relay, store: RedisStore, timers: ManualTimers
) -> None:
    relay.spoil(HoldReply())
    running = asyncio.ensure_future(refused(store.run(COUNT, KEYS, [])))
    await relay.held()
    timers.advance(DEADLINE_MS - 1)
    assert not running.done()
    timers.advance(1)
    told = await running
    assert told.may_have_applied
    assert "no reply within 1000 ms" in told.why
    assert await store.run(COUNT, KEYS, []) == [2]


async def test_those_who_asked_later_are_sent_again_when_the_first_is_given_up(
    relay: Relay, store: RedisStore, timers: ManualTimers, server: Server
) -> None:
    relay.spoil(HoldReply())
    first = asyncio.ensure_future(refused(store.run(ADD_ONCE, KEYS, ["first"])))
    await relay.held()
    timers.advance(DEADLINE_MS // 2)
    second = asyncio.ensure_future(store.run(ADD_ONCE, KEYS, ["second"]))
    await asyncio.sleep(0)
    timers.advance(DEADLINE_MS // 2)
    assert (await first).may_have_applied
    assert await second == [b"2"]
    assert server.command("GET", KEYS[0]) == b"2"


async def test_the_second_try_ends_at_the_deadline_of_the_first(
    relay: Relay, store: RedisStore, timers: ManualTimers
) -> None:
    relay.spoil(LOADING, HoldReply())
    running = asyncio.ensure_future(refused(store.run(COUNT, KEYS, [])))
    pause = await timers.next_pause()
    timers.advance(pause)
    await relay.held()
    timers.advance(DEADLINE_MS - pause - 1)
    assert not running.done()
    timers.advance(1)
    assert (await running).may_have_applied
    relay.release()


async def test_connecting_counts_towards_the_deadline(
    relay: Relay, open_store: OpenStore, timers: ManualTimers
) -> None:
    operations, relay.targets = relay.targets, (b"PING",)
    relay.spoil(HoldReply())
    running = asyncio.ensure_future(refused(open_store(relay.url).run(COUNT, KEYS, [])))
    await relay.held()
    timers.advance(600)
    relay.targets = operations
    relay.release()
    relay.spoil(HoldReply())
    await relay.held()
    timers.advance(DEADLINE_MS - 600 - 1)
    await asyncio.sleep(0)
    assert not running.done()
    timers.advance(1)
    assert (await running).may_have_applied
    relay.release()


async def test_a_pause_that_would_pass_the_deadline_is_not_begun(
    relay: Relay, store: RedisStore, timers: ManualTimers
) -> None:
    relay.spoil(HoldReply(), LOADING)
    holding = asyncio.ensure_future(store.run(COUNT, KEYS, []))
    await relay.held()
    running = asyncio.ensure_future(refused(store.run(COUNT, KEYS, [])))
    await asyncio.sleep(0)
    timers.advance(DEADLINE_MS - 49)
    relay.release()
    assert await holding == [1]
    assert "loading" in (await running).why


async def test_a_cancelled_caller_takes_no_reply_from_others(
    relay: Relay, store: RedisStore, server: Server
) -> None:
    relay.spoil(HoldReply())
    gone = asyncio.ensure_future(store.run(COUNT, KEYS, []))
    await relay.held()
    gone.cancel()
    here = asyncio.ensure_future(store.run(ECHO, KEYS, ["here"]))
    await asyncio.sleep(0)
    relay.release()
    assert await here == [1, b"here"]
    assert gone.cancelled()
    assert server.command("GET", KEYS[0]) == b"1"


async def test_a_caller_cancelled_in_a_pause_leaves_nothing_behind(
    relay: Relay, store: RedisStore, timers: ManualTimers
) -> None:
    relay.spoil(LOADING)
    gone = asyncio.ensure_future(store.run(COUNT, KEYS, []))
    await timers.next_pause()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    timers.advance(DEADLINE_MS)
    assert timers.waiting == []


FATES: list[Fate] = [LoseReply(), LoseReply(2), LoseRequest(), Pass()]


@pytest.mark.parametrize("position", range(0, 30, 3))
@pytest.mark.parametrize("fate", FATES, ids=lambda fate: type(fate).__name__)
async def test_wherever_the_wire_breaks_everything_is_applied_once(
    relay: Relay, store: RedisStore, server: Server, position: int, fate: Fate
) -> None:
    relay.spoil(*[Pass()] * position, fate)
    names = [f"key {number}" for number in range(30)]
    replies = await asyncio.gather(*(store.run(ADD_ONCE, KEYS, [name]) for name in names))
    assert all(1 <= int(reply) <= 30 for [reply] in replies)
    assert server.command("GET", KEYS[0]) == b"30"
