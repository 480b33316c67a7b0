"""Requests that an operator listed: they pass without a hold, and nothing beside them does."""

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
import pytest_asyncio

from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.wire import RawAnswer, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTED = ["GET /v1/skills*", "POST /v1/skills", "DELETE /v1/skills/*", "GET /v1/x/*/content"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("passthrough")
    async with Simulator() as simulator, running(folder, simulator, passthrough=LISTED) as started:
        yield started


async def asked(stack: Stack, method: str, path: str, body: bytes = b"") -> RawAnswer:
    """A request; it holds nothing, whatever becomes of it."""
    stack.simulator.reset()
    calls = len(stack.log.events("call"))
    answer = read_answer(
        await exchange(stack.base_url, request_bytes(body, method=method, path=path))
    )
    assert answer is not None
    await stack.log.until("call", calls + 1)
    assert await stack.rows() == ()
    assert await stack.charged_and_uncovered() == (0, 0)
    return answer


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/skills?limit=2", b""),
        ("GET", "/v1/skills/skill_1/content", b""),
        ("POST", "/v1/skills", b"--b\r\nContent-Disposition: form-data; name=f\r\n\r\nx\r\n--b--"),
        ("DELETE", "/v1/skills/skill_1", b""),
        ("GET", "/v1/x/7/content", b""),
    ],
)
async def test_what_is_listed_passes_as_it_came(
    stack: Stack, method: str, path: str, body: bytes
) -> None:
    answer = await asked(stack, method, path, body)

    (seen,) = stack.simulator.requests_seen
    assert (seen.method, seen.path) == (method, path)
    assert seen.body_sha256 == sha256(body).hexdigest()
    assert "x-budget-decision" not in answer.headers
    last = stack.log.events("call")[-1]
    assert (last["api"], last["decision"]) == ("passthrough", "ALLOW")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("PUT", "/v1/skills", "not metered"),
        ("POST", "/v1/skills/skill_1", "not metered"),
        ("GET", "/v1/skills/../chat/completions", "not metered"),
        ("GET", "/v1/skills/%2e%2e/chat/completions", "not metered"),
        ("GET", "/v1/x/a/b/content", "not metered"),
        ("GET", "/skills", "not metered"),
        ("POST", "/v1/batches", "send their calls one by one"),
        ("POST", "/v1/assistants", "use POST /v1/responses"),
        ("POST", "/v1/fine_tuning/jobs", "does not pass: fine-tuning"),
        ("POST", "/v1/realtime/client_secrets", "use POST /v1/responses"),
        ("POST", "/v1beta/models/gemini-2.5-pro:generateContent", "OpenAI-compatible"),
    ],
)
async def test_what_is_beside_it_is_refused_with_what_to_do(
    stack: Stack, method: str, path: str, said: str
) -> None:
    answer = await asked(stack, method, path)

    assert (answer.status, answer.error()["code"]) == (403, "path_not_allowed")
    assert said in answer.error()["message"]
    assert stack.simulator.requests_seen == []
