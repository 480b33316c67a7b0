"""Answers as bytes from an upstream that nobody wrote a library for.

RFC 9112 sections 5, 6 and 7.1, RFC 9110 sections 7.6.1 and 15; field-report 85. What cannot be
read is no answer, and nothing behind one becomes the beginning of the next.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from proxy.domain.reservation import State
from simulator.server import Simulator
from tests.e2e.stack import Stack, paid, running
from tests.e2e.wire import RawAnswer, call, chunked, encode, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-of-the-upstream-0123456789"
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Say something."}],
}
ANSWER = b'{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}'
NEXT = ANSWER.replace(b"9", b"8")
LENGTH = f"Content-Length: {len(ANSWER)}"
CHUNKED = "Transfer-Encoding: chunked"
HEX = f"{len(ANSWER):x}"


def sent(*headers: str, body: bytes = ANSWER, first: str = "HTTP/1.1 200 OK") -> bytes:
    """An answer of these headers alone."""
    head = "\r\n".join((first, "Content-Type: application/json", *headers))
    return head.encode("latin-1") + b"\r\n\r\n" + body


def sized(size: str, body: bytes = ANSWER) -> bytes:
    """An answer in one chunk that says to be of this size."""
    return sent(CHUNKED, body=size.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n")


EVIL = sent("Content-Length: 4", body=b"evil")


@dataclass
class Upstream:
    """Answers each request on a connection with the next of these bytes, and keeps that open."""

    answers: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                if head.startswith(b"POST"):
                    await reader.readuntil(b"}]}")
                writer.write(self.answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass(frozen=True)
class Scene:
    """A proxy before such an upstream."""

    stack: Stack
    upstream: Upstream

    async def get(self, answer: bytes, *headers: str) -> RawAnswer | None:
        """What a caller gets when the upstream sends this, and the next what is sent to it."""
        calls = len(self.stack.log.events("call"))
        self.upstream.answers = [answer]
        came = await call(self.stack.base_url, BODY, *headers)
        await self.stack.log.until("call", calls + 1)
        self.upstream.answers = [sent(LENGTH, body=NEXT)]
        following = await call(self.stack.base_url, BODY)
        assert following is not None
        assert (following.status, following.body) == (200, NEXT)
        return came

    async def state(self) -> State:
        """Where the hold of the call before the last one stands."""
        row = (await self.stack.rows())[-2]
        assert (paid(row) > 0) is (row.state is State.COMMITTED)
        return row.state


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One proxy for all of this module; silence is given up soon."""
    upstream = Upstream()
    async with (
        await asyncio.start_server(upstream.serve, "127.0.0.1") as server,
        Simulator() as simulator,
    ):
        host, port = server.sockets[0].getsockname()
        section = {
            "name": "raw",
            "base_url": f"http://{host}:{port}/v1",
            "api_key": SECRET,
            "response_timeout_ms": 400,
            "idle_timeout_ms": 400,
        }
        folder = tmp_path_factory.mktemp("raw")
        async with running(folder, simulator, upstreams=[section]) as stack:
            yield Scene(stack, upstream)


UNREADABLE = {
    "two lengths that differ": sent(LENGTH, "Content-Length: 5"),
    "two lengths that agree": sent(LENGTH, LENGTH),
    "a list of lengths": sent(f"{LENGTH}, {len(ANSWER)}"),
    "a length with a sign": sent(f"Content-Length: +{len(ANSWER)}"),
    "a length below zero": sent("Content-Length: -1"),
    "a length in hexadecimal": sent("Content-Length: 0x51"),
    "no length": sent("Content-Length:"),
    "a length beyond 64 bits": sent("Content-Length: 99999999999999999999999"),
    "a length and chunks": sent(LENGTH, CHUNKED, body=chunked(ANSWER)),
    "chunks and a length": sent(CHUNKED, LENGTH, body=chunked(ANSWER)),
    "a coding and a length": sent("Transfer-Encoding: identity", LENGTH),
    "gzip": sent("Transfer-Encoding: gzip"),
    "gzip in chunks": sent("Transfer-Encoding: gzip, chunked", body=chunked(ANSWER)),
    "chunks twice": sent(CHUNKED, CHUNKED, body=chunked(ANSWER)),
    "bare line feeds": sent(LENGTH).replace(b"\r\n", b"\n"),
    "one bare line feed": sent("X-A: 1\nX-B: 2", LENGTH),
    "a bare carriage return": sent("X-A: 1\rX-B: 2", LENGTH),
    "a folded line": sent("X-A: 1\r\n and more", LENGTH),
    "a blank before the colon": sent(f"Content-Length : {len(ANSWER)}"),
    "no colon": sent("X-A", LENGTH),
    "a name beyond ASCII": sent("X-\u00e9: 1", LENGTH),
    "a zero": sent("X-A: a\0b", LENGTH),
    "a control character": sent("X-A: a\x01b", LENGTH),
    "a switch of protocols": sent("Upgrade: x", first="HTTP/1.1 101 Switching Protocols"),
    "a body behind early hints": b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\nhello" + EVIL,
    "a giant header": sent(f"X-A: {'x' * 140_000}", LENGTH),
    "giant early hints": b"HTTP/1.1 103 Early\r\nX-A: %b\r\n\r\n" % (b"x" * 70_000) * 2,
    "a flood of early hints": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + EVIL,
    "a status of two digits": sent(LENGTH, first="HTTP/1.1 20 OK"),
    "a status of four digits": sent(LENGTH, first="HTTP/1.1 2000 OK"),
    "a status below 100": sent(LENGTH, first="HTTP/1.1 099 OK"),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_is_no_answer(scene: Scene, answer: bytes) -> None:
    """Nobody knows what it was paid for, so the hold is kept."""
    came = await scene.get(answer)

    assert came is not None
    assert came.status == 502
    assert came.error()["budget"]["reason"] == "upstream_unreachable"
    assert b"evil" not in came.body
    assert await scene.state() is State.UNCERTAIN


BAD_CHUNKS = {
    "with 0x": sized(f"0x{HEX}"),
    "with a plus": sized(f"+{HEX}"),
    "with a minus": sized(f"-{HEX}"),
    "with an underscore": sized(f"0_{HEX}"),
    "before a blank": sized(f"{HEX} "),
    "without a size": sized(""),
    "beyond 64 bits": sized("fffffffffffffffff"),
    "too short": sized("5"),
    "no end of a chunk": sized(HEX).replace(b"\r\n0\r\n", b"XX0\r\n"),
    "a bare line feed after the size": sized(HEX).replace(f"{HEX}\r".encode(), HEX.encode()),
    "a bare line feed after the data": sized(HEX).replace(b"}\r\n0", b"}\n0"),
    "a trailer with a blank": sized(HEX)[:-2] + b"X Late: 1\r\n\r\n",
    "a length in the trailer": sized(HEX)[:-2] + b"Content-Length: 4\r\n\r\n",
    "trailers without end": sized(HEX)[:-2] + b"X-Late: 1\r\n" * 20_000,
    "no last chunk": sized(HEX)[:-5],
    "larger than what comes": sized("ffff"),
}


@pytest.mark.parametrize("answer", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
async def test_bad_chunks_break_an_answer_off(scene: Scene, answer: bytes) -> None:
    """The status was good, so there is nothing left to say but to hang up."""
    assert await scene.get(answer) is None
    assert await scene.state() is State.UNCERTAIN


@pytest.mark.parametrize("answer", [BAD_CHUNKS["without a size"], BAD_CHUNKS["no last chunk"]])
async def test_bad_chunks_break_a_stream_off(scene: Scene, answer: bytes) -> None:
    stream = answer.replace(b"application/json", b"text/event-stream")

    came = await scene.get(stream)

    assert came is not None
    assert not came.whole
    assert await scene.state() is not State.RELEASED


GOOD = {
    "a length": sent(LENGTH),
    "a length and more": sent(LENGTH) + EVIL,
    "chunks": sent(CHUNKED, body=chunked(ANSWER)),
    "chunks and more": sent(CHUNKED, body=chunked(ANSWER)) + EVIL,
    "an extension": sized(f'{HEX};name="a;b"'),
    "trailers": sized(HEX)[:-2] + b"X-Late: 1\r\nSet-Cookie: a=1\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early\r\nX-Early: 1\r\nSet-Cookie: a=1\r\n\r\n" + sent(LENGTH),
    "a hundred early hints": b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + sent(LENGTH),
    "no reason": sent(LENGTH, first="HTTP/1.1 200"),
    "another success": sent(LENGTH, first="HTTP/1.1 203 Non-Authoritative"),
    "an offer to upgrade": sent(LENGTH, "Connection: upgrade", "Upgrade: h2c"),
    "a long header": sent(f"X-Long: {'x' * 60_000}", LENGTH),
    "many headers": sent(*(f"X-{number}: 1" for number in range(1_000)), LENGTH),
    "HTTP/1.0": sent(LENGTH, first="HTTP/1.0 200 OK"),
    "chunks in HTTP/1.0": sent(CHUNKED, body=chunked(ANSWER), first="HTTP/1.0 200 OK"),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
async def test_what_can_be_read_passes_whole_and_alone(scene: Scene, answer: bytes) -> None:
    came = await scene.get(answer)

    assert came is not None
    assert (came.status // 100, came.body, came.whole) == (2, ANSWER, True)
    assert came.headers["content-length"] == str(len(ANSWER))
    kept_here = {"transfer-encoding", "upgrade", "x-late", "x-early", "set-cookie"}
    assert not kept_here & set(came.headers)
    assert await scene.state() is State.COMMITTED


BODILESS = {
    "204": (sent(first="HTTP/1.1 204 No Content", body=b""), State.COMMITTED),
    "204 with a body": (sent(LENGTH, first="HTTP/1.1 204 No Content"), State.COMMITTED),
    "204 with an answer behind it": (
        sent(first="HTTP/1.1 204 No Content", body=b"") + EVIL,
        State.COMMITTED,
    ),
    "304": (sent(first="HTTP/1.1 304 Not Modified", body=b""), State.RELEASED),
    "304 with a length": (
        sent(LENGTH, first="HTTP/1.1 304 Not Modified", body=b""),
        State.RELEASED,
    ),
    "304 with a body": (sent(LENGTH, first="HTTP/1.1 304 Not Modified"), State.RELEASED),
    "304 with an answer behind it": (
        sent(LENGTH, first="HTTP/1.1 304 Not Modified", body=b"") + EVIL,
        State.RELEASED,
    ),
}


@pytest.mark.parametrize(("answer", "state"), BODILESS.values(), ids=BODILESS)
async def test_a_status_that_has_no_body_ends_with_its_head(
    scene: Scene, answer: bytes, state: State
) -> None:
    """What stands behind it is nobody's."""
    came = await scene.get(answer)

    assert came is not None
    assert f"{came.status} ".encode() in answer
    assert came.body == b""
    assert await scene.state() is state


async def test_what_comes_unasked_after_an_answer_is_nobodys(scene: Scene) -> None:
    for _ in range(3):
        came = await scene.get(sent(LENGTH) + EVIL)
        assert came is not None
        assert came.body == ANSWER


async def test_headers_named_by_any_connection_header_stay_here(scene: Scene) -> None:
    hops = ["Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Proxy-Status: edge", "TE: x"]
    named = ["Connection: X-One", "Connection: x-two , keep-alive", "X-One: 1", "X-Two: 2"]

    came = await scene.get(sent(LENGTH, *named, *hops, "Trailer: X-Late", "X-Three: 3"))

    assert came is not None
    assert came.headers["x-three"] == "3"
    assert not {"x-one", "x-two", "keep-alive", "te", "trailer"} & set(came.headers)
    assert not any(name.startswith("proxy-") for name in came.headers)


REPEATING = [
    f"Authorization: Bearer {SECRET}",
    f"x-api-key: {SECRET}",
    f"X-Echo: {SECRET}",
    f"Location: https://example.com/?key={SECRET}",
    "Set-Cookie: session=1",
    "set-cookie: session=2; Domain=example.com",
]


@pytest.mark.parametrize("status", [200, 302, 401, 500])
async def test_our_credential_and_our_session_are_never_sent_back(
    scene: Scene, status: int
) -> None:
    came = await scene.get(sent(LENGTH, *REPEATING, "X-Ok: 1", first=f"HTTP/1.1 {status} Echo"))

    assert came is not None
    assert came.status == status
    assert came.headers["x-ok"] == "1"
    assert SECRET not in str(came)
    forbidden = {"authorization", "x-api-key", "x-echo", "location", "set-cookie"}
    assert not forbidden & set(came.headers)
    assert SECRET not in str(scene.stack.log.lines)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_an_error_that_quotes_our_credential_is_masked(
    scene: Scene, coding: str, status: int
) -> None:
    """A page for debugging shows the request that it is about."""
    page = f"You sent: Authorization: Bearer {SECRET}. Sorry!".encode()
    body = gzip.compress(page) if coding == "gzip" else page
    length = f"Content-Length: {len(body)}"
    answer = sent(length, f"Content-Encoding: {coding}", body=body, first=f"HTTP/1.1 {status} No")

    came = await scene.get(answer, "Accept-Encoding: gzip")

    assert came is not None
    assert came.status == status
    assert came.body == b"You sent: Authorization: Bearer [the proxy's credential]. Sorry!"
    assert came.headers["content-length"] == str(len(came.body))
    assert came.headers.get("content-encoding") != "gzip"
    assert SECRET not in str(scene.stack.log.lines)


async def test_an_error_about_what_costs_nothing_is_masked_too(scene: Scene) -> None:
    scene.upstream.answers = [
        sent(f"Content-Length: {len(SECRET)}", body=SECRET.encode(), first="HTTP/1.1 403 No")
    ]

    came = await exchange(
        scene.stack.base_url, request_bytes(method="GET", path="/v1/models", length=False)
    )

    answer = read_answer(came)
    assert answer is not None
    assert (answer.status, answer.body) == (403, b"[the proxy's credential]")


COOKIE = "Cookie: session=of-a-neighbour"


async def test_what_goes_upstream_is_our_credential_and_none_of_theirs(scene: Scene) -> None:
    """Cookies are told apart by host alone: a caller's is for another port of this machine."""
    scene.upstream.answers = [sent(LENGTH)]
    before = len(scene.upstream.heads)

    await call(scene.stack.base_url, encode(BODY), "Authorization: Bearer sk-of-the-caller", COOKIE)

    (head,) = scene.upstream.heads[before:]
    assert head.count(b"Bearer ") == head.count(SECRET.encode()) == 1
    assert b"sk-of-the-caller" not in head
    assert b"ookie" not in head
