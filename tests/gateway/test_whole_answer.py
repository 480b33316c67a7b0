"""An answer in one piece is written as the library would write it, byte for byte."""

import asyncio
from collections.abc import Mapping
from unittest.mock import patch

import pytest
from multidict import CIMultiDict

from proxy.domain.errors import Refused
from proxy.gateway.respond import Answer
from proxy.gateway.runtime import server
from proxy.gateway.runtime.body import BodyLimits
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.server import MeteredServer, Reception
from proxy.gateway.runtime.tasks import TaskSet

BODY = b'{"choices": []}'
DATE = "Sun, 15 Nov 2026 12:00:00 GMT"
POST = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n{}\r\nbody"
CLOSING = POST.format("Connection: close\r\n")


def nothing_unreadable() -> Answer:
    raise AssertionError("every request here can be read")


async def served(
    request: str, status: int, headers: Mapping[str, str], body: bytes, *, largest: int = 4
) -> bytes:
    """All that comes back for a request, and for one more if the connection stays open."""

    async def handle(door: Door) -> None:
        try:
            assert await door.body() in (b"body", b"")
            door.answer(status, headers, body)
        except Refused as refused:
            door.answer(413, {}, refused.reason.encode())

    limits = BodyLimits(max_bytes=largest, timeout_ms=1_000)
    metered = MeteredServer(
        Reception(handle, TaskSet(), limits),
        nothing_unreadable,
        max_header_bytes=8_190,
        max_headers=100,
    )
    listening = await asyncio.get_running_loop().create_server(metered, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    stays_open = "HTTP/1.1" in request if "Connection" not in request else "keep-alive" in request
    writer.write(f"{request}{CLOSING if stays_open else ''}".encode())
    answer = await reader.read()
    writer.close()
    listening.close()
    await metered.shutdown(1)
    return answer


HEADERS = [
    {},
    {"Content-Type": "application/json", "X-Budget-Decision": "ALLOW"},
    CIMultiDict([("Set-Cookie", "a"), ("set-cookie", "b"), ("Date", DATE), ("server", "theirs")]),
]
REQUESTS = {
    "usual": POST.format(""),
    "older": POST.format("").replace("HTTP/1.1", "HTTP/1.0"),
    "older, kept": POST.format("Connection: keep-alive\r\n").replace("HTTP/1.1", "HTTP/1.0"),
    "closing": CLOSING,
    "head": "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("request_text", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, BODY), (429, BODY), (529, b"x" * 200_000), (200, b""), (204, BODY), (304, BODY)],
)
async def test_the_bytes_are_those_of_the_library(
    headers: Mapping[str, str], request_text: str, status: int, body: bytes
) -> None:
    with (
        patch.object(server, "rfc822_formatted_time", lambda: DATE),
        patch("aiohttp.web_response.rfc822_formatted_time", lambda: DATE),
    ):
        ours = await served(request_text, status, headers, body)
        with patch.object(server, "_can_be_whole", lambda *_: False):
            theirs = await served(request_text, status, headers, body)

    assert ours == theirs
    assert f"HTTP/1.{int('1.1' in request_text)} {status} ".encode() in ours


async def test_the_usual_answer_is_written_our_way() -> None:
    with patch.object(server, "rfc822_formatted_time", lambda: DATE):
        assert f"Date: {DATE}".encode() in await served(REQUESTS["usual"], 200, {}, BODY)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0b"])
async def test_no_value_can_end_its_line(value: str) -> None:
    answer = await served(REQUESTS["usual"], 200, {"X-Budget-Model": value}, BODY)

    assert b"Set-Cookie" not in answer
    assert BODY not in answer


async def test_a_body_that_came_with_its_head_has_its_limit() -> None:
    assert await served(REQUESTS["usual"], 200, {}, BODY, largest=4) == await served(
        REQUESTS["usual"], 200, {}, BODY, largest=5
    )
    in_chunks = await served(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        *(200, {}, BODY),
        largest=3,
    )
    assert in_chunks.count(b"request_too_large") == 1
    assert b"Connection: close" in in_chunks
