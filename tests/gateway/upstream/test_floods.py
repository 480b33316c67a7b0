"""Upstreams that send without end what is no part of a body, or in a coding nobody asked for."""

import asyncio

import pytest

from proxy.gateway.forward import BrokenOff, NoStatus
from proxy.gateway.upstream.connection import HEADER_BYTES_MAX
from proxy.gateway.upstream.pool import UpstreamTimeouts
from tests.gateway.upstream.wire import CLOSE, HANG, Script, ask, playing, whole

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MANY = 16
"""Pieces as long as any head may be: far more than is taken in."""

PATIENT = UpstreamTimeouts(connect_ms=2_000, response_ms=600_000, idle_ms=600_000)
SOON_S = 5.0
"""Long before the patience of the proxy ends."""


def filled(unit: bytes) -> bytes:
    return unit * (HEADER_BYTES_MAX // len(unit))


def part_of(more: bytes) -> bytes:
    """A quarter, in whole lines where there are any."""
    part = more[: len(more) // 4]
    return part[: part.rfind(b"\n") + 1] or part


# What begins it, what goes on without end, and what would make an answer of it.
HEADS = {
    "early hints without headers": (CONTINUE, filled(CONTINUE), OK),
    "early hints with headers": (CONTINUE, filled(b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n"), OK),
    "headers": (b"HTTP/1.1 200 OK\r\n", filled(b"X-A: b\r\n"), OK[17:]),
    "a header": (b"HTTP/1.1 200 OK\r\nX-A: ", filled(b"b"), OK[15:]),
    "a name": (b"HTTP/1.1 200 OK\r\n", filled(b"a"), b": b" + OK[15:]),
    "a reason": (b"HTTP/1.1 200 ", filled(b"b"), OK[15:]),
}


@pytest.mark.parametrize("row", HEADS.values(), ids=HEADS)
async def test_a_head_without_measure_is_no_status(row: tuple[bytes, bytes, bytes]) -> None:
    """It is not waited for: so long a head is not kept."""
    begin, more, _ = row
    flood: Script = [begin, *[more] * MANY, HANG]
    async with asyncio.timeout(SOON_S), playing(flood, timeouts=PATIENT) as (upstream, player):
        with pytest.raises(NoStatus) as failure:
            await ask(upstream)
        assert not failure.value.timed_out
        await player.all_closed.wait()


TAILS = {
    "an extension": (b"5;a=", filled(b"b"), b"\r\nhello\r\n0\r\n\r\n"),
    "trailers": (b"5\r\nhello\r\n0\r\n", filled(b"X-A: b\r\n"), b"\r\n"),
    "a trailer": (b"5\r\nhello\r\n0\r\nX-A: ", filled(b"b"), b"\r\n\r\n"),
    "zeros in front of a size": (b"", filled(b"0"), b"5\r\nhello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("row", TAILS.values(), ids=TAILS)
async def test_a_body_that_is_all_framing_breaks_off(row: tuple[bytes, bytes, bytes]) -> None:
    begin, more, _ = row
    flood: Script = [BEGUN + begin, *[more] * MANY, HANG]
    async with asyncio.timeout(SOON_S), playing(flood, timeouts=PATIENT) as (upstream, player):
        with pytest.raises(BrokenOff):
            await whole(await ask(upstream))
        await player.all_closed.wait()


@pytest.mark.parametrize(("begin", "more", "end"), HEADS.values(), ids=HEADS)
async def test_a_long_head_is_an_answer(begin: bytes, more: bytes, end: bytes) -> None:
    async with playing([begin, part_of(more), end]) as (upstream, _):
        assert await whole(await ask(upstream)) == b"hello"


@pytest.mark.parametrize(("begin", "more", "end"), TAILS.values(), ids=TAILS)
async def test_long_framing_is_read(begin: bytes, more: bytes, end: bytes) -> None:
    async with playing([BEGUN + begin, part_of(more), end]) as (upstream, _):
        assert await whole(await ask(upstream)) == b"hello"


async def test_framing_may_be_long_as_long_as_a_body_comes_with_it() -> None:
    chunk = b"1;a=" + b"b" * 60_000 + b"\r\nx\r\n"
    pieces = [BEGUN, *[chunk[:40_000], chunk[40_000:]] * 20, b"0\r\n\r\n"]
    async with playing([*pieces], [OK]) as (upstream, player):
        assert await whole(await ask(upstream)) == b"x" * 20
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 1


@pytest.mark.parametrize(
    ("answer", "body"),
    [(OK, b"hello"), (b"HTTP/1.1 204 No Content\r\n\r\n", b"")],
    ids=["with a body", "without"],
)
async def test_each_answer_of_a_connection_has_its_own_allowance(
    answer: bytes, body: bytes
) -> None:
    filler = b"\r\nX-A: " + b"b" * (HEADER_BYTES_MAX // 2)
    head = answer.replace(b"\r\n\r\n", filler + b"\r\n\r\n")
    script: Script = [head[:100], head[100:]]
    async with playing(*[script] * 4) as (upstream, player):
        for _ in range(4):
            assert await whole(await ask(upstream)) == body
    assert player.connections == 1


@pytest.mark.parametrize(
    "codings",
    [
        ["gzip, chunked"],
        ["gzip", "chunked"],
        ["chunked", "chunked"],
        ["chunked, chunked"],
        ["gzip"],
        ["identity"],
        ["chunked, gzip"],
        ["xchunked"],
        ["chunked;q=1"],
    ],
)
async def test_a_transfer_coding_that_nobody_asked_for_is_no_status(codings: list[str]) -> None:
    """What it stands for could not be read, and the caller would not be told of it."""
    lines = "".join(f"Transfer-Encoding: {coding}\r\n" for coding in codings)
    answer = b"HTTP/1.1 200 OK\r\n" + lines.encode() + b"\r\n5\r\nhello\r\n0\r\n\r\n"
    async with playing([answer, HANG]) as (upstream, player):
        with pytest.raises(NoStatus) as failure:
            await ask(upstream)
        assert not failure.value.timed_out
        await player.all_closed.wait()


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED"])
async def test_chunks_may_be_announced_in_any_letters(coding: str) -> None:
    answer = BEGUN.replace(b"chunked", coding.encode()) + b"5\r\nhello\r\n0\r\n\r\n"
    async with playing([answer], [answer]) as (upstream, player):
        assert await whole(await ask(upstream)) == b"hello"
        assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 1


async def test_chunks_in_http_1_0_end_with_their_connection() -> None:
    """RFC 9112 section 6.1: who sends these has hardly understood what they frame."""
    answer = BEGUN.replace(b"HTTP/1.1", b"HTTP/1.0") + b"5\r\nhello\r\n0\r\n\r\n"
    kept = answer.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n", 1)
    async with playing([answer, CLOSE], [kept, CLOSE], [OK]) as (upstream, player):
        for _ in range(3):
            assert await whole(await ask(upstream)) == b"hello"
    assert player.connections == 3
