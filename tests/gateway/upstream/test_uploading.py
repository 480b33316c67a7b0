"""What of a body comes late goes on as it comes, and stops when nobody wants it any more."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from multidict import CIMultiDict

from proxy.domain.errors import Reason, Refused
from proxy.gateway.forward import NoStatus
from proxy.gateway.upstream.pool import HttpLine, HttpUpstream, UpstreamTimeouts
from tests.gateway.upstream.wire import CLOSE, HANG, Script, playing, whole

PATIENCE_S = 10.0
"""What takes longer never comes."""

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Body:
    """A body in pieces; an exception among them is raised."""

    def __init__(self, pieces: Sequence[bytes | Exception], *, is_announced: bool = True) -> None:
        self._pieces = iter(pieces)
        size = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
        self.length_bytes = size if is_announced else None
        self.max_bytes = size
        self.was_read = 0

    async def read(self) -> bytes:
        piece = next(self._pieces, b"")
        if isinstance(piece, Exception):
            raise piece
        self.was_read += len(piece)
        return piece


class Taker:
    """A server that takes requests in, at a pace that the test sets, and keeps what it took."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.goes_on = asyncio.Event()
        self.answers_at: int | None = None
        self.connections = 0
        self.is_over = asyncio.Event()
        self._news = asyncio.Event()

    async def took(self, ending: bytes) -> None:
        """Until what was taken ends so."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.taken.endswith(ending):
                self._news.clear()
                await self._news.wait()

    async def over(self) -> None:
        """Until the connection has ended."""
        async with asyncio.timeout(PATIENCE_S):
            await self.is_over.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self.goes_on.wait()
                data = await reader.read(65_536)
                self.taken += data
                self._news.set()
                if not data:
                    break
                if self.answers_at is not None and len(self.taken) >= self.answers_at:
                    self.answers_at = None
                    writer.write(ANSWER)
        except ConnectionError:
            pass
        finally:
            self.is_over.set()
            writer.close()


@pytest.fixture
async def taker() -> AsyncIterator[tuple[Taker, HttpUpstream]]:
    taker = Taker()
    server = await asyncio.start_server(taker.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    timeouts = UpstreamTimeouts(connect_ms=5_000, response_ms=5_000, idle_ms=5_000)
    upstream = HttpUpstream(f"http://127.0.0.1:{port}/v1", timeouts=timeouts, max_connections=3)
    yield taker, upstream
    await upstream.close()
    server.close()
    await server.wait_closed()


async def upload(upstream: HttpUpstream, begin: bytes, body: Body) -> HttpLine:
    line = await upstream.connect()
    return await line.upload("POST", "/files", CIMultiDict({"A": "b"}), begin, body)


async def test_its_length_is_that_of_both_parts(taker: tuple[Taker, HttpUpstream]) -> None:
    server, upstream = taker
    server.goes_on.set()
    head = b"POST /v1/files HTTP/1.1\r\n"
    server.answers_at = len(head) + 40
    answer = await upload(upstream, b"begin,", Body([b"middle,", b"end"]))

    assert await whole(answer) == b"ok"
    request_head, _, body = bytes(server.taken).partition(b"\r\n\r\n")
    assert b"Content-Length: 16" in request_head
    assert b"chunked" not in request_head
    assert b"begin,middle,end".startswith(body)


async def test_all_of_it_arrives_and_the_connection_is_used_again(
    taker: tuple[Taker, HttpUpstream],
) -> None:
    server, upstream = taker
    server.goes_on.set()
    for _ in range(2):
        server.taken.clear()
        body = Body([bytes(100_000)] * 10)
        server.answers_at = 1_000_000 + len("begin")
        answer = await upload(upstream, b"begin", body)
        assert await whole(answer) == b"ok"
        await server.took(b"begin" + bytes(1_000_000))

    assert server.connections == 1


async def test_without_a_length_it_goes_in_chunks(taker: tuple[Taker, HttpUpstream]) -> None:
    server, upstream = taker
    server.goes_on.set()
    body = Body([b"0123456789abcdef!", b"end"], is_announced=False)
    asking = asyncio.create_task(upload(upstream, b"begin", body))
    await server.took(b"0\r\n\r\n")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await server.over()

    head, _, sent = bytes(server.taken).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert sent == b"5\r\nbegin\r\n11\r\n0123456789abcdef!\r\n3\r\nend\r\n0\r\n\r\n"


async def test_who_sends_faster_than_the_upstream_takes_waits(
    taker: tuple[Taker, HttpUpstream],
) -> None:
    server, upstream = taker
    body = Body([bytes(65_536)] * 1_000)
    asking = asyncio.create_task(upload(upstream, b"", body))
    read = -1
    while body.was_read != read or not read:  # until nothing moves any more
        read = body.was_read
        for _ in range(200):
            await asyncio.sleep(0)

    assert body.was_read < 20_000_000
    server.goes_on.set()
    server.answers_at = 65_536_000
    assert await whole(await asking) == b"ok"
    assert body.was_read == 65_536_000


async def test_an_answer_that_comes_early_ends_the_upload_and_its_connection(
    taker: tuple[Taker, HttpUpstream],
) -> None:
    server, upstream = taker
    server.goes_on.set()
    server.answers_at = 100_000
    body = Body([bytes(65_536)] * 10_000)
    answer = await upload(upstream, b"", body)

    assert answer.status == 200
    assert await whole(answer) == b"ok"
    assert body.was_read < 400_000_000
    await server.over()
    server.answers_at = 1
    await upload(upstream, b"more", Body([]))
    assert server.connections == 2


async def test_a_body_that_breaks_off_ends_the_connection(
    taker: tuple[Taker, HttpUpstream],
) -> None:
    server, upstream = taker
    server.goes_on.set()
    broken = Refused(Reason.INVALID_REQUEST, "The body of the request broke off.")
    with pytest.raises(Refused) as caught:
        await upload(upstream, b"begin", Body([b"more", broken]))

    assert caught.value is broken
    await server.over()


async def test_an_upload_that_is_cancelled_ends_the_connection(
    taker: tuple[Taker, HttpUpstream],
) -> None:
    server, upstream = taker
    body = Body([bytes(65_536)] * 1_000)
    asking = asyncio.create_task(upload(upstream, b"", body))
    server.goes_on.set()
    await server.took(bytes(10))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    await server.over()


@pytest.mark.parametrize("script", [[CLOSE], [b"nonsense\r\n\r\n", HANG]])
async def test_an_upstream_that_goes_away_has_no_status(script: Script) -> None:
    async with playing(script) as (upstream, _):
        with pytest.raises(NoStatus):
            await upload(upstream, b"begin", Body([bytes(65_536)] * 1_000))


async def test_an_upstream_that_takes_nothing_is_waited_for_so_long() -> None:
    timeouts = UpstreamTimeouts(connect_ms=5_000, response_ms=5_000, idle_ms=20)
    stalled = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stalled.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = HttpUpstream(f"http://127.0.0.1:{port}/v1", timeouts=timeouts, max_connections=1)
    with pytest.raises(NoStatus) as caught:
        await upload(upstream, b"", Body([bytes(65_536)] * 2_000))
    assert caught.value.timed_out
    stalled.set()
    await upstream.close()
    server.close()
    await server.wait_closed()
