"""The official anthropic SDK through the proxy: its answers, its errors, and its attempts."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam, ToolParam

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal
from simulator.server import Simulator
from tests.e2e.stack import Stack, held, paid, running

KEY = "sk-ant-of-the-proxy"
OUR_KEY = "cyc_known"
NOTHING = [{"scope": "tenant:dev", "allocated": "$0.00", "period": "none"}]
DEFAULT_ATTEMPTS = 3
MODEL = "claude-haiku-4-5"
HELLO: list[MessageParam] = [
    {"role": "user", "content": "What is the capital of the Åland Islands? 🏝"}
]
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}

Ask = Callable[[AsyncAnthropic], Awaitable[object]]


def upstream_of(simulator: Simulator, **more: object) -> list[dict[str, object]]:
    upstream = {"name": "claude", "base_url": simulator.base_url, "api": "anthropic"}
    return [upstream | {"api_key": KEY} | more]


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with (
        Simulator(key=KEY) as simulator,
        running(tmp_path, simulator, upstreams=upstream_of(simulator)) as started,
    ):
        yield started


def client(url: str, api_key: str = "any", **headers: str) -> AsyncAnthropic:
    """A client as programs make it: it tries again twice by itself."""
    return AsyncAnthropic(
        base_url=url.removesuffix("/v1"), api_key=api_key, default_headers=headers
    )


def attempts(stack: Stack) -> int:
    """How many requests came to the proxy."""
    return len(stack.log.events("call"))


async def create(sdk: AsyncAnthropic, **asked: Any) -> Any:
    wanted: dict[str, Any] = {"model": MODEL, "messages": HELLO, "max_tokens": 30}
    return await sdk.messages.create(**(wanted | asked))


async def whole(sdk: AsyncAnthropic) -> object:
    return (await create(sdk, system="You are terse.")).model_dump()


async def raw_stream(sdk: AsyncAnthropic) -> object:
    return [event.model_dump() async for event in await create(sdk, stream=True)]


async def helped_stream(sdk: AsyncAnthropic) -> object:
    async with sdk.messages.stream(model=MODEL, messages=HELLO, max_tokens=30) as stream:
        pieces = [text async for text in stream.text_stream]
        return pieces, (await stream.get_final_message()).model_dump()


async def tools(sdk: AsyncAnthropic) -> object:
    choice = {"type": "tool", "name": "get_weather"}
    return (await create(sdk, tools=[WEATHER], tool_choice=choice)).model_dump()


async def streamed_tools(sdk: AsyncAnthropic) -> object:
    asked = await create(sdk, tools=[WEATHER], tool_choice={"type": "any"}, stream=True)
    return [event.model_dump() async for event in asked]


async def thought(sdk: AsyncAnthropic) -> object:
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    return (await create(sdk, thinking=thinking, max_tokens=2_000)).model_dump()


async def beta(sdk: AsyncAnthropic) -> object:
    answer = await sdk.beta.messages.create(
        model=MODEL,
        messages=[{"role": "user", "content": "x"}],
        max_tokens=30,
        betas=["context-management-2025-06-27"],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    )
    return answer.model_dump()


@pytest.mark.parametrize(
    "ask", [whole, raw_stream, helped_stream, tools, streamed_tools, thought, beta]
)
async def test_answers_are_those_of_the_upstream_and_cost_its_bill(stack: Stack, ask: Ask) -> None:
    simulator = stack.simulator
    async with client(simulator.base_url, api_key=KEY) as sdk:
        direct = await ask(sdk)
    simulator.reset()
    async with client(stack.base_url) as sdk:
        through = await ask(sdk)

    assert through == direct
    await stack.log.until("call")
    row, (bill,) = await stack.row(), simulator.bills
    assert not row.estimated
    assert not any(row.uncovered.values())
    assert paid(row) == bill.amount_microcents <= held(row)


async def test_tokens_are_counted_for_nothing(stack: Stack) -> None:
    async with client(stack.base_url) as sdk:
        counted = await sdk.messages.count_tokens(model=MODEL, messages=HELLO, tools=[WEATHER])

    assert counted.input_tokens > 0
    assert await stack.rows() == ()


@pytest.mark.parametrize(
    ("changes", "asked", "headers", "kind", "reason"),
    [
        ({"budgets": NOTHING}, {}, {}, anthropic.RateLimitError, "budget_exceeded"),
        ({"budgets": NOTHING}, {"stream": True}, {}, anthropic.RateLimitError, "budget_exceeded"),
        (
            {"limits": {"max_usd_per_call": "$0.01"}},
            {"max_tokens": 16_000},
            {},
            anthropic.RateLimitError,
            "call_too_expensive",
        ),
        (
            {"responses": {"deny_status": 402}, "budgets": NOTHING},
            {},
            {},
            anthropic.APIStatusError,
            "budget_exceeded",
        ),
        ({}, {"model": "claude-99"}, {}, anthropic.BadRequestError, "model_not_priced"),
        ({}, {"max_tokens": -1}, {}, anthropic.BadRequestError, "invalid_request"),
        ({"budgets": []}, {}, {}, anthropic.BadRequestError, "budget_not_found"),
        ({"identity": {}}, {}, {}, anthropic.AuthenticationError, "identity_required"),
        ({}, {}, {"X-Cycles-Tenant": "o"}, anthropic.PermissionDeniedError, "identity_mismatch"),
        ({}, {}, {"Host": "evil.example"}, anthropic.PermissionDeniedError, "host_not_allowed"),
        (
            {"limits": {"max_body_bytes": 1024}},
            {"messages": [{"role": "user", "content": "x" * 2000}]},
            {},
            anthropic.RequestTooLargeError,
            "request_too_large",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_refusal_ends_the_attempts(
    tmp_path: Path,
    changes: dict[str, object],
    asked: dict[str, Any],
    headers: dict[str, str],
    kind: type[anthropic.APIStatusError],
    reason: str,
) -> None:
    async with (
        Simulator() as simulator,
        running(tmp_path, simulator, **{"upstreams": upstream_of(simulator)} | changes) as stack,
    ):
        async with client(stack.base_url, **headers) as sdk:
            with pytest.raises(kind) as refusal:
                await create(sdk, **asked)

        body: Any = refusal.value.body
        assert (body["type"], body["error"]["budget"]["reason"]) == ("error", reason)
        assert body["error"]["message"] in str(refusal.value)
        assert attempts(stack) == 1
        assert simulator.requests_seen == []
        assert await stack.rows() == ()


async def test_a_key_of_ours_says_who_pays_and_stays_here(tmp_path: Path) -> None:
    known = {"name": "ci", "sha256": hashlib.sha256(OUR_KEY.encode()).hexdigest()}
    async with (
        Simulator(key=KEY) as simulator,
        running(tmp_path, simulator, upstreams=upstream_of(simulator), keys=[known]) as stack,
    ):
        async with client(stack.base_url, api_key=OUR_KEY) as sdk:
            await create(sdk)
        async with client(stack.base_url, api_key="cyc_stolen") as sdk:
            with pytest.raises(anthropic.AuthenticationError) as refusal:
                await create(sdk)

        (seen,) = simulator.requests_seen
        assert not seen.carries(OUR_KEY)
        assert seen.headers["x-api-key"] == KEY
        assert "cyc_stolen" not in str(refusal.value)


@pytest.mark.parametrize(
    ("refusal", "kind", "tried"),
    [
        (Refusal(status=529), anthropic.APIStatusError, DEFAULT_ATTEMPTS),
        (Refusal(status=429, retry_after="0"), anthropic.RateLimitError, DEFAULT_ATTEMPTS),
        (Refusal(status=400), anthropic.BadRequestError, 1),
    ],
)
async def test_what_the_upstream_refuses_is_tried_as_often_as_without_the_proxy(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Refusal,
    kind: type[anthropic.APIStatusError],
    tried: int,
) -> None:
    """Each attempt is a hold of its own, and none of them costs anything."""
    monkeypatch.setattr("anthropic._base_client.INITIAL_RETRY_DELAY", 0)
    stack.simulator.behave(Behaviour(refusal=refusal))
    async with client(stack.base_url) as sdk:
        with pytest.raises(kind):
            await create(sdk)

    assert attempts(stack) == tried
    assert [row.state for row in await stack.rows()] == [State.RELEASED] * tried


async def test_a_stream_that_breaks_off_does_not_look_whole(stack: Stack) -> None:
    stack.simulator.behave(Behaviour(output_tokens=20, cut=Cut(at="event", after=4)))
    async with client(stack.base_url) as sdk:
        with pytest.raises(httpx2.RemoteProtocolError):
            async for _ in await create(sdk, stream=True):
                pass

    await stack.log.until("call")
    assert (await stack.row()).state is State.UNCERTAIN
