"""Requests that two readers may take for different ones, as bytes on a socket.

RFC 9112 sections 2.2, 3, 5, 6, 7.1 and 11.2; field-report 85. What is doubtful is refused and
its connection closed, so that nothing after it is ever read as a request. What is allowed
goes upstream written anew.
"""

import asyncio
from typing import Any

import pytest

from simulator.records import RequestSeen
from tests.e2e.stack import Stack, running
from tests.e2e.wire import (
    CHAT,
    RawAnswer,
    chunked,
    connected,
    encode,
    exchange,
    read_answer,
    request_bytes,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Say something."}],
}
WORDS = encode(BODY)
LENGTH = f"Content-Length: {len(WORDS)}"
CHUNKED = "Transfer-Encoding: chunked"
SECOND = request_bytes(WORDS, "X-Smuggled: 1")


def doubtful(*headers: str, body: bytes = WORDS, version: str = "HTTP/1.1") -> bytes:
    """A request of these headers alone, by default one that its connection outlives."""
    head = "\r\n".join((f"POST {CHAT} {version}", "Host: localhost", *headers))
    return head.encode("latin-1") + b"\r\n\r\n" + body


def sized(size: str, body: bytes = WORDS) -> bytes:
    """A request in one chunk that says to be of this size."""
    return doubtful(CHUNKED, body=size.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n")


HEX = f"{len(WORDS):x}"
LENGTHS = {
    "two that differ": doubtful("Content-Length: 5", LENGTH),
    "two that agree": doubtful(LENGTH, LENGTH),
    "a list": doubtful(f"{LENGTH}, {len(WORDS)}"),
    "with a sign": doubtful(f"Content-Length: +{len(WORDS)}"),
    "below zero": doubtful("Content-Length: -1"),
    "with an underscore": doubtful("Content-Length: 1_0"),
    "in hexadecimal": doubtful("Content-Length: 0x10"),
    "with a blank inside": doubtful("Content-Length: 1 1"),
    "none": doubtful("Content-Length:"),
    "beyond 64 bits": doubtful("Content-Length: 99999999999999999999999"),
    "in other digits": doubtful(LENGTH).replace(b": ", ": \u0661".encode()),
}
CODINGS = {
    "with a length": doubtful(LENGTH, CHUNKED, body=chunked(WORDS)),
    "before a length": doubtful(CHUNKED, LENGTH, body=chunked(WORDS)),
    "with a length of zero": doubtful("Content-Length: 0", CHUNKED, body=chunked(WORDS)),
    "twice": doubtful(CHUNKED, CHUNKED, body=chunked(WORDS)),
    "twice in a list": doubtful(f"{CHUNKED}, chunked", body=chunked(WORDS)),
    "gzip": doubtful("Transfer-Encoding: gzip"),
    "gzip in chunks": doubtful("Transfer-Encoding: gzip, chunked", body=chunked(WORDS)),
    "gzip in chunks, two lines": doubtful("Transfer-Encoding: gzip", CHUNKED, body=chunked(WORDS)),
    "chunks, then nothing": doubtful(f"{CHUNKED}, identity", body=chunked(WORDS)),
    "identity": doubtful("Transfer-Encoding: identity", LENGTH),
    "empty": doubtful("Transfer-Encoding:", LENGTH),
    "another word": doubtful("Transfer-Encoding: xchunked", body=chunked(WORDS)),
    "with a parameter": doubtful(f"{CHUNKED};q=1", body=chunked(WORDS)),
    "after a vertical tab": doubtful("Transfer-Encoding: \x0bchunked", body=chunked(WORDS)),
    "in quotes": doubtful('Transfer-Encoding: "chunked"', body=chunked(WORDS)),
    "in HTTP/1.0": doubtful(CHUNKED, body=chunked(WORDS), version="HTTP/1.0"),
    "in HTTP/1.0, kept open": doubtful(
        CHUNKED, "Connection: keep-alive", body=chunked(WORDS), version="HTTP/1.0"
    ),
}
LINES = {
    "bare line feeds": doubtful(LENGTH).replace(b"\r\n", b"\n"),
    "one bare line feed": doubtful("X-A: 1\nX-B: 2", LENGTH),
    "chunks behind a bare line feed": doubtful(f"X-A: 1\n{CHUNKED}", LENGTH),
    "a bare carriage return": doubtful("X-A: 1\rX-B: 2", LENGTH),
    "a folded line": doubtful("X-A: 1\r\n and more", LENGTH),
    "a folded length": doubtful(f"Content-Length:\r\n {len(WORDS)}"),
    "a folded first line": doubtful(LENGTH).replace(b"Host", b" X-A: 1\r\nHost"),
    "a blank before the colon": doubtful(f"Content-Length : {len(WORDS)}"),
    "a tab before the colon": doubtful("X-A\t: 1", LENGTH),
    "a blank before the colon of chunks": doubtful("Transfer-Encoding : chunked", LENGTH),
    "no colon": doubtful("X-A", LENGTH),
    "no name": doubtful(": 1", LENGTH),
    "a name beyond ASCII": doubtful("X-\u00e9: 1", LENGTH),
    "a zero": doubtful("X-A: a\0b", LENGTH),
    "a control character": doubtful("X-A: a\x01b", LENGTH),
    "a delete": doubtful("X-A: a\x7fb", LENGTH),
}
CHUNKS = {
    "with 0x": sized(f"0x{HEX}"),
    "with a plus": sized(f"+{HEX}"),
    "with a minus": sized(f"-{HEX}"),
    "with an underscore": sized(f"0_{HEX}"),
    "behind a blank": sized(f" {HEX}"),
    "before a blank": sized(f"{HEX} "),
    "without a size": sized(""),
    "beyond 64 bits": sized("fffffffffffffffff"),
    "too short": sized("5"),
    "one byte too short": sized(f"{len(WORDS) - 1:x}"),
    "no end of a chunk": sized(HEX).replace(b"\r\n0\r\n", b"XX0\r\n"),
    "a bare line feed after the size": sized(HEX).replace(f"{HEX}\r".encode(), HEX.encode()),
    "a bare line feed in an extension": sized(f"{HEX};a\nb"),
    "a bare line feed after the data": sized(HEX).replace(b"}\r\n0", b"}\n0"),
    "a bare carriage return after the data": sized(HEX).replace(b"}\r\n0", b"}\r0"),
    "a trailer with a blank": sized(HEX)[:-2] + b"X Late: 1\r\n\r\n",
    "a trailer without a name": sized(HEX)[:-2] + b": 1\r\n\r\n",
    "a length in the trailer": sized(HEX)[:-2] + b"Content-Length: 5\r\n\r\n",
    "trailers without end": sized(HEX)[:-2] + b"X-Late: 1\r\n" * 9_000 + b"\r\n",
}
FIRST_LINES = {
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/2.0": doubtful(LENGTH, version="HTTP/2.0"),
    "HTTP/1.2": doubtful(LENGTH, version="HTTP/1.2"),
    "HTTP/1.10": doubtful(LENGTH, version="HTTP/1.10"),
    "HTTP 1.1": doubtful(LENGTH, version="HTTP 1.1"),
    "no version": doubtful(LENGTH, version=""),
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method in small letters": doubtful(LENGTH).replace(b"POST", b"post"),
    "a method that is none": doubtful(LENGTH).replace(b"POST", b"SPEND"),
    "a method with a zero": doubtful(LENGTH).replace(b"POST", b"PO\0T"),
    "tabs between the words": doubtful(LENGTH).replace(b" HTTP", b"\tHTTP"),
    "a path with a blank": doubtful(LENGTH).replace(b"completions", b"comple tions"),
    "a path with a tab": doubtful(LENGTH).replace(b"completions", b"comple\ttions"),
    "a path with a control character": doubtful(LENGTH).replace(b"completions", b"a\x01b"),
    "a path that does not begin": doubtful(LENGTH).replace(b"/v1", b"v1"),
    "a bare line feed after it": doubtful(LENGTH).replace(b"1.1\r\n", b"1.1\n"),
}
DOUBTFUL = {
    f"{kind}: {name}": data
    for kind, table in {
        "length": LENGTHS,
        "coding": CODINGS,
        "line": LINES,
        "chunk": CHUNKS,
        "first line": FIRST_LINES,
    }.items()
    for name, data in table.items()
}


@pytest.mark.parametrize("behind", [b"", SECOND], ids=["alone", "before another"])
@pytest.mark.parametrize("data", DOUBTFUL.values(), ids=DOUBTFUL)
async def test_what_is_doubtful_is_refused_and_nothing_after_it_is_read(
    stack: Stack, data: bytes, behind: bytes
) -> None:
    stack.simulator.reset()
    rows = await stack.rows()

    came = await exchange(stack.base_url, data + behind)

    answer = read_answer(came)
    assert answer is not None
    assert answer.whole  # so nothing came behind it either
    assert came.startswith(b"HTTP/1.1 400 ")
    assert answer.error()["budget"]["reason"] == "invalid_request"
    assert answer.headers["connection"] == "close"
    assert stack.simulator.requests_seen == []
    assert await stack.rows() == rows


ALLOWED = {
    "a length with zeros in front": doubtful(f"Content-Length: 00{len(WORDS)}"),
    "blanks around a length": doubtful(f"Content-Length: \t {len(WORDS)} \t"),
    "empty lines before it": b"\r\n\r\n" + doubtful(LENGTH),
    "two Connection headers": doubtful(
        LENGTH, "Connection: X-One", "Connection: keep-alive, x-two", "X-One: 1", "X-Two: 2"
    ),
    "Connection names what is ours to say": doubtful(
        LENGTH, "Connection: Host, Content-Length, Authorization, X-Cycles-Agent, X-Late"
    ),
    "an expectation of something else": doubtful(LENGTH, "Expect: 200-ok"),
    "underscores for hyphens": doubtful(LENGTH, "Transfer_Encoding: chunked"),
}


@pytest.mark.parametrize("data", ALLOWED.values(), ids=ALLOWED)
async def test_what_is_allowed_goes_upstream_written_anew(stack: Stack, data: bytes) -> None:
    """Its connection serves the next request too, and that begins where this one ended."""
    stack.simulator.reset()

    came = await exchange(stack.base_url, data + SECOND)

    assert came.count(b"HTTP/1.1 200 OK\r\n") == 2
    first, second = stack.simulator.requests_seen
    assert_written_anew(stack, first)
    assert second.headers["x-smuggled"] == "1"
    assert [row.scope_path for row in (await stack.rows())[-2:]] == ["tenant:dev"] * 2


IN_CHUNKS = {
    "one": sized(HEX),
    "a size in capitals": sized(HEX.upper()),
    "a size with zeros in front": sized(f"000{HEX}"),
    "one a byte": doubtful(CHUNKED, body=chunked(*(bytes([byte]) for byte in WORDS))),
    "in other letters": doubtful("transfer-encoding: Chunked", body=chunked(WORDS)),
    "an extension": sized(f"{HEX};name=value"),
    "an extension in quotes": sized(f'{HEX};name="a;b c"'),
    "a long extension": sized(f"{HEX};name={'x' * 100_000}"),
    "a trailer": sized(HEX)[:-2] + b"X-Cycles-Agent: late\r\n\r\n",
    "trailers": sized(HEX)[:-2] + b"Authorization: Bearer x\r\nX-Cycles-Agent: late\r\n\r\n",
    "chunks that nobody reads": request_bytes(
        chunked(WORDS)[:-2] + b"X-Cycles-Agent: late\r\n\r\n",
        CHUNKED,
        path="/v1/vector_stores",
        length=False,
        keep_alive=True,
    ),
}


@pytest.mark.parametrize("data", IN_CHUNKS.values(), ids=IN_CHUNKS)
async def test_a_connection_ends_with_the_request_that_brought_chunks(
    stack: Stack, data: bytes
) -> None:
    """A trailer must not become a header of what comes next, and name its caller."""
    stack.simulator.reset()
    rows = len(await stack.rows())

    came = await exchange(stack.base_url, data + SECOND)

    answer = read_answer(came)
    assert answer is not None
    assert answer.whole
    assert answer.headers["connection"] == "close"
    for seen in stack.simulator.requests_seen:
        assert_written_anew(stack, seen)
    new_rows = (await stack.rows())[rows:]
    assert [row.scope_path for row in new_rows] == ["tenant:dev"] * (answer.status == 200)
    assert len(stack.simulator.requests_seen) == len(new_rows)


async def test_a_stream_to_who_sent_chunks_ends_with_its_connection(stack: Stack) -> None:
    stack.simulator.reset()
    late = b"X-Cycles-Agent: late\r\n\r\n"
    data = doubtful(CHUNKED, body=chunked(encode(BODY | {"stream": True}))[:-2] + late)

    answer = read_answer(await exchange(stack.base_url, data + SECOND))

    assert answer is not None
    assert answer.whole
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert len(stack.simulator.requests_seen) == 1


def assert_written_anew(stack: Stack, seen: RequestSeen) -> None:
    """No header but those that we write, each once, and the body in one piece."""
    names = [name.lower() for name in seen.headers]
    assert set(names) <= {"host", "content-length", "accept-encoding", "transfer_encoding"}
    assert len(set(names)) == len(names)
    assert seen.headers["content-length"] == str(len(WORDS))
    assert f"http://{seen.headers['host']}" == stack.simulator.address
    assert (seen.method, seen.path) == ("POST", CHAT)


OTHERS = {
    "a refusal": (403, request_bytes(SECOND, host="elsewhere.example", keep_alive=True)),
    "an unknown path": (403, request_bytes(SECOND, path="/v1/vector_stores", keep_alive=True)),
    "a body that is none": (400, request_bytes(SECOND, keep_alive=True)),
    "a compressed body": (400, request_bytes(SECOND, "Content-Encoding: gzip", keep_alive=True)),
    "a list of models": (
        200,
        request_bytes(SECOND, method="GET", path="/v1/models", keep_alive=True),
    ),
    "a page of health": (200, request_bytes(SECOND, path="/healthz", keep_alive=True)),
}


@pytest.mark.parametrize(("status", "data"), OTHERS.values(), ids=OTHERS)
async def test_a_request_inside_a_body_is_no_request(
    stack: Stack, status: int, data: bytes
) -> None:
    """Also where nobody asked for the body."""
    stack.simulator.reset()

    came = await exchange(stack.base_url, data + request_bytes(WORDS))

    assert came.startswith(b"HTTP/1.1 %d " % status)
    assert came.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200 OK\r\n" in came[1:]
    calls = [seen for seen in stack.simulator.requests_seen if seen.method == "POST"]
    assert len(calls) == 1
    assert "x-smuggled" not in calls[0].headers


@pytest.mark.parametrize("codings", [("identity", "gzip"), ("gzip", "identity"), ("", "br")])
async def test_a_second_coding_of_a_body_is_not_overlooked(
    stack: Stack, codings: tuple[str, str]
) -> None:
    """We would have read other words than the upstream."""
    stack.simulator.reset()
    data = request_bytes(WORDS, *(f"Content-Encoding: {coding}" for coding in codings))

    answer = read_answer(await exchange(stack.base_url, data))

    assert answer is not None
    assert answer.status == 400
    assert stack.simulator.requests_seen == []


async def test_requests_in_a_row_are_answered_in_turn(stack: Stack) -> None:
    stack.simulator.reset()
    list_models = request_bytes(method="GET", path="/v1/models", keep_alive=True)

    came = await exchange(
        stack.base_url, request_bytes(b"{}", keep_alive=True) + list_models + SECOND
    )

    places = [came.index(b"invalid_request"), came.index(b'"list"'), came.index(b"chatcmpl-")]
    assert places == sorted(places)
    assert [seen.method for seen in stack.simulator.requests_seen] == ["GET", "POST"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("header", ["X-A: 1", "Connection: keep-alive", "Expect: 100-continue"])
async def test_who_speaks_http_1_0_gets_what_it_can_read(
    stack: Stack, header: str, *, stream: bool
) -> None:
    """No chunks, no 100 (RFC 9110 section 10.1.1), and an end that is the connection's."""
    body = encode(BODY | {"stream": stream})
    data = request_bytes(body, header, keep_alive=True).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(stack.base_url) as connection:
        await connection.send(data)
        if stream or "keep-alive" not in header:
            came = await connection.read_all()
        else:
            came = await connection.read_until(b"\r\n\r\n")
            came += await connection.reader.readexactly(length_of(came))

    answer = read_answer(came)
    assert answer is not None
    assert answer.status == 200
    assert came.startswith(b"HTTP/1.0 200 ")
    assert "transfer-encoding" not in answer.headers
    assert ("content-length" in answer.headers) is not stream
    assert answer.body.endswith(b"data: [DONE]\n\n") if stream else answer.json()["choices"]


def length_of(head: bytes) -> int:
    """The length that the head of an answer announces."""
    answer = read_answer(head)
    assert answer is not None
    return int(answer.headers["content-length"])


WAITING = {
    "a chunk of 2^63 bytes": (b"8000000000000000\r\n{", b""),
    "an extension without end": (b"5;", b"x" * 65_536),
}


@pytest.mark.parametrize(("begin", "more"), WAITING.values(), ids=WAITING)
async def test_a_body_that_never_comes_is_not_waited_for(
    tmp_path_factory: pytest.TempPathFactory, stack: Stack, begin: bytes, more: bytes
) -> None:
    folder = tmp_path_factory.mktemp("waiting")
    async with (
        running(folder, stack.simulator, limits={"body_timeout_ms": 200}) as impatient,
        connected(impatient.base_url) as connection,
        asyncio.TaskGroup() as tasks,
    ):
        await connection.send(doubtful(CHUNKED, body=begin))
        sending = tasks.create_task(send_without_end(connection.writer, more))
        answer: RawAnswer | None = read_answer(await connection.read_until(b"}}}"))
        sending.cancel()

        assert answer is not None
        assert answer.status == 408
        assert await impatient.rows() == ()


async def send_without_end(writer: asyncio.StreamWriter, more: bytes) -> None:
    """As fast as it is taken."""
    while more:
        writer.write(more)
        await writer.drain()
