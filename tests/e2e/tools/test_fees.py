"""What the use of tools costs: held while a call offers them, charged when an answer calls them."""

from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from proxy.domain.money import usd
from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Report
from simulator.server import Simulator
from tests.e2e.degrade.calls import BODY
from tests.e2e.stack import Stack, held, paid, running
from tests.e2e.tools.calls import (
    CENT,
    CHAT,
    FEES_OFFERED,
    LISTED,
    PATHS,
    POINTS,
    POINTS_OFFERED,
    body,
    budgets,
    fees,
    points,
    upstreams,
)
from tests.e2e.wire import answered


def says(simulator: Simulator, **more: object) -> dict[str, Any]:
    return {
        "upstreams": upstreams(simulator.base_url),
        "tools": LISTED,
        "budgets": budgets(1_000),
        **more,
    }


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("path", PATHS)
async def test_each_call_that_an_answer_makes_is_charged_beside_the_bill(
    tmp_path: Path, simulator: Simulator, path: str, stream: bool
) -> None:
    """search, delete_row, delete_user and read are called once each: $0.03, 8 points."""
    simulator.behave(Behaviour(tool_calls=4))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        answer = await answered(stack.base_url, body(path, stream=stream), path=path)
        await stack.log.until("call")
        row = await stack.row()

        assert answer.status == 200
        assert row.amounts[POINTS] == POINTS_OFFERED
        assert held(row) >= simulator.total_microcents + FEES_OFFERED
        assert (paid(row), fees(row)) == (simulator.total_microcents + 3 * CENT, 3 * CENT)
        assert (paid(row, POINTS), row.estimated) == (8, False)
        assert (await points(stack)).spent == 8
        if not stream:
            assert answer.headers["x-budget-cost-usd"] == usd(paid(row))


@pytest.mark.parametrize("path", PATHS)
async def test_an_answer_that_calls_no_tool_pays_for_none(
    tmp_path: Path, simulator: Simulator, path: str
) -> None:
    simulator.behave(Behaviour(tool_calls=0))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        await answered(stack.base_url, body(path), path=path)
        row = await stack.row()

        assert held(row) >= FEES_OFFERED
        assert (paid(row), paid(row, POINTS)) == (simulator.total_microcents, 0)
        assert (await points(stack)).reserved == 0


async def test_each_of_several_answers_is_held_and_charged_for(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(tool_calls=1))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        await answered(stack.base_url, body(CHAT, "delete_user", n=3))
        row = await stack.row()

        assert row.amounts[POINTS] == 15
        assert (paid(row, POINTS), fees(row)) == (15, 3 * CENT)


async def test_calls_in_parallel_beyond_the_hold_are_charged_and_shown(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Three of one tool are 15 points, 5 were held and 12 are there. It breaks no bound."""
    simulator.behave(Behaviour(tool_calls=3))
    async with running(tmp_path, simulator, **says(simulator, budgets=budgets(12))) as stack:
        await answered(stack.base_url, body(CHAT, "delete_user", max_tokens=1_000))
        row = await stack.row()
        balance = await points(stack)
        again = await answered(stack.base_url, body(CHAT, "delete_user", tool_choice="required"))

        assert row.amounts[POINTS] == 5
        assert (row.charged or {})[POINTS] == 12
        assert row.uncovered[POINTS] == 3
        assert (balance.remaining, balance.is_over_limit) == (0, True)
        assert again.error()["budget"]["reason"] == "tool_denied"
        assert stack.log.events("bound_broken") == []
        (line,) = stack.log.events("uncovered")
        assert (line["uncovered_microcents"], line["uncovered_risk_points"]) == (0, 3)


async def test_a_stream_that_breaks_off_is_charged_the_calls_that_came(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(tool_calls=2, cut=Cut(at="event", after=5)))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        await answered(stack.base_url, body(CHAT, "delete_user", "search", stream=True))
        await stack.log.until("call")
        row = await stack.row()

        assert (row.state, row.estimated) == (State.COMMITTED, True)
        assert fees(row) in (CENT, 3 * CENT)
        assert paid(row, POINTS) == 5
        assert paid(row) > fees(row)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_usage_is_charged_the_calls_that_it_makes(
    tmp_path: Path, simulator: Simulator, stream: bool
) -> None:
    simulator.behave(Behaviour(tool_calls=2, report=Report(place="nowhere")))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        await answered(stack.base_url, body(CHAT, "search", "delete_row", stream=stream))
        await stack.log.until("call")
        row = await stack.row()

        assert row.estimated
        assert (fees(row), paid(row, POINTS)) == (2 * CENT, 3)
        assert 2 * CENT < paid(row) <= held(row)


async def test_a_fee_is_not_multiplied(tmp_path: Path, simulator: Simulator) -> None:
    dear = [upstreams(simulator.base_url)[1] | {"price_multiplier": 3}]
    simulator.behave(Behaviour(tool_calls=1))
    async with running(tmp_path, simulator, **says(simulator, upstreams=dear)) as stack:
        await answered(stack.base_url, body(CHAT, "search"))

        assert paid(await stack.row()) == 3 * simulator.total_microcents + 2 * CENT


async def test_a_free_model_pays_for_its_tools_and_for_nothing_else(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Where the money is gone it works without them."""
    pricing = {"overrides": [{"model": "gpt-4o*", "free": True}]}
    rules = says(simulator, pricing=pricing, budgets=budgets(9, microcents=2 * CENT))
    async with running(tmp_path, simulator, **rules) as stack:
        first = await answered(stack.base_url, body(CHAT, "search"))
        second = await answered(stack.base_url, body(CHAT, "search"))
        without = await answered(stack.base_url, BODY)

        assert first.headers["x-budget-cost-usd"] == "0.02"
        assert second.error()["budget"]["reason"] == "budget_exceeded"
        assert (without.status, without.headers["x-budget-cost-usd"]) == (200, "0.00")


async def test_what_a_caller_is_told_of_its_cost_in_a_stream_includes_fees(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(tool_calls=1))
    rules = says(simulator, responses={"expose_cost": "usage"})
    async with running(tmp_path, simulator, **rules) as stack:
        asked = body(CHAT, "search", stream=True, stream_options={"include_usage": True})
        answer = await answered(stack.base_url, asked)
        await stack.log.until("call")

        assert f'"cost_usd":"{usd(paid(await stack.row()))}"' in answer.body.decode()


async def assert_paid(stack: Stack, microcents: int, risk: int) -> None:
    await stack.log.until("call")
    (row,) = await stack.rows()
    assert (fees(row), paid(row, POINTS)) == (microcents, risk)
    assert paid(row) == stack.simulator.total_microcents + microcents


async def test_calls_that_the_sdk_of_openai_hears_are_those_that_are_charged(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(tool_calls=3))
    async with (
        running(tmp_path, simulator, **says(simulator)) as stack,
        AsyncOpenAI(base_url=stack.base_url, api_key="any") as sdk,
    ):
        heard: list[str] = []
        async for chunk in await sdk.chat.completions.create(**body(CHAT, stream=True)):
            for choice in chunk.choices:
                called = [call.function for call in choice.delta.tool_calls or ()]
                heard += [each.name for each in called if each is not None and each.name]

        assert heard == ["search", "delete_row", "delete_user"]
        await assert_paid(stack, 3 * CENT, 8)


async def test_calls_that_the_sdk_of_anthropic_hears_are_those_that_are_charged(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(tool_calls=3))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        address = stack.base_url.removesuffix("/v1")
        async with AsyncAnthropic(base_url=address, api_key="any") as sdk:
            message = await sdk.messages.create(**body("/v1/messages"))

        heard = [block.name for block in message.content if block.type == "tool_use"]
        assert heard == ["search", "delete_row", "delete_user"]
        await assert_paid(stack, 3 * CENT, 8)
