"""Clients whose base URL ends otherwise than with /v1, and upstreams whose address does."""

import pytest
from openai import AsyncOpenAI

from proxy.dialects.addresses import PREFIXES
from simulator.server import Simulator
from tests.e2e.sdk.asks import HELLO
from tests.e2e.stack import Stack
from tests.e2e.upstreams.calls import assert_paid, call, seen
from tests.e2e.wire import CHAT, answered, exchange, read_answer, request_bytes


@pytest.mark.parametrize("prefix", ["", "/v1", *PREFIXES])
async def test_the_sdk_may_be_given_any_of_the_known_prefixes(
    stack: Stack, simulator: Simulator, prefix: str
) -> None:
    base_url = stack.base_url.removesuffix("/v1") + prefix
    async with AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as sdk:
        answer = await sdk.chat.completions.create(model="gpt-4o", messages=HELLO)
        models = await sdk.models.list()

    assert answer.model.startswith("gpt-4o")
    assert "gpt-4o" in [model.id for model in models.data]
    assert [request.path for request in simulator.requests_seen] == [CHAT, "/v1/models"]
    await assert_paid(stack)


async def test_who_is_calling_may_stand_before_any_prefix(stack: Stack) -> None:
    answer = await call(stack, "/s/agent=bot/api/v1/chat/completions", model="gpt-4o")

    assert answer.status == 200
    assert [line["scope"] for line in await stack.log.until("call")] == ["tenant:dev/agent:bot"]


@pytest.mark.parametrize("path", ["/v1/v1/chat/completions", "/api/v1/v1/chat/completions"])
async def test_a_version_that_stands_twice_is_refused_with_a_hint(stack: Stack, path: str) -> None:
    answer = await call(stack, path, model="gpt-4o")

    assert (answer.status, answer.error()["code"]) == (403, "path_not_allowed")
    assert "leave it out of the base URL" in answer.error()["message"]
    assert await stack.rows() == ()


@pytest.mark.parametrize(
    "path",
    ["/v2/chat/completions", "/api/chat/completions", "/proxy/v1/chat/completions", "/chat"],
)
async def test_any_other_prefix_does_not_pass(stack: Stack, path: str) -> None:
    answer = await call(stack, path, model="gpt-4o")

    assert (answer.status, answer.error()["code"]) == (403, "path_not_allowed")
    assert stack.simulator.requests_seen == []


async def test_a_refusal_at_a_bare_path_has_the_shape_of_its_api(stack: Stack) -> None:
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": []}
    answer = await answered(stack.base_url, body, path="/anthropic/v1/messages")

    assert answer.json()["type"] == "error"


async def test_a_version_of_azures_does_not_go_to_others(stack: Stack) -> None:
    await call(stack, f"{CHAT}?api-version=2024-10-21&x=1", model="gpt-4o")

    assert seen(stack).path == f"{CHAT}?x=1"


async def test_the_root_is_still_nothing(stack: Stack) -> None:
    data = request_bytes(method="HEAD", path="/")
    answer = read_answer(await exchange(stack.base_url, data))

    assert answer is not None
    assert answer.status == 404
