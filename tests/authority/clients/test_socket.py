"""Bytes on a real socket: what no in-process request can be."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.authority.clients.listener import SECRET, Listener, listening
from tests.authority.rig import spending
from tests.e2e.wire import RawAnswer, chunked, connected, exchange, read_answer, request_bytes

KEY = f"X-Cycles-API-Key: {SECRET}"
RESERVATIONS = "/v1/reservations"


def body(**more: Any) -> bytes:
    return json.dumps(spending("estimate", 100, **more)).encode()


async def sent(listener: Listener, data: bytes) -> RawAnswer:
    """What comes back for these bytes."""
    answer = read_answer(await exchange(listener.url, data))
    assert answer is not None
    return answer


def post(payload: bytes, *headers: str, **more: Any) -> bytes:
    return request_bytes(payload, KEY, *headers, path=RESERVATIONS, **more)


def is_error(answer: RawAnswer, status: int, code: str) -> bool:
    told = answer.json()
    assert told["trace_id"] == answer.headers["x-cycles-trace-id"]
    assert told["request_id"] == answer.headers["x-request-id"]
    return (answer.status, told["error"]) == (status, code)


async def test_a_body_may_come_in_pieces(listener: Listener) -> None:
    whole = body()
    data = post(b"", "Transfer-Encoding: chunked", length=False) + chunked(whole[:9], whole[9:])
    assert (await sent(listener, data)).status == 200


async def test_a_client_may_ask_before_it_sends(listener: Listener) -> None:
    whole = body()
    head = post(whole, "Expect: 100-continue")[: -len(whole)]
    async with connected(listener.url) as connection:
        await connection.send(head)
        assert b"100 Continue" in await connection.read_until(b"\r\n\r\n")
        await connection.send(whole)
        answer = read_answer(await connection.read_all())
    assert answer is not None
    assert answer.status == 200


async def test_a_body_beyond_a_mebibyte_is_refused(listener: Listener) -> None:
    large = body(metadata={"a": "x" * 1_048_576})
    assert is_error(await sent(listener, post(large)), 413, "INVALID_REQUEST")
    fits = body(metadata={"a": "x" * 1_000_000})
    assert (await sent(listener, post(fits))).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        request_bytes(b"", KEY, "Content-Length: 3", path=RESERVATIONS),
        request_bytes(b"", KEY, "X: " + "x" * 40_000, path=RESERVATIONS),
        request_bytes(b"", KEY, *[f"X-{n}: 1" for n in range(300)], path=RESERVATIONS),
    ],
    ids=["nonsense", "two lengths", "a long header", "many headers"],
)
async def test_what_is_no_request_is_an_error_of_the_protocol(
    listener: Listener, data: bytes
) -> None:
    assert is_error(await sent(listener, data), 400, "INVALID_REQUEST")


async def test_a_body_that_never_arrives_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with listening(tmp_path, limits={"body_timeout_ms": 100}) as listener:
        async with connected(listener.url) as connection:
            await connection.send(post(body())[:-5])
            answer = read_answer(await connection.read_all())
        assert answer is not None
        assert is_error(answer, 408, "INVALID_REQUEST")


async def test_a_compressed_body_is_refused(listener: Listener) -> None:
    data = post(body(), "Content-Encoding: gzip")
    assert is_error(await sent(listener, data), 400, "INVALID_REQUEST")


async def test_a_foreign_host_is_refused_and_health_is_not(listener: Listener) -> None:
    data = request_bytes(body(), KEY, path=RESERVATIONS, host="evil.example")
    assert is_error(await sent(listener, data), 403, "FORBIDDEN")
    for path in ("/healthz", "/readyz", "/actuator/health", "/actuator/health/readiness"):
        asked = request_bytes(method="GET", path=path, host="evil.example")
        answer = await sent(listener, asked)
        assert (answer.status, answer.json()["status"]) == (200, "UP"), path


async def test_a_connection_brings_many_requests(listener: Listener) -> None:
    headers = {"X-Cycles-API-Key": SECRET}
    async with aiohttp.ClientSession(listener.url, headers=headers) as session:

        async def reserve() -> int:
            async with session.post(RESERVATIONS, data=body()) as answer:
                await answer.read()
                return answer.status

        assert await asyncio.gather(*[reserve() for _ in range(50)]) == [200] * 50
        async with session.get("/v1/balances?tenant=dev") as answer:
            (balance,) = (await answer.json())["balances"]
        assert balance["reserved"]["amount"] == 5_000


async def test_of_concurrent_reserves_as_many_are_granted_as_fit(listener: Listener) -> None:
    headers = {"X-Cycles-API-Key": SECRET}
    async with aiohttp.ClientSession(listener.url, headers=headers) as session:

        async def reserve() -> int:
            payload = json.dumps(spending("estimate", 100_000_000 // 37)).encode()
            async with session.post(RESERVATIONS, data=payload) as answer:
                await answer.read()
                return answer.status

        statuses = await asyncio.gather(*[reserve() for _ in range(80)])
    assert (statuses.count(200), statuses.count(409)) == (37, 43)


async def test_without_keys_only_health_is_served(tmp_path: Path) -> None:
    async with listening(tmp_path, keyless=True) as listener:
        assert listener.stack.log.events("authority_without_keys")
        answer = await sent(listener, post(body()))
        assert is_error(answer, 401, "UNAUTHORIZED")
        asked = request_bytes(method="GET", path="/healthz")
        assert (await sent(listener, asked)).status == 200


async def test_the_key_of_the_authority_is_a_bearer_token_at_the_proxy(listener: Listener) -> None:
    proxy = listener.stack.base_url.removesuffix("/v1")
    chat = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    data = request_bytes(json.dumps(chat).encode(), f"Authorization: Bearer {SECRET}")
    answer = read_answer(await exchange(proxy, data))
    assert answer is not None
    assert answer.status == 200, answer.body
    row = await listener.only_row()
    assert row.tenant == "dev"
    path = f"{RESERVATIONS}/{row.reservation_id}"
    seen = await sent(listener, request_bytes(b"", KEY, method="GET", path=path))
    assert (seen.status, seen.json()["status"]) == (200, "COMMITTED")
