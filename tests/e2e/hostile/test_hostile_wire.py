"""Unusual bytes: in any pace, framing and compression the caller gets what the upstream sent."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from simulator.behaviour import Behaviour, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.hostile.outcomes import (
    STREAMS,
    Charge,
    Mode,
    Outcome,
    body_of,
    expected_body,
    run,
)
from tests.e2e.stack import Stack, running
from tests.e2e.wire import chunked, encode, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODINGS = ["gzip", "deflate", "raw_deflate", "br", "zstd"]


def assert_passed_on(outcome: Outcome, mode: Mode, line_end: bytes = b"\n") -> None:
    """Charged by the bill, and every byte is there."""
    outcome.assert_settled(Charge.BILL)
    assert outcome.direct is not None
    assert outcome.through is not None
    assert outcome.through.whole
    assert outcome.through.body == expected_body(mode, outcome.direct, line_end)


@pytest.mark.parametrize("sizes", [(1,), (7, 13), (1, 4_000)])
@pytest.mark.parametrize("mode", Mode)
async def test_bytes_may_come_in_any_pieces(
    stack: Stack, mode: Mode, sizes: tuple[int, ...]
) -> None:
    outcome = await run(
        stack, mode, Behaviour(output_tokens=5, wire=Wire(write_bytes=sizes)), body_of(mode)
    )

    assert_passed_on(outcome, mode)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "extras",
    [
        {},
        {"comments": True},
        {"unknown_events": True},
        {"byte_order_mark": True},
        {"comments": True, "unknown_events": True, "write_bytes": (3,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", STREAMS)
async def test_a_stream_may_be_written_in_any_way_that_the_format_allows(
    stack: Stack, mode: Mode, extras: dict[str, Any], line_end: Any
) -> None:
    wire = Wire(line_end=line_end, **extras)

    outcome = await run(stack, mode, Behaviour(output_tokens=5, wire=wire), body_of(mode))

    assert_passed_on(outcome, mode, line_end.encode())


@pytest.mark.parametrize("tokens", [1, 5, 1_000])
@pytest.mark.parametrize("mode", STREAMS)
async def test_an_event_may_carry_many_tokens(stack: Stack, mode: Mode, tokens: int) -> None:
    missing = Behaviour(tokens_per_event=tokens, report=Report(place="nowhere"))

    reported = await run(stack, mode, Behaviour(tokens_per_event=tokens), body_of(mode))
    counted = await run(stack, mode, missing, body_of(mode))

    assert_passed_on(reported, mode)
    counted.assert_settled(Charge.COUNTED)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("mode", Mode)
async def test_every_framing_is_read(stack: Stack, mode: Mode, framing: Any) -> None:
    outcome = await run(stack, mode, Behaviour(wire=Wire(framing=framing)), body_of(mode))

    assert_passed_on(outcome, mode)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_json_answer_is_compressed_as_the_caller_asked(stack: Stack, coding: str) -> None:
    """Field-report 84: what the caller gets is consistent with its headers."""
    body = body_of(Mode.JSON)

    outcome = await run(stack, Mode.JSON, Behaviour(), body, f"Accept-Encoding: {coding}")

    assert_passed_on(outcome, Mode.JSON)
    assert outcome.through is not None
    assert outcome.through.headers["content-encoding"] == coding
    (seen,) = stack.simulator.requests_seen
    assert seen.headers["accept-encoding"] == coding


@pytest.mark.parametrize("asked", ["identity", "gzip, deflate, br, zstd"])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("mode", [Mode.JSON, Mode.STREAM_WITH_USAGE])
async def test_a_compressed_answer_is_metered_and_passed_on_as_it_came(
    stack: Stack, mode: Mode, coding: Any, asked: str
) -> None:
    behaviour = Behaviour(wire=Wire(compression=coding))

    outcome = await run(stack, mode, behaviour, body_of(mode), f"Accept-Encoding: {asked}")

    assert_passed_on(outcome, mode)
    assert outcome.through is not None
    assert outcome.through.headers["content-encoding"] == coding.removeprefix("raw_")


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_compressed_stream_that_is_rewritten_goes_on_plain(
    stack: Stack, coding: Any
) -> None:
    """The chunk for our own usage is taken out, and so is the header that would be false."""
    plain = await run(stack, Mode.STREAM, Behaviour(), body_of(Mode.STREAM))
    compressed = Behaviour(wire=Wire(compression=coding, write_bytes=(50,)))

    outcome = await run(
        stack, Mode.STREAM, compressed, body_of(Mode.STREAM), "Accept-Encoding: gzip, br"
    )

    outcome.assert_settled(Charge.BILL)
    assert plain.through is not None
    assert outcome.through is not None
    assert outcome.through.whole
    assert outcome.through.body == plain.through.body
    assert "content-encoding" not in outcome.through.headers
    (seen,) = stack.simulator.requests_seen
    assert seen.headers["accept-encoding"] == "identity"


async def test_a_coding_that_cannot_be_read_is_not_asked_for(stack: Stack) -> None:
    accepted = "Accept-Encoding: snappy, gzip;q=0.5, *;q=0.1"

    outcome = await run(stack, Mode.JSON, Behaviour(), body_of(Mode.JSON), accepted)

    assert_passed_on(outcome, Mode.JSON)
    (seen,) = stack.simulator.requests_seen
    assert seen.headers["accept-encoding"] == "gzip;q=0.5"


PASSING = (
    Behaviour(),
    Behaviour(refusal=Refusal(status=429)),
    Behaviour(refusal=Refusal(status=500)),
)


@pytest.mark.parametrize("behaviour", PASSING, ids=["answer", "429", "500"])
@pytest.mark.parametrize("mode", Mode)
async def test_headers_of_the_caller_and_of_the_upstream_pass(
    stack: Stack, mode: Mode, behaviour: Behaviour
) -> None:
    """SDKs pace themselves by the limits, and people look calls up by their request's id."""
    headers = ["OpenAI-Beta: one", "X-Stainless-Retry-Count: 1", "User-Agent: theirs/1"]

    outcome = await run(stack, mode, behaviour, body_of(mode), *headers)

    (seen,) = stack.simulator.requests_seen
    assert seen.headers["openai-beta"] == "one"
    assert seen.headers["x-stainless-retry-count"] == "1"
    assert seen.headers["user-agent"] == "theirs/1"
    assert outcome.direct is not None
    assert outcome.through is not None
    gone = {"date", "connection", "content-length", "transfer-encoding"}
    kept = {name: value for name, value in outcome.direct.headers.items() if name not in gone}
    assert kept.items() <= outcome.through.headers.items()
    assert {"x-request-id", "x-ratelimit-remaining-tokens", "openai-version"} <= set(kept)


async def test_what_is_between_the_caller_and_us_stays_here(stack: Stack) -> None:
    """Field-report 85: also headers that Connection names."""
    headers = [
        "X-Cycles-Agent: bot",
        "X-Budget-Anything: 1",
        "baggage: cycles.run=7,theirs=1",
        "Connection: X-Secret-Hop, keep-alive",
        "X-Secret-Hop: 1",
        "TE: trailers",
        "Trailer: X-Late",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic abc",
    ]

    await run(stack, Mode.JSON, Behaviour(), body_of(Mode.JSON), *headers)

    (seen,) = stack.simulator.requests_seen
    kept = {name.lower() for name in seen.headers}
    assert kept == {"host", "content-length", "accept-encoding", "baggage"}
    assert seen.headers["baggage"] == "theirs=1"


STRANGE = b"""HTTP/1.1 200 OK
Content-Type: application/json
Connection: X-Hop
X-Hop: 1
Keep-Alive: timeout=5
Trailer: X-Late
X-Budget-Decision: DENY
X-Cycles-Trace-Id: forged
Set-Cookie: a=1
Set-Cookie: b=2
Transfer-Encoding: chunked

"""
ANSWER = b'{"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}'


async def test_what_is_between_the_upstream_and_us_stays_here(tmp_path: Path) -> None:
    """Hop-by-hop headers and trailers, and headers that only we may send."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}]}")
        framed = chunked(ANSWER)[:-2] + b"X-Late: 1\r\n\r\n"
        writer.write(STRANGE.replace(b"\n", b"\r\n") + framed)
        await writer.drain()
        writer.close()

    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    async with await asyncio.start_server(answer, "127.0.0.1") as server, Simulator() as simulator:
        host, port = server.sockets[0].getsockname()
        upstream = {"name": "strange", "base_url": f"http://{host}:{port}/v1", "api_key": "none"}
        async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
            came = await exchange(stack.base_url, request_bytes(encode(body)))

    answered = read_answer(came)
    assert answered is not None
    assert (answered.status, answered.body, answered.whole) == (200, ANSWER, True)
    assert answered.headers["x-budget-decision"] == "ALLOW"
    assert answered.headers["x-cycles-trace-id"] != "forged"
    assert answered.headers["content-length"] == str(len(ANSWER))
    assert not {"x-hop", "keep-alive", "trailer", "transfer-encoding"} & set(answered.headers)
    assert b"set-cookie" not in came.lower()
    assert b"X-Late" not in came
