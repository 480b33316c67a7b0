"""Whatever a caller or an upstream writes, calls go to the address in the configuration alone.

RFC 9112 section 3.2, RFC 9110 sections 7.2 and 15.4. A second upstream listens, with our
credential as its prize; nothing may ever arrive there.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio

from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.wire import CHAT, encode, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-of-the-upstream-0123456789"
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "Say something."}],
}
WORDS = encode(BODY)


@dataclass(frozen=True)
class Scene:
    """A proxy, its upstream, and one that is nobody's."""

    stack: Stack
    trap: Simulator

    @property
    def elsewhere(self) -> str:
        """Host and port of the one that is nobody's."""
        return urlsplit(self.trap.address).netloc

    @property
    def home(self) -> str:
        """Host and port of the upstream."""
        return urlsplit(self.stack.simulator.address).netloc


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Its trap must be empty when all rows are through."""
    async with Simulator() as trap, Simulator() as simulator:
        section = {"name": "home", "base_url": simulator.base_url, "api_key": SECRET}
        folder = tmp_path_factory.mktemp("addresses")
        async with running(folder, simulator, upstreams=[section]) as stack:
            yield Scene(stack, trap)
        assert trap.requests_seen == []


REFUSED_TARGETS = [
    "http://{elsewhere}{chat}",
    "http://localhost{chat}",
    "HTTP://{elsewhere}/v1/models",
    "https://{elsewhere}{chat}",
    "//{elsewhere}{chat}",
    "//{elsewhere}/v1/models",
    "/{elsewhere}/v1/models",
    "/http://{elsewhere}/v1/models",
    "/v1//{elsewhere}/v1/models",
    "/v1/models/http://{elsewhere}/",
    "/v1/models//{elsewhere}/v1/models",
    "/v1/models/{quoted}",
    "/v1/models/\\\\{elsewhere}",
    "/v1/models/../../{elsewhere}",
    "/v1/models/..%2f..%2ffiles",
    "/v1/models/%2e%2e/files",
    "/v1/models/a/./b",
    "/v1/models/.",
    "/v1/models/a%0d%0aHost:{elsewhere}",
    "/v1/models/a%00",
    "/v1/../v1/chat/completions",
    "/v1/chat/../chat/completions",
    "/v1/chat/completions/..",
    "/v1/chat/completions;x",
    "/v1/chat%2fcompletions",
    "/v1\\chat\\completions",
    "/V1/chat/completions",
    "/v1/responses/../files",
    "/v1/responses/%2e%2e",
    "/v1/responses/a%2f..%2ffiles/cancel",
    "/s/agent=a/..{chat}",
    "/s/agent=a//{elsewhere}{chat}",
    "*",
]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("target", REFUSED_TARGETS)
async def test_a_target_that_leads_elsewhere_is_refused(
    scene: Scene, target: str, method: str
) -> None:
    stack = scene.stack
    stack.simulator.reset()
    quoted = quote(f"http://{scene.elsewhere}/v1", safe="")
    path = target.format(elsewhere=scene.elsewhere, chat=CHAT, quoted=quoted)
    rows = await stack.rows()

    answer = read_answer(
        await exchange(stack.base_url, request_bytes(WORDS, method=method, path=path))
    )

    assert answer is not None
    reason = answer.error()["budget"]["reason"]
    assert (answer.status, reason) in [
        (403, "path_not_allowed"),
        (403, "identity_mismatch"),
        (400, "invalid_request"),
    ]
    assert stack.simulator.requests_seen == []
    assert await stack.rows() == rows


async def test_a_tunnel_is_refused(scene: Scene) -> None:
    data = request_bytes(method="CONNECT", path=scene.elsewhere, host=scene.elsewhere, length=False)

    answer = read_answer(await exchange(scene.stack.base_url, data))

    assert answer is not None
    assert answer.status == 403


@pytest.mark.parametrize(
    "host",
    ["{elsewhere}", "localhost@{elsewhere}", "localhost, {elsewhere}", "localhost/{elsewhere}"],
)
async def test_another_host_is_refused(scene: Scene, host: str) -> None:
    scene.stack.simulator.reset()
    data = request_bytes(WORDS, host=host.format(elsewhere=scene.elsewhere.replace("127", "10")))

    answer = read_answer(await exchange(scene.stack.base_url, data))

    assert answer is not None
    assert answer.error()["budget"]["reason"] == "host_not_allowed"
    assert scene.stack.simulator.requests_seen == []


MISLEADING = [
    "X-Forwarded-Host: {elsewhere}",
    "Forwarded: host={elsewhere}",
    "X-Original-URL: http://{elsewhere}/v1/files",
    "X-Rewrite-URL: /v1/files",
    "X-Upstream: http://{elsewhere}",
    "X-HTTP-Method-Override: DELETE",
    "Referer: http://{elsewhere}/",
    "Connection: Host",
]


@pytest.mark.parametrize("header", MISLEADING)
async def test_a_header_changes_no_address(scene: Scene, header: str) -> None:
    scene.stack.simulator.reset()
    data = request_bytes(WORDS, header.format(elsewhere=scene.elsewhere))

    answer = read_answer(await exchange(scene.stack.base_url, data))

    assert answer is not None
    assert answer.status == 200
    (seen,) = scene.stack.simulator.requests_seen
    assert (seen.method, seen.path, seen.headers["host"]) == ("POST", CHAT, scene.home)
    assert seen.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "query", ["?", "?a=http://{elsewhere}/", "?a=%0d%0aHost:+x", "?@{elsewhere}/", "?a=b?c#d"]
)
async def test_a_query_goes_on_as_it_came_and_changes_no_address(scene: Scene, query: str) -> None:
    scene.stack.simulator.reset()
    asked = query.format(elsewhere=scene.elsewhere)

    answer = read_answer(
        await exchange(scene.stack.base_url, request_bytes(WORDS, path=f"{CHAT}{asked}"))
    )

    assert answer is not None
    assert answer.status == 200
    (seen,) = scene.stack.simulator.requests_seen
    assert seen.path.partition("?")[0] == CHAT
    assert seen.headers["host"] == scene.home


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_a_redirect_to_another_host_is_told_and_not_followed(
    scene: Scene, status: int, *, stream: bool
) -> None:
    """It would take the call and our credential to whom nobody configured."""
    location = f"{scene.trap.base_url}/chat/completions"
    scene.stack.simulator.reset()
    scene.stack.simulator.script(Behaviour(refusal=Refusal(status=status, location=location)))

    answer = read_answer(
        await exchange(scene.stack.base_url, request_bytes(encode(BODY | {"stream": stream})))
    )

    assert answer is not None
    assert answer.status == status
    assert answer.headers["location"] == location
    assert SECRET not in str(answer)
    assert len(scene.stack.simulator.requests_seen) == 1
    assert scene.trap.requests_seen == []
