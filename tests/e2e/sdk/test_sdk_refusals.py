"""What the official SDK makes of each refusal: which exception, after how many attempts."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal
from simulator.server import Simulator
from tests.e2e.sdk.asks import HELLO, WEATHER
from tests.e2e.stack import Stack, held, running

OUR_KEY = "cyc_known"
KEYS = [{"name": "ci", "sha256": hashlib.sha256(OUR_KEY.encode()).hexdigest()}]
NOTHING = [{"scope": "tenant:dev", "allocated": "$0.00", "period": "none"}]
DEFAULT_ATTEMPTS = 3


def client(stack: Stack, api_key: str = "any", **headers: str) -> AsyncOpenAI:
    """A client as programs make it: it tries again twice by itself."""
    return AsyncOpenAI(base_url=stack.base_url, api_key=api_key, default_headers=headers)


async def ask(sdk: AsyncOpenAI, **asked: Any) -> Any:
    wanted: dict[str, Any] = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 20}
    return await sdk.chat.completions.create(**(wanted | asked))


def attempts(stack: Stack) -> int:
    """How many requests came to the proxy."""
    return len(stack.log.events("call"))


@pytest.mark.parametrize(
    ("changes", "asked", "headers", "kind", "reason"),
    [
        ({"budgets": NOTHING}, {}, {}, openai.RateLimitError, "budget_exceeded"),
        ({"budgets": NOTHING}, {"stream": True}, {}, openai.RateLimitError, "budget_exceeded"),
        (
            {"limits": {"max_usd_per_call": "$0.01"}},
            {"max_tokens": 16_000},
            {},
            openai.RateLimitError,
            "call_too_expensive",
        ),
        (
            {"responses": {"deny_status": 402}, "budgets": NOTHING},
            {},
            {},
            openai.APIStatusError,
            "budget_exceeded",
        ),
        ({}, {"model": "gpt-99"}, {}, openai.BadRequestError, "model_not_priced"),
        ({}, {"max_tokens": -1}, {}, openai.BadRequestError, "invalid_request"),
        ({"budgets": []}, {}, {}, openai.BadRequestError, "budget_not_found"),
        ({"identity": {}}, {}, {}, openai.AuthenticationError, "identity_required"),
        (
            {"identity": {"default": {"tenant": "dev"}, "require_key": True}},
            {},
            {},
            openai.AuthenticationError,
            "identity_required",
        ),
        ({}, {}, {"X-Cycles-Tenant": "other"}, openai.PermissionDeniedError, "identity_mismatch"),
        ({}, {}, {"Host": "evil.example"}, openai.PermissionDeniedError, "host_not_allowed"),
        (
            {"limits": {"max_body_bytes": 1024}},
            {"messages": [{"role": "user", "content": "x" * 2000}]},
            {},
            openai.APIStatusError,
            "request_too_large",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_refusal_ends_the_attempts(
    tmp_path: Path,
    simulator: Simulator,
    changes: dict[str, object],
    asked: dict[str, Any],
    headers: dict[str, str],
    kind: type[openai.APIStatusError],
    reason: str,
) -> None:
    async with running(tmp_path, simulator, **changes) as stack:
        async with client(stack, **headers) as sdk:
            with pytest.raises(kind) as refusal:
                await ask(sdk, **asked)

        body: Any = refusal.value.body
        assert body["budget"]["reason"] == reason
        assert body["message"] in str(refusal.value)
        assert attempts(stack) == 1
        assert simulator.requests_seen == []
        assert await stack.rows() == ()


async def test_an_unknown_key_of_ours_is_refused(stack: Stack) -> None:
    async with client(stack, api_key="cyc_stolen") as sdk:
        with pytest.raises(openai.AuthenticationError) as refusal:
            await ask(sdk)

    assert "cyc_stolen" not in str(refusal.value)
    assert attempts(stack) == 1
    assert stack.simulator.requests_seen == []


async def test_a_known_key_stays_here(tmp_path: Path, simulator: Simulator) -> None:
    async with running(tmp_path, simulator, keys=KEYS) as stack:
        async with client(stack, api_key=OUR_KEY) as sdk:
            await ask(sdk)

        (seen,) = simulator.requests_seen
        assert not seen.carries(OUR_KEY)
        assert "authorization" not in seen.headers


async def test_without_a_key_for_the_upstream_no_call_is_tried_twice(
    tmp_path: Path, simulator: Simulator
) -> None:
    upstream = {"name": "simulated", "base_url": simulator.base_url, "api_key": ""}
    async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
        async with client(stack) as sdk:
            with pytest.raises(openai.InternalServerError) as refusal:
                await ask(sdk)

        assert refusal.value.status_code == 503
        assert attempts(stack) == 1


async def test_a_busy_budget_is_tried_again(tmp_path: Path, simulator: Simulator) -> None:
    """Room for one call at a time: the second waits as it is told, and then has its answer."""
    async with (
        running(
            tmp_path,
            simulator,
            budgets=[{"scope": "tenant:dev", "allocated": "$0.02", "period": "none"}],
            degrade={"shorten": False},
        ) as stack,
        client(stack) as sdk,
        asyncio.TaskGroup() as tasks,
    ):
        simulator.script(Behaviour(gate="first"), Behaviour(output_tokens=1))
        first = tasks.create_task(ask(sdk, max_tokens=1_300))
        await simulator.until(lambda: simulator.in_flight == 1)
        second = tasks.create_task(ask(sdk, max_tokens=1_300))
        (refusal,) = await stack.log.until("call")
        simulator.open_gate("first")

        assert refusal["reason"] == "budget_busy"
        assert refusal["status"] == 429
        assert (await first).choices
        assert (await second).choices
        assert attempts(stack) == 3
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_more_calls_than_agreed_are_tried_again(tmp_path: Path, simulator: Simulator) -> None:
    async with (
        running(tmp_path, simulator, limits={"max_connections": 1}) as stack,
        client(stack) as sdk,
        asyncio.TaskGroup() as tasks,
    ):
        simulator.script(Behaviour(gate="first"))
        first = tasks.create_task(ask(sdk))
        await simulator.until(lambda: simulator.in_flight == 1)
        second = tasks.create_task(ask(sdk))
        (refusal,) = await stack.log.until("call")
        simulator.open_gate("first")

        assert (refusal["reason"], refusal["status"]) == ("overloaded", 503)
        assert (await first).choices
        assert (await second).choices
        assert attempts(stack) == 3


async def test_an_upstream_that_cannot_be_reached_is_tried_again_and_nothing_is_held(
    tmp_path: Path, simulator: Simulator
) -> None:
    upstream = {"name": "gone", "base_url": "http://127.0.0.1:9/v1", "api_key": "none"}
    async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
        async with client(stack) as sdk:
            with pytest.raises(openai.InternalServerError) as refusal:
                await ask(sdk)

        assert refusal.value.status_code == 502
        assert "127.0.0.1" not in str(refusal.value)
        assert attempts(stack) == DEFAULT_ATTEMPTS
        assert [row.state for row in await stack.rows()] == [State.RELEASED] * DEFAULT_ATTEMPTS
        assert (await stack.balance()).reserved == 0


async def test_each_attempt_of_a_lost_call_has_a_hold_of_its_own(stack: Stack) -> None:
    """Field-report 68: attempts that time out are billed, though nobody saw a status."""
    stack.simulator.script(
        Behaviour(cut=Cut(at="before_headers"), billed="in_full"),
        Behaviour(cut=Cut(at="before_headers"), billed="in_full"),
    )
    async with client(stack) as sdk:
        answer = await ask(sdk)

    rows = await stack.rows()
    assert [row.state for row in rows] == [State.UNCERTAIN, State.UNCERTAIN, State.COMMITTED]
    uncertain = sum(map(held, rows[:2]))
    assert (await stack.balance()).reserved == (await stack.balance()).uncertain == uncertain
    charged, uncovered = await stack.charged_and_uncovered()
    assert (charged, uncovered) == (stack.simulator.bills[-1].amount_microcents, 0)
    assert uncertain + charged >= stack.simulator.total_microcents
    assert answer.usage.completion_tokens > 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_an_error_of_the_upstream_is_what_it_was(
    stack: Stack, status: int, kind: type[openai.APIStatusError]
) -> None:
    refusal = Refusal(status=status, code="from_upstream", retry_after="0.01")
    stack.simulator.behave(Behaviour(refusal=refusal))
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=1) as sdk:
        with pytest.raises(kind) as failure:
            await ask(sdk)

    assert failure.value.code == "from_upstream"
    assert attempts(stack) == (2 if status in (429, 500) else 1)
    assert {row.state for row in await stack.rows()} == {State.RELEASED}


async def test_a_tool_that_is_taken_away_but_insisted_on_is_refused(
    tmp_path: Path, simulator: Simulator
) -> None:
    policy = {
        "name": "no-weather",
        "scope": "tenant:dev",
        "caps": {"tool_denylist": ["get_weather"]},
    }
    async with running(tmp_path, simulator, policies=[policy]) as stack:
        async with client(stack) as sdk:
            with pytest.raises(openai.RateLimitError) as refusal:
                await ask(
                    sdk,
                    tools=[WEATHER],
                    tool_choice={"type": "function", "function": {"name": "get_weather"}},
                )

        body: Any = refusal.value.body
        assert body["budget"]["reason"] == "tool_denied"
        assert body["param"] == "tool_choice"
        assert attempts(stack) == 1
        assert [row.state for row in await stack.rows()] == [State.RELEASED]
