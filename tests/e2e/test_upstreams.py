"""Several upstreams behind one proxy: each model at its own, at its own price."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.stack import Stack, running


@pytest.fixture
async def other() -> AsyncIterator[Simulator]:
    async with Simulator() as started:
        yield started


def both(first: Simulator, second: Simulator) -> list[dict[str, object]]:
    return [
        {
            "name": "dear",
            "base_url": first.base_url,
            "api_key": "none",
            "models": ["gpt-4o", "gpt-4.1*"],
        },
        {
            "name": "cheap",
            "base_url": second.base_url,
            "api_key": "none",
            "models": ["gpt-4o-mini"],
        },
    ]


async def call(stack: Stack, model: str, **fields: object) -> tuple[int, str, str]:
    """Status, the code of a refusal, and `X-Budget-Model`."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{stack.base_url}/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": "hi"}], **fields},
        ) as answer,
    ):
        body = await answer.json()
        return (
            answer.status,
            body.get("error", {}).get("code", ""),
            answer.headers.get("X-Budget-Model", ""),
        )


async def test_each_model_is_served_where_it_is_listed(
    tmp_path: Path, simulator: Simulator, other: Simulator
) -> None:
    async with running(tmp_path, simulator, upstreams=both(simulator, other)) as stack:
        asked = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4o-mini")
        answers = await asyncio.gather(*(call(stack, model) for model in asked))

        assert [status for status, *_ in answers] == [200] * 4
        assert sorted(bill.model[:7] for bill in simulator.bills) == ["gpt-4.1", "gpt-4o-"]
        assert [bill.model[:11] for bill in other.bills] == ["gpt-4o-mini"] * 2
        bills = simulator.total_microcents + other.total_microcents
        assert await stack.charged_and_uncovered() == (bills, 0)


async def test_a_model_that_no_upstream_serves_holds_nothing(
    tmp_path: Path, simulator: Simulator, other: Simulator
) -> None:
    async with running(tmp_path, simulator, upstreams=both(simulator, other)) as stack:
        assert await call(stack, "o3") == (400, "model_not_served", "")
        assert await stack.rows() == ()


async def test_a_stand_in_at_another_upstream_takes_what_its_own_budget_allows(
    tmp_path: Path, simulator: Simulator, other: Simulator
) -> None:
    other.behave(Behaviour(output_tokens=20))
    changes = {
        "upstreams": both(simulator, other),
        "budgets": [{"scope": "tenant:dev", "allocated": "$0.03", "period": "none"}],
        "degrade": {"fallback_models": {"gpt-4o": "gpt-4o-mini"}, "min_output_tokens": 16_000},
    }
    async with running(tmp_path, simulator, **changes) as stack:
        status, _, swapped = await call(stack, "gpt-4o", max_tokens=16_000)

        assert (status, swapped) == (200, "gpt-4o-mini; requested=gpt-4o")
        assert (len(simulator.bills), len(other.bills)) == (0, 1)
        assert await stack.charged_and_uncovered() == (other.total_microcents, 0)


async def test_prices_are_those_of_the_upstream_that_serves(
    tmp_path: Path, simulator: Simulator, other: Simulator
) -> None:
    upstreams = both(simulator, other)
    upstreams[1]["price_multiplier"] = 2
    async with running(tmp_path, simulator, upstreams=upstreams) as stack:
        await call(stack, "gpt-4o")
        await call(stack, "gpt-4o-mini")

        expected = simulator.total_microcents + 2 * other.total_microcents
        charged, uncovered = await stack.charged_and_uncovered()
        assert expected - 1 <= charged <= expected
        assert uncovered == 0


async def test_an_upstream_without_a_key_stops_only_its_own_models(
    tmp_path: Path, simulator: Simulator, other: Simulator
) -> None:
    upstreams = both(simulator, other)
    upstreams[1]["api_key"] = ""
    async with running(tmp_path, simulator, upstreams=upstreams) as stack:
        assert await call(stack, "gpt-4o-mini") == (503, "upstream_not_configured", "")
        assert (await call(stack, "gpt-4o"))[0] == 200
        assert len(await stack.rows()) == 1
