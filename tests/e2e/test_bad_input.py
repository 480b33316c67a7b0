"""Bad input over real sockets: a clear error in OpenAI's shape, nothing forwarded, nothing held."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy.domain.reservation import State
from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.wire import (
    CHAT,
    RawAnswer,
    answered,
    chunked,
    connected,
    encode,
    exchange,
    read_answer,
    request_bytes,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARK = "the-words-of-a-prompt"
MESSAGES = [{"role": "user", "content": MARK}]
GOOD: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 9}
BODY_BYTES_MAX = 40_000
HEADER_BYTES_MAX = 2_048


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One proxy for all of this module: nothing of it may ever arrive anywhere."""
    limits = {
        "max_body_bytes": BODY_BYTES_MAX,
        "max_header_bytes": HEADER_BYTES_MAX,
        "max_headers": 32,
    }
    folder = tmp_path_factory.mktemp("bad-input")
    async with Simulator() as simulator, running(folder, simulator, limits=limits) as started:
        yield started


def raw(**changes: str) -> bytes:
    """The good body with some values written by hand."""
    fields = {name: json.dumps(value) for name, value in GOOD.items()} | changes
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


async def refused(stack: Stack, data: bytes, status: int, reason: str) -> RawAnswer:
    """What the bytes get: a refusal that says why, and leaves no trace but its log line."""
    stack.simulator.reset()
    rows = await stack.rows()
    calls = len(stack.log.events("call"))

    answer = read_answer(await exchange(stack.base_url, data))

    assert answer is not None
    assert answer.whole
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-budget-decision"] == "DENY"
    error = answer.error()
    assert (answer.status, error["budget"]["reason"]) == (status, reason)
    assert set(error) == {"message", "type", "code", "param", "budget"}
    assert len(error["message"]) > 20
    assert MARK.encode() not in answer.body
    assert MARK not in str(stack.log.lines)
    (line,) = stack.log.events("call")[calls:]
    assert (line["decision"], line["reason"], line["status"]) == ("DENY", reason, status)
    assert stack.simulator.requests_seen == []
    assert await stack.rows() == rows
    assert (await stack.balance()).reserved == 0
    return answer


NOT_JSON = {
    "nothing": b"",
    "white space": b" \n",
    "half an object": b'{"model":"gpt-4o","messages":[',
    "more than an object": raw() + b"x",
    "two objects": raw() + raw(),
    "a list": b"[" + raw() + b"]",
    "a string": b'"gpt-4o"',
    "null": b"null",
    "a number": b"12",
    "single quotes": b"{'model':'gpt-4o'}",
    "a comment": b"/* hello */" + raw(),
    "invalid UTF-8": raw(user='"\u00ff"').replace(b"\xc3\xbf", b"\xff"),
    "UTF-16": raw().decode().encode("utf-16"),
    "NaN": raw(temperature="NaN"),
    "Infinity": raw(max_tokens="Infinity"),
    "a key twice": raw(**{"user": '"a","max_tokens":9'}),
    "a key twice, written differently": raw(user='"a","mode\\u006c":"gpt-4o-mini"'),
    "10,000 lists in each other": raw(user="[" * 10_000 + "]" * 10_000),
    "10,000 objects in each other": raw(user='{"a":' * 6_000 + "1" + "}" * 6_000),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_is_not_one_json_object_is_refused(stack: Stack, body: bytes) -> None:
    await refused(stack, request_bytes(body), 400, "invalid_request")


WRONG: list[tuple[str, str]] = [
    *(("max_tokens", value) for value in ('"12"', "-1", "0", "1e309", "true", "1.5", "[]")),
    *(("max_completion_tokens", value) for value in ("-1", "99999999999999999999", "2.0")),
    *(("n", value) for value in ("0", "-1", "1000000000", '"2"', "true", "1.5")),
    ("model", "null"),
    ("model", "7"),
    ("model", '""'),
    ("model", '"gpt-4o\\n"'),
    ("messages", "null"),
    ("messages", "[]"),
    ("messages", '"hello"'),
    ("messages", '["hello"]'),
    ("stream", '"yes"'),
    ("stream", "1"),
    ("stream_options", '"usage"'),
    ("stream_options", '{"include_usage":"yes"}'),
    ("tools", '"all"'),
    ("tools", "[1]"),
    ("service_tier", "1"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
async def test_a_value_of_the_wrong_kind_is_refused_by_name(
    stack: Stack, field: str, value: str
) -> None:
    """Elsewhere `n: 1000000000` was forwarded."""
    changes = {field: value}
    if field == "max_completion_tokens":
        body = raw(**changes).replace(b'"max_tokens":9,', b"")
    else:
        body = raw(**changes)

    answer = await refused(stack, request_bytes(body), 400, "invalid_request")

    assert str(answer.error()["param"]).startswith(field)


@pytest.mark.parametrize("field", ["model", "messages"])
async def test_a_missing_field_is_refused_by_name(stack: Stack, field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}

    answer = await refused(stack, request_bytes(encode(body)), 400, "invalid_request")

    assert answer.error()["param"] == field


async def test_two_limits_exclude_each_other(stack: Stack) -> None:
    body = GOOD | {"max_completion_tokens": 9}

    await refused(stack, request_bytes(encode(body)), 400, "invalid_request")


async def test_a_model_without_a_price_is_refused_and_one_like_it_is_named(stack: Stack) -> None:
    body = GOOD | {"model": "gpt-4o-minni"}

    answer = await refused(stack, request_bytes(encode(body)), 400, "model_not_priced")

    assert "gpt-4o-mini" in answer.error()["message"]
    assert answer.error()["param"] == "model"


@pytest.mark.parametrize(
    "data",
    [
        request_bytes(b"x" * (BODY_BYTES_MAX + 1)),
        request_bytes(b"", "Content-Length: 99999999999", length=False),
        request_bytes(
            chunked(b"x" * BODY_BYTES_MAX, b"x"), "Transfer-Encoding: chunked", length=False
        ),
    ],
    ids=["declared", "declared and not sent", "chunked"],
)
async def test_a_body_over_the_limit_is_refused(stack: Stack, data: bytes) -> None:
    answer = await refused(stack, data, 413, "request_too_large")

    assert "limits.max_body_bytes" in answer.error()["message"]


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "Deflate"])
async def test_a_compressed_body_is_refused(stack: Stack, coding: str) -> None:
    data = request_bytes(encode(GOOD), f"Content-Encoding: {coding}")

    answer = await refused(stack, data, 400, "invalid_request")

    assert "ompressed" in answer.error()["message"]


LENGTH = f"Content-Length: {len(encode(GOOD))}"
SECRET = "Bearer sk-the-secret"
NOT_HTTP = {
    "two lengths": request_bytes(encode(GOOD), "Content-Length: 5"),
    "two equal lengths": request_bytes(encode(GOOD), LENGTH),
    "a length and chunks": request_bytes(
        chunked(encode(GOOD)), LENGTH, "Transfer-Encoding: chunked", length=False
    ),
    "a length that is no number": request_bytes(
        encode(GOOD), "Content-Length: 1x", f"Authorization: {SECRET}", length=False
    ),
    "a negative length": request_bytes(encode(GOOD), "Content-Length: -1", length=False),
    "a broken chunk": request_bytes(b"zz\r\n", "Transfer-Encoding: chunked", length=False),
    "two hosts": request_bytes(encode(GOOD), "Host: localhost"),
    "a credential with a zero": request_bytes(encode(GOOD), f"Authorization: {SECRET}\0"),
    "a header name with a blank": request_bytes(encode(GOOD), f"Author ization: {SECRET}"),
    "a header that is too long": request_bytes(
        encode(GOOD), f"Authorization: {SECRET}{'x' * HEADER_BYTES_MAX}"
    ),
    "a path that is too long": request_bytes(encode(GOOD), path=f"{CHAT}?{'x' * 3_000}"),
    "too many headers": request_bytes(encode(GOOD), *(f"X-{number}: 1" for number in range(40))),
    "no host": request_bytes(encode(GOOD)).replace(b"Host: localhost\r\n", b""),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "words": b"hello, is anybody there?\r\n\r\n",
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_not_http_is_refused_and_never_repeated(
    stack: Stack, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """A header that cannot be read may be the one with the credential."""
    answer = await refused(stack, data, 400, "invalid_request")

    assert b"sk-the-secret" not in answer.body
    assert "sk-the-secret" not in str(stack.log.lines)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.2", "", "[::2]:7676", "a@localhost"]
)
async def test_a_foreign_host_is_refused(stack: Stack, host: str) -> None:
    """A page that points its own name at this machine must not spend through it."""
    await refused(stack, request_bytes(encode(GOOD), host=host), 403, "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1", "[::1]:7676", "LOCALHOST"])
async def test_an_allowed_host_passes(stack: Stack, host: str) -> None:
    answer = read_answer(await exchange(stack.base_url, request_bytes(encode(GOOD), host=host)))

    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("origin", ["http://localhost:3000", "null", "https://evil.example"])
async def test_a_page_in_a_browser_is_refused(stack: Stack, origin: str) -> None:
    data = request_bytes(encode(GOOD), f"Origin: {origin}")

    await refused(stack, data, 403, "origin_not_allowed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("PUT", CHAT),
        ("DELETE", "/v1/models/gpt-4o"),
        ("POST", "/v1/models"),
        ("OPTIONS", CHAT),
        ("PUT", "/v1/moderations"),
        ("GET", "/v1/embeddings"),
        ("POST", "/v1/audio/voices"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1/./chat/completions"),
        ("POST", "/v1/%63hat/completions"),
        ("POST", "/v2/chat/completions"),
        ("POST", "/v1/v1/chat/completions"),
        ("GET", "/v1/modelsx"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/../files"),
        ("GET", "/v1/models/a/%2e%2E/%2e%2e/files"),
        ("GET", "/v1/models/%252e%252e/files"),
        ("GET", "/v1/models/..\\files"),
        ("POST", "/"),
        ("POST", "/metrics"),
    ],
)
async def test_what_is_not_metered_does_not_pass(stack: Stack, method: str, path: str) -> None:
    """Field-report 61."""
    data = request_bytes(encode(GOOD), method=method, path=path)

    await refused(stack, data, 403, "path_not_allowed")


@pytest.mark.parametrize(
    "name", ["gpt-4o", "ft:gpt-4o-mini:acme::7p4", "ft%3Agpt-4o", "meta/llama-3.1-8b@2"]
)
async def test_the_name_of_a_model_passes(stack: Stack, name: str) -> None:
    stack.simulator.reset()
    data = request_bytes(method="GET", path=f"/v1/models/{name}")

    answer = read_answer(await exchange(stack.base_url, data))

    (seen,) = stack.simulator.requests_seen
    assert seen.path == f"/v1/models/{name}"
    assert answer is not None
    assert answer.status in (200, 404)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/responses"), ("POST", CHAT)])
async def test_a_websocket_is_told_to_use_http(stack: Stack, method: str, path: str) -> None:
    """After 426 agents fall back at once; after 404 or 501 some try seven times more."""
    data = request_bytes(
        b"" if method == "GET" else encode(GOOD),
        "Connection: Upgrade",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        method=method,
        path=path,
    )

    await refused(stack, data, 426, "upgrade_required")


async def test_an_offer_of_http_2_may_be_ignored(stack: Stack) -> None:
    """Some HTTP clients make it with each plain call."""
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]

    assert (await answered(stack.base_url, GOOD, *offer)).status == 200


@pytest.mark.parametrize("header", ["Authorization: Bearer", "Authorization: bearer", "x-api-key:"])
async def test_an_unknown_key_of_ours_is_refused(stack: Stack, header: str) -> None:
    data = request_bytes(encode(GOOD), f"{header} cyc_{MARK}")

    await refused(stack, data, 401, "invalid_key")


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("X-Cycles-Tenant: other", CHAT),
        ("X-Cycles-App: theirs", CHAT),
        ("X-Cycles-Agent: ", CHAT),
        ("baggage: cycles.workspace=theirs", CHAT),
        ("X-Cycles-Agent: a", f"/s/agent=b{CHAT}"),
        ("X-Cycles-Agent: a", f"/s/tenant=dev,app=x{CHAT}"),
        ("X-Nothing: 1", f"/s/nonsense{CHAT}"),
        ("X-Nothing: 1", f"/s/agent={CHAT}"),
    ],
)
async def test_a_caller_cannot_be_somebody_else(stack: Stack, header: str, path: str) -> None:
    data = request_bytes(encode(GOOD), header, path=path)

    await refused(stack, data, 403, "identity_mismatch")


@pytest.mark.parametrize("agent", ["b\u00f6se", "a/b", "tenant:dev", "*", "enc-forged", "x" * 500])
async def test_a_strange_name_is_encoded_and_not_refused(stack: Stack, agent: str) -> None:
    answer = await answered(stack.base_url, GOOD, f"X-Cycles-Agent: {agent}")

    row = (await stack.rows())[-1]
    name = row.scope_path.removeprefix("tenant:dev/agent:")
    assert answer.status == 200
    assert row.state is State.COMMITTED
    assert name.startswith("enc-")
    assert len(name) == 24


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_name_is_the_same_in_both_encodings_of_headers(stack: Stack, encoding: str) -> None:
    data = request_bytes(encode(GOOD), "X-Cycles-Agent: @", "Authorization: Bearer @")

    answer = read_answer(
        await exchange(stack.base_url, data.replace(b"@", "b\u00f6se".encode(encoding)))
    )

    assert answer is not None
    assert answer.status == 200
    row = (await stack.rows())[-1]
    assert row.subject.dimensions["agent"] == "b\u00f6se"


async def test_expect_100_continue_works(stack: Stack) -> None:
    body = encode(GOOD)
    async with connected(stack.base_url) as connection:
        head = request_bytes(
            b"", "Expect: 100-continue", f"Content-Length: {len(body)}", length=False
        )
        await connection.send(head)
        assert await connection.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await connection.send(body)
        answer = read_answer(await connection.read_all())

    assert answer is not None
    assert answer.status == 200


async def test_a_body_that_is_too_large_is_not_even_asked_for(stack: Stack) -> None:
    data = request_bytes(b"", "Expect: 100-continue", "Content-Length: 999999", length=False)

    await refused(stack, data, 413, "request_too_large")


async def test_a_refusal_leaves_the_connection_of_use(stack: Stack) -> None:
    async with connected(stack.base_url) as connection:
        await connection.send(request_bytes(b"{}", keep_alive=True))
        await connection.read_until(b"}}}")
        await connection.send(request_bytes(encode(GOOD)))
        answer = read_answer(await connection.read_all())

    assert answer is not None
    assert answer.status == 200
