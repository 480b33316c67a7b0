"""How answers travel: framing, split writes, compression, odd streams."""

import gzip
import json
import zlib
from typing import Any, Literal

import brotli  # type: ignore[import-untyped]
import pytest
from backports import zstd

from simulator import Behaviour, Simulator, Wire
from tests.simulator.calls import HELLO, call, chunks, connection, request_bytes, send_bytes

STREAM = HELLO | {"stream": True}
Compression = Literal["gzip", "deflate", "raw_deflate", "br", "zstd"]


def unpacked(name: str, data: bytes) -> bytes:
    match name:
        case "gzip":
            return gzip.decompress(data)
        case "deflate":
            return zlib.decompress(data)
        case "raw_deflate":
            return zlib.decompress(data, wbits=-15)
        case "br":
            return bytes(brotli.decompress(data))
        case _:
            return zstd.decompress(data)


async def test_json_has_a_length_and_a_stream_has_chunks(simulator: Simulator) -> None:
    whole = await call(simulator, HELLO)
    stream = await call(simulator, STREAM)

    assert whole.headers["content-length"] == str(len(whole.body))
    assert "transfer-encoding" not in whole.headers
    assert stream.headers["transfer-encoding"] == "chunked"
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["json", "stream"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_every_framing_carries_the_same_body(
    simulator: Simulator, body: dict[str, Any], framing: Literal["length", "chunked", "close"]
) -> None:
    plain = await call(simulator, body)
    simulator.reset()
    framed = await call(simulator, body, Behaviour(wire=Wire(framing=framing)))

    assert framed.body == plain.body
    assert ("content-length" in framed.headers) == (framing == "length")
    assert ("transfer-encoding" in framed.headers) == (framing == "chunked")
    assert framed.headers["connection"] == "close"


async def test_a_connection_is_kept_for_the_next_call(simulator: Simulator) -> None:
    body = json.dumps(HELLO).encode()
    last = request_bytes(body, {"connection": "close"})

    came = await send_bytes(simulator, request_bytes(body) + last)

    assert came.count(b"HTTP/1.1 200 OK") == 2


async def test_writes_have_the_sizes_that_were_asked_for(simulator: Simulator) -> None:
    sizes = Wire(write_bytes=(1, 5, 2), framing="chunked")
    request = request_bytes(
        json.dumps(HELLO).encode(),
        {"connection": "close"} | Behaviour(wire=sizes).header(),
    )

    came = await send_bytes(simulator, request)

    parts = chunks(came.partition(b"\r\n\r\n")[2])
    assert [len(part) for part in parts[:7]] == [1, 5, 2, 1, 5, 2, 1]
    assert json.loads(b"".join(parts))["object"] == "chat.completion"


async def test_a_pace_rests_before_each_write_and_never_on_a_clock() -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    slow = Behaviour(content="one two", delay_ms=300, wire=Wire(pace_ms=20))
    async with Simulator(sleep=rest, behaviour=slow) as simulator:
        stream = await call(simulator, STREAM)

    # Role, two words, the end, [DONE]: five events.
    assert len(stream.events()) == 5
    assert rests == [0.3] + [0.02] * 5


async def test_the_headers_are_those_of_the_real_api(simulator: Simulator) -> None:
    first = await call(simulator, HELLO)
    second = await call(simulator, HELLO)

    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-ratelimit-remaining-requests"] == "9999"
    assert second.headers["x-ratelimit-remaining-requests"] == "9998"
    assert first.headers["x-ratelimit-remaining-tokens"] == "29999991"
    assert first.headers["openai-version"] == "2020-10-01"
    assert first.headers["date"].endswith("GMT")
    assert [line.request_id for line in simulator.bills] == [
        first.headers["x-request-id"],
        second.headers["x-request-id"],
    ]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, zstd;q=0.9, br;q=0", "zstd"),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_json_is_compressed_as_the_client_likes_it(
    simulator: Simulator, accepted: str, encoding: str | None
) -> None:
    answer = await call(simulator, HELLO, headers={"accept-encoding": accepted})

    assert answer.headers.get("content-encoding") == encoding
    body = unpacked(encoding, answer.body) if encoding else answer.body
    assert json.loads(body)["object"] == "chat.completion"


async def test_a_stream_is_left_plain_unless_told_otherwise(simulator: Simulator) -> None:
    stream = await call(simulator, STREAM, headers={"accept-encoding": "gzip, br"})

    assert "content-encoding" not in stream.headers
    assert stream.events()[-1] == "[DONE]"


@pytest.mark.parametrize("framing", ["chunked", "length"])
@pytest.mark.parametrize("name", ["gzip", "deflate", "raw_deflate", "br", "zstd"])
async def test_a_compression_nobody_asked_for_is_used_when_told(
    simulator: Simulator, name: Compression, framing: Literal["chunked", "length"]
) -> None:
    plain = await call(simulator, STREAM)
    simulator.reset()
    wire = Wire(compression=name, framing=framing)
    packed = await call(simulator, STREAM, Behaviour(wire=wire))

    assert packed.headers["content-encoding"] == name.removeprefix("raw_")
    assert packed.body != plain.body
    assert unpacked(name, packed.body) == plain.body


async def test_a_compressed_event_can_be_read_before_the_next_one_comes(
    simulator: Simulator,
) -> None:
    wire = Wire(compression="gzip")
    request = request_bytes(
        json.dumps(STREAM).encode(),
        {"connection": "close"} | Behaviour(content="one", wire=wire).header(),
    )

    came = await send_bytes(simulator, request)

    parts = chunks(came.partition(b"\r\n\r\n")[2])
    unpacker = zlib.decompressobj(wbits=31)
    events = [unpacker.decompress(part) for part in parts[:4]]
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_lines_end_as_told(simulator: Simulator, end: Literal["\n", "\r\n", "\r"]) -> None:
    wire = Wire(line_end=end, comments=True, unknown_events=True, byte_order_mark=True)

    stream = await call(simulator, STREAM, Behaviour(content="one", wire=wire))

    text = stream.body.decode()
    assert text.startswith(f"\ufeff: still here{end}{end}event: ping{end}data: ")
    assert text.count("\ufeff") == 1
    assert text.endswith(f"data: [DONE]{end}{end}")
    assert set("\r\n") & set(text) == set(end)
    assert text.count(": still here") == text.count("event: ping") == 3


async def test_a_stream_can_end_without_saying_so(simulator: Simulator) -> None:
    stream = await call(simulator, STREAM, Behaviour(wire=Wire(done=False)))

    assert b"[DONE]" not in stream.body
    assert stream.events()[-1]["choices"][0]["finish_reason"] == "stop"


async def test_a_client_that_waits_for_leave_to_send_gets_it(simulator: Simulator) -> None:
    body = json.dumps(HELLO).encode()
    head = request_bytes(b"", {"expect": "100-continue", "connection": "close"})
    async with connection(simulator) as (reader, writer):
        writer.write(head.replace(b"content-length: 0", b"content-length: %d" % len(body)))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")


async def test_a_stream_can_pad_its_events_or_not(simulator: Simulator) -> None:
    padded = await call(simulator, STREAM)
    bare = await call(simulator, STREAM | {"stream_options": {"include_obfuscation": False}})

    assert all("obfuscation" in event for event in padded.events()[:-1])
    assert not any("obfuscation" in event for event in bare.events()[:-1])
