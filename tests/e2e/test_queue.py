"""Calls that wait for a busy budget: on sockets, with a real ledger, in the order they came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import parse
from proxy.domain.reservation import State
from proxy.ledger.journal import Kind
from proxy.ledger.records import FundOperation
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.stack import BUDGET, Stack, config_text, running
from tests.e2e.test_observability import samples
from tests.e2e.wire import PATIENCE_S, RawAnswer, answered, call, connected, encode, request_bytes

# gpt-4o, "hi": 8 tokens in at $2.50, at most 1,000 out at $10 per million, of which one comes.
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": "hi"}],
}
HOLD = 8 * 250 + 1_000 * 1_000
COST = 8 * 250 + 1_000

CALLS = 50
ROOM = 5
GATED = Behaviour(output_tokens=1, gate="open")
ALL_OR_NOTHING = {"shorten": False}


def room_for(calls: int) -> list[dict[str, object]]:
    """A budget that always has room for so many at a time, whatever the others cost."""
    allocated = calls * HOLD + CALLS * COST
    assert allocated < (calls + 1) * HOLD
    return [{"scope": "tenant:dev", "allocated": allocated, "period": "none"}]


def queue(max_wait_ms: int = 60_000, max_length: int = 100) -> dict[str, int]:
    return {"max_wait_ms": max_wait_ms, "max_length": max_length}


def trace(number: int) -> str:
    return f"{number + 1:032x}"


async def ask(stack: Stack, number: int = 0, *headers: str) -> RawAnswer:
    return await answered(stack.base_url, BODY, f"X-Cycles-Trace-Id: {trace(number)}", *headers)


def status(answer: RawAnswer | None) -> int:
    return 0 if answer is None else answer.status


async def figure(stack: Stack, name: str, **labels: str) -> float:
    found = [s.value for s in await samples(stack) if s.name == name and s.labels == labels]
    return sum(found)


async def until_so_many_wait(stack: Stack, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await figure(stack, "spendgate_queue_length") != count:
            pass


@asynccontextmanager
async def one_at_work(
    folder: Path, simulator: Simulator, **changes: object
) -> AsyncIterator[tuple[Stack, asyncio.Task[RawAnswer | None]]]:
    """A proxy with room for one call, which is under way until the gate opens."""
    simulator.behave(GATED)
    settings: dict[str, object] = {"budgets": room_for(1), "degrade": ALL_OR_NOTHING}
    async with (
        running(folder, simulator, **(settings | {"queue": queue()} | changes)) as stack,
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(call(stack.base_url, BODY, f"X-Cycles-Trace-Id: {trace(0)}"))
        await simulator.until(lambda: simulator.in_flight == 1)
        yield stack, first
        simulator.open_gate("open")


async def granted(stack: Stack) -> list[int]:
    """The calls that got a hold, in the order in which they did."""
    return [int(e.trace_id, 16) - 1 for e in await stack.journal() if e.kind is Kind.RESERVE]


async def test_fifty_calls_pass_a_budget_that_has_room_for_five(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(GATED)
    async with running(
        tmp_path, simulator, budgets=room_for(ROOM), degrade=ALL_OR_NOTHING, queue=queue()
    ) as stack:
        async with asyncio.TaskGroup() as tasks:
            calls = []
            for number in range(CALLS):
                calls.append(tasks.create_task(ask(stack, number)))
                if number < ROOM:
                    await simulator.until(lambda: simulator.in_flight == len(calls))
                else:
                    await until_so_many_wait(stack, len(calls) - ROOM)
            simulator.open_gate("open")

        assert [each.result().status for each in calls] == [200] * CALLS
        assert await granted(stack) == list(range(CALLS))
        assert simulator.max_in_flight == ROOM
        assert await stack.charged_and_uncovered() == (CALLS * COST, 0)
        assert (await stack.balance()).reserved == 0
        waited = [line.get("waited_us") for line in await stack.log.until("call", CALLS)]
        assert waited.count(None) == ROOM
        assert await figure(stack, "spendgate_queue_seconds_count", decision="ALLOW") == (
            CALLS - ROOM
        )
        assert await figure(stack, "spendgate_queue_length") == 0


async def test_each_agent_has_a_line_of_its_own(tmp_path: Path, simulator: Simulator) -> None:
    agents = ("ada", "bob")
    budgets = [*room_for(4), *room_for(1)]
    budgets[1] |= {"scope": "tenant:dev/agent:*"}
    async with one_at_work(tmp_path, simulator, budgets=budgets) as (stack, _):
        async with asyncio.TaskGroup() as tasks:
            calls = []
            for number in range(1, 13):
                agent = agents[number % 2]
                calls.append(tasks.create_task(ask(stack, number, f"X-Cycles-Agent: {agent}")))
                if number <= len(agents):
                    await simulator.until(lambda: simulator.in_flight == 1 + len(calls))
                else:
                    await until_so_many_wait(stack, number - len(agents))
            simulator.open_gate("open")

        assert {each.result().status for each in calls} == {200}
        order = await granted(stack)
        assert sorted(order) == list(range(13))
        assert [number for number in order if number % 2] == [1, 3, 5, 7, 9, 11]
        assert [number for number in order if number and not number % 2] == [2, 4, 6, 8, 10, 12]


async def test_who_has_waited_long_enough_is_told_when_to_come_back(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with one_at_work(tmp_path, simulator, queue=queue(max_wait_ms=30)) as (stack, first):
        answer = await ask(stack, 1)

        assert answer.status == 429
        assert answer.error()["code"] == "rate_limit_exceeded"
        assert answer.error()["budget"]["reason"] == "budget_busy"
        assert answer.error()["budget"]["required"] == HOLD
        assert answer.headers["retry-after"] == "1"
        assert "x-should-retry" not in answer.headers
        (line,) = await stack.log.until("call")
        assert line["reason"] == "budget_busy"
        assert isinstance(waited_us := line["waited_us"], int)
        assert waited_us >= 30_000
        assert isinstance(added_us := line["added_us"], int)
        assert isinstance(total_us := line["total_us"], int)
        assert abs(total_us - waited_us - added_us) <= 2, "waiting is no time of ours"
        assert await figure(stack, "spendgate_queue_seconds_count", decision="DENY") == 1
        simulator.open_gate("open")
        assert status(await first) == 200


async def test_a_line_that_is_full_sends_away_at_once(tmp_path: Path, simulator: Simulator) -> None:
    async with one_at_work(tmp_path, simulator, queue=queue(max_length=1)) as (stack, _):
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(ask(stack, 1))
            await until_so_many_wait(stack, 1)
            third = await ask(stack, 2)
            simulator.open_gate("open")

        assert third.error()["budget"]["reason"] == "budget_busy"
        assert second.result().status == 200
        assert len(simulator.bills) == 2


async def test_without_a_queue_a_busy_budget_sends_away_at_once(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with one_at_work(tmp_path, simulator, queue={}) as (stack, _):
        answer = await ask(stack, 1)
        assert answer.error()["budget"]["reason"] == "budget_busy"
        (line,) = await stack.log.until("call")
        assert line["waited_us"] is None


async def test_a_caller_who_leaves_the_line_leaves_nothing(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with one_at_work(tmp_path, simulator) as (stack, first):
        async with asyncio.TaskGroup() as tasks:
            async with connected(stack.base_url) as leaver:
                await leaver.send(request_bytes(encode(BODY)))
                await until_so_many_wait(stack, 1)
                third = tasks.create_task(ask(stack, 2))
                await until_so_many_wait(stack, 2)
            await until_so_many_wait(stack, 1)
            simulator.open_gate("open")

        assert status(await first) == 200
        assert third.result().status == 200
        assert await granted(stack) == [0, 2]
        assert len(simulator.bills) == 2


async def test_room_that_an_operator_makes_is_found(tmp_path: Path, simulator: Simulator) -> None:
    """Nobody tells the proxy of it: the first in line looks again by itself."""
    settings = {"budgets": room_for(1), "degrade": ALL_OR_NOTHING, "queue": queue()}
    async with running(tmp_path, simulator, **settings) as stack, asyncio.TaskGroup() as tasks:
        await ask(stack)  # it says how long calls take, and so when to look again
        simulator.behave(GATED)
        tasks.create_task(ask(stack, 1))
        await simulator.until(lambda: simulator.in_flight == 1)
        second = tasks.create_task(ask(stack, 2))
        await until_so_many_wait(stack, 1)
        await stack.books.fund(BUDGET, FundOperation.CREDIT, HOLD, actor="operator")
        await simulator.until(lambda: simulator.in_flight == 2)
        simulator.open_gate("open")
        assert (await second).status == 200


async def test_a_proxy_that_stops_lets_those_who_wait_go(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with one_at_work(tmp_path, simulator, shutdown_ms=0) as (stack, first):
        async with connected(stack.base_url) as waiting:
            await waiting.send(request_bytes(encode(BODY)))
            await until_so_many_wait(stack, 1)
            await stack.server.stop()
            assert await waiting.read_all() == b""
        assert await first is None

        rows = await stack.rows()
        assert [row.state for row in rows] == [State.UNCERTAIN]
        assert len(simulator.bills) == 1


@pytest.mark.parametrize("settings", [queue(), {}], ids=["still on", "off by now"])
async def test_a_reload_keeps_the_line(
    tmp_path: Path, simulator: Simulator, settings: dict[str, int]
) -> None:
    """The calls that it waits for began under the old configuration, and those behind it do not."""
    async with one_at_work(tmp_path, simulator) as (stack, _):
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(ask(stack, 1))
            await until_so_many_wait(stack, 1)
            changes = {"budgets": room_for(1), "degrade": ALL_OR_NOTHING, "queue": settings}
            text = config_text(tmp_path, simulator.base_url, changes)
            await stack.server.reload(parse(text, file="test", env={}))
            third = tasks.create_task(ask(stack, 2))
            if settings:
                await until_so_many_wait(stack, 2)
            else:
                assert (await third).status == 429
            simulator.open_gate("open")

        assert second.result().status == 200
        assert third.result().status == (200 if settings else 429)
