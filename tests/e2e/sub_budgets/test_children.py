"""Calls that a sub-budget pays: its purse is charged the bill, and its parent the purse."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.sub_budgets.family import (
    BODY,
    HOLD,
    KEYS,
    PARENT,
    ask,
    ask_or_leave,
    carve,
    close,
    reason,
    stands,
)
from tests.e2e.wire import PATIENCE_S, call

ROOM = 5
CALLS = 12


@pytest.fixture
async def stack(tmp_path: Path, simulator: Simulator) -> AsyncIterator[Stack]:
    async with running(tmp_path, simulator, keys=KEYS, degrade={"shorten": False}) as started:
        yield started


async def test_the_bill_is_what_the_purse_spends_and_then_what_the_parent_pays(
    stack: Stack, simulator: Simulator
) -> None:
    child = await carve(stack, 10 * HOLD)
    for body in (BODY, BODY | {"stream": True}, BODY | {"n": 2}):
        answer = await ask(stack, child["key"], body)
        assert (answer.status, answer.whole) == (200, True)
        assert answer.headers["x-budget-scope"] == child["scope"]
    await stack.log.until("call", 3)
    assert await stands(stack, child["scope"]) == (0, simulator.total_microcents)
    assert await stands(stack) == (10 * HOLD, 0)
    closed = await close(stack, child["sub_budget_id"])
    assert closed["status"] == "CLOSED"
    assert closed["charged"] == closed["spent"]
    assert await stands(stack) == (0, simulator.total_microcents)
    assert (await stack.books.verify()).differences == ()


async def test_no_upstream_ever_sees_the_key_of_a_child(stack: Stack, simulator: Simulator) -> None:
    child = await carve(stack, 10 * HOLD)
    await ask(stack, child["key"])
    answer = await call(stack.base_url, BODY, f"x-api-key: {child['key']}")
    assert answer is not None
    assert answer.status == 200
    assert await stands(stack, child["scope"]) == (0, simulator.total_microcents)
    secret = child["key"].rpartition("_")[2]
    assert len(simulator.requests_seen) == 2
    for seen in simulator.requests_seen:
        assert not any(secret in value for value in seen.headers.values())
    assert secret not in repr(stack.log.lines)


async def test_calls_of_a_child_are_admitted_as_far_as_its_purse_goes(
    stack: Stack, simulator: Simulator
) -> None:
    child = await carve(stack, ROOM * HOLD)
    simulator.behave(Behaviour(output_tokens=1, gate="open"))
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(ask_or_leave(stack, child["key"])) for _ in range(CALLS)]
        await simulator.until(lambda: simulator.in_flight == ROOM)
        await stack.log.until("call", CALLS - ROOM)
        assert await stands(stack, child["scope"]) == (ROOM * HOLD, 0)
        assert await stands(stack) == (ROOM * HOLD, 0)
        closing = await close(stack, child["sub_budget_id"])
        assert closing["status"] == "CLOSING"
        assert reason(await ask(stack, child["key"])) == (401, "invalid_key")
        simulator.open_gate("open")
    statuses = [answer.status for each in calls if (answer := each.result()) is not None]
    assert sorted(statuses) == [200] * ROOM + [429] * (CALLS - ROOM)
    async with asyncio.timeout(PATIENCE_S):
        while (await close(stack, child["sub_budget_id"]))["status"] != "CLOSED":
            pass
    assert simulator.max_in_flight == ROOM
    assert await stands(stack) == (0, simulator.total_microcents)
    assert (await stack.books.verify()).differences == ()


async def test_a_child_calls_the_models_that_it_pays_for_within_its_ceiling(
    tmp_path: Path, simulator: Simulator
) -> None:
    degrade = {"fallback_models": {"gpt-4o": ["gpt-4o-mini"]}, "min_output_tokens": 500}
    async with running(tmp_path, simulator, keys=KEYS, degrade=degrade) as stack:
        child = await carve(stack, HOLD // 4, models=["gpt-4o"])
        assert reason(await ask(stack, child["key"], BODY | {"model": "gpt-4o-mini"})) == (
            429,
            "policy_denied",
        )
        # The purse would pay for the stand-in, but not for the model that may be called.
        assert reason(await ask(stack, child["key"])) == (429, "budget_exceeded")
        other = await carve(stack, HOLD // 4, idempotency_key="other", max_tokens=40)
        answer = await ask(stack, other["key"])
        assert answer.status == 200
        assert answer.headers["x-budget-max-tokens"] == "40"
        assert answer.headers["x-budget-caps"] == "max_tokens"


async def test_policies_of_the_parent_are_those_of_its_child(
    tmp_path: Path, simulator: Simulator
) -> None:
    bands = [{"used_pct": 0, "caps": {"max_tokens": 30}}]
    policies = [{"name": "short", "scope": "tenant:dev", "priority": 1, "bands": bands}]
    async with running(tmp_path, simulator, keys=KEYS, policies=policies) as stack:
        child = await carve(stack, HOLD)
        answer = await ask(stack, child["key"])
        assert answer.headers["x-budget-max-tokens"] == "30"


async def test_a_child_keeps_only_its_tools(stack: Stack, simulator: Simulator) -> None:
    child = await carve(stack, 10 * HOLD, tool_allowlist=["search"])
    tools = [{"type": "function", "function": {"name": name}} for name in ("search", "mail")]
    answer = await ask(stack, child["key"], BODY | {"tools": tools})
    assert answer.headers["x-budget-caps"] == "tools"
    insists = BODY | {
        "tools": tools,
        "tool_choice": {"type": "function", "function": {"name": "mail"}},
    }
    assert reason(await ask(stack, child["key"], insists)) == (429, "tool_denied")


async def test_one_call_has_one_key_of_ours(stack: Stack, simulator: Simulator) -> None:
    child = await carve(stack, HOLD)
    for other in (PARENT, f"cyc_sub_rsv_1_{'0' * 64}"):
        answer = await ask(stack, child["key"], BODY, f"x-api-key: {other}")
        assert reason(answer) == (403, "identity_mismatch")
    assert reason(await ask(stack, child["key"] + "0")) == (401, "invalid_key")
    assert reason(await ask(stack, "cyc_sub_")) == (401, "invalid_key")
    assert simulator.requests_seen == []
