"""Connections to the upstream: reused when whole, never after anything odd."""

import asyncio
import ssl
from pathlib import Path

import pytest

from proxy.gateway.forward import BrokenOff, NoRoom, NoStatus, NotSent
from proxy.gateway.upstream.connection import HEADER_BYTES_MAX, PAUSE_BYTES
from proxy.gateway.upstream.pool import HttpUpstream, UpstreamTimeouts
from tests.gateway.upstream.wire import (
    CLOSE,
    HANG,
    TIMEOUTS,
    ask,
    one_by_one,
    playing,
    whole,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
)
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"
PEM = Path(__file__).with_name("localhost.pem")


async def test_a_request_goes_out_as_it_was_given() -> None:
    async with playing([OK]) as (upstream, player):
        answer = await ask(upstream, b'{"a": 1}')
        assert await whole(answer) == b"hello"
        assert (answer.status, answer.headers["x-a"]) == (200, "1")
    head, _, body = player.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /base/v1/chat/completions HTTP/1.1"
    assert lines[1].startswith(b"Host: 127.0.0.1:")
    assert lines[2:] == [b"Content-Type: application/json", b"Content-Length: 8"]
    assert body == b'{"a": 1}'


@pytest.mark.parametrize("answer", [OK, CHUNKED], ids=["length", "chunked"])
async def test_a_connection_serves_again_after_a_whole_answer(answer: bytes) -> None:
    async with playing([answer], one_by_one(answer), [answer]) as (upstream, player):
        for _ in range(3):
            assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"X-A: 1", b"Connection: close"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
    ],
    ids=["told to close", "old protocol", "more than was asked for"],
)
async def test_a_connection_is_not_used_again_when_it_should_not_be(answer: bytes) -> None:
    async with playing([answer], [OK]) as (upstream, player):
        assert await whole(await ask(upstream)) == b"hello"
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 2


async def test_bytes_that_come_unasked_end_a_connection() -> None:
    """Otherwise they would be the beginning of somebody else's answer."""
    async with playing([OK, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"], [OK]) as (
        upstream,
        player,
    ):
        assert await whole(await ask(upstream)) == b"hello"
        await player.all_closed.wait()
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 2


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with playing([UNTIL_CLOSE, CLOSE], [OK]) as (upstream, player):
        assert await whole(await ask(upstream)) == b"hello"
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 2


async def test_early_hints_are_not_the_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    async with playing(one_by_one(early + OK)) as (upstream, _):
        answer = await ask(upstream)
        assert answer.status == 200
        assert "Link" not in answer.headers
        assert await whole(answer) == b"hello"


@pytest.mark.parametrize("length", range(1, OK.index(b"\r\n\r\n") + 4))
async def test_a_head_that_breaks_off_is_no_status(length: int) -> None:
    async with playing([OK[:length], CLOSE]) as (upstream, _):
        with pytest.raises(NoStatus) as failure:
            await ask(upstream)
        assert not failure.value.timed_out


@pytest.mark.parametrize("answer", [OK, CHUNKED], ids=["length", "chunked"])
async def test_a_body_that_breaks_off_is_never_whole(answer: bytes) -> None:
    start = answer.index(b"\r\n\r\n") + 4
    for length in range(start, len(answer)):
        async with playing([answer[:length], CLOSE]) as (upstream, _):
            reply = await ask(upstream)
            with pytest.raises(BrokenOff):
                await whole(reply)
            with pytest.raises(BrokenOff):
                await reply.read()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEADER_BYTES_MAX + b"\r\n\r\n",
    ],
    ids=["not HTTP", "no status", "two lengths", "bad name", "too many headers"],
)
async def test_what_is_not_http_is_no_status(nonsense: bytes) -> None:
    async with playing([nonsense, HANG]) as (upstream, player):
        with pytest.raises(NoStatus):
            await ask(upstream)
        await player.all_closed.wait()


async def test_chunks_of_a_bad_size_break_the_answer_off() -> None:
    bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nzz\r\n"
    async with playing([bad, HANG]) as (upstream, _):
        with pytest.raises(BrokenOff):
            await whole(await ask(upstream))


async def test_nobody_listens() -> None:
    upstream = HttpUpstream("http://127.0.0.1:1/v1", timeouts=TIMEOUTS, max_connections=1)
    for _ in range(2):  # a connection that did not come about takes no room
        with pytest.raises(NotSent, match="Connection refused"):
            await upstream.connect()


async def test_a_status_that_does_not_come_in_time() -> None:
    timeouts = UpstreamTimeouts(connect_ms=2_000, response_ms=1, idle_ms=5_000)
    async with playing([HANG], timeouts=timeouts) as (upstream, player):
        with pytest.raises(NoStatus) as failure:
            await ask(upstream)
        assert failure.value.timed_out
        await player.all_closed.wait()


async def test_an_answer_that_falls_silent_is_broken_off() -> None:
    timeouts = UpstreamTimeouts(connect_ms=2_000, response_ms=5_000, idle_ms=1)
    async with playing([OK[:-2], HANG], timeouts=timeouts) as (upstream, player):
        with pytest.raises(BrokenOff):
            await whole(await ask(upstream))
        await player.all_closed.wait()


async def test_an_abort_closes_the_connection_and_wakes_who_waits() -> None:
    async with playing([OK[:-2], HANG]) as (upstream, player):
        answer = await ask(upstream)
        assert await answer.read() == b"hel"
        asyncio.get_running_loop().call_soon(answer.abort)
        with pytest.raises(BrokenOff):
            await answer.read()
        await player.all_closed.wait()


async def test_an_abort_after_the_end_changes_nothing() -> None:
    async with playing([OK], [OK]) as (upstream, player):
        answer = await ask(upstream)
        await whole(answer)
        answer.abort()
        assert await answer.read() == b""
        await whole(await ask(upstream))
    assert player.connections == 1


async def test_more_requests_than_connections_wait_their_turn() -> None:
    async with playing([OK], max_connections=2) as (upstream, player):
        first, second = await upstream.connect(), await upstream.connect()
        third = asyncio.get_running_loop().create_task(upstream.connect())
        await asyncio.sleep(0)
        assert not third.done()
        first.release()
        assert await third is not second
    assert player.connections == 2


async def test_who_finds_no_room_waits_no_longer_than_for_a_connection() -> None:
    """It has not left then, and gives its place in the line up."""
    timeouts = UpstreamTimeouts(connect_ms=1, response_ms=5_000, idle_ms=5_000)
    async with playing([OK], timeouts=timeouts, max_connections=1) as (upstream, player):
        first = await upstream.connect()
        for _ in range(2):
            with pytest.raises(NoRoom):
                await upstream.connect()
        first.release()
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 1


async def test_a_connection_that_was_given_up_unused_serves_the_next() -> None:
    async with playing([OK]) as (upstream, player):
        (await upstream.connect()).release()
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 1


async def test_an_upstream_waits_for_a_slow_reader() -> None:
    """Backpressure: what nobody reads is not taken in without end."""
    size = 64 * PAUSE_BYTES
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    async with playing([head, *[b"x" * 65_536] * (size // 65_536)]) as (upstream, _):
        answer = await ask(upstream)
        for _ in range(200):
            await asyncio.sleep(0)
        first = await answer.read()
        assert len(first) < 2 * PAUSE_BYTES + 65_536
        assert len(first) + len(await whole(answer)) == size


async def test_tls_checks_who_answers() -> None:
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(PEM)
    trusting = ssl.create_default_context(cafile=str(PEM))
    async with playing([OK], server_tls=server_tls, client_tls=trusting) as (upstream, _):
        assert await whole(await ask(upstream)) == b"hello"
    async with playing([OK], server_tls=server_tls) as (upstream, _):
        with pytest.raises(NotSent, match="TLS failed"):
            await upstream.connect()
