"""Many calls at once never pass a budget: the oracle is the simulator's own bill."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from proxy.ledger.journal import replay
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.stack import Stack, running

CALLS = 200
ROOM = 37

# gpt-4o, "hi": 8 tokens in at $2.50, 100 out at $10 per million.
BODY = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
HOLD_MICROCENTS = 8 * 250 + 100 * 1000


def budget(microcents: int) -> list[dict[str, object]]:
    return [{"scope": "tenant:dev", "allocated": microcents, "period": "none"}]


async def call_many(stack: Stack, bodies: list[dict[str, object]]) -> list[int]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(body: dict[str, object]) -> int:
            async with session.post(f"{stack.base_url}/chat/completions", json=body) as answer:
                await answer.read()
                return answer.status

        return await asyncio.gather(*map(one, bodies))


async def assert_never_overspent(stack: Stack) -> None:
    """Semantics 9: at every instant means after each journal entry, replayed."""
    entries = 0
    for _, windows in replay(await stack.journal()):
        assert all(amounts.remaining >= 0 for amounts in windows.values())
        entries += 1
    assert entries > 2 * ROOM


async def test_exactly_as_many_calls_leave_as_there_is_room_for(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The upstream answers only when all 200 calls were decided; each costs what it holds."""
    simulator.behave(Behaviour(output_tokens=100, barrier=ROOM))
    async with running(
        tmp_path,
        simulator,
        budgets=budget(ROOM * HOLD_MICROCENTS + HOLD_MICROCENTS - 1),
        degrade={"shorten": False},
    ) as stack:
        statuses = await call_many(stack, [dict(BODY)] * CALLS)

        assert statuses.count(200) == ROOM
        assert statuses.count(429) == CALLS - ROOM
        assert len(simulator.bills) == ROOM
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
        assert (await stack.balance()).reserved == 0
        await assert_never_overspent(stack)


@pytest.mark.parametrize("share_pct", [10, 50])
async def test_shortened_calls_never_hold_more_than_the_budget(
    tmp_path: Path, simulator: Simulator, share_pct: int
) -> None:
    async with running(
        tmp_path,
        simulator,
        budgets=budget(ROOM * HOLD_MICROCENTS + HOLD_MICROCENTS // 2),
        degrade={"min_output_tokens": 5, "max_share_pct": share_pct},
    ) as stack:
        statuses = await call_many(stack, [dict(BODY)] * CALLS)

        assert statuses.count(200) > ROOM
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
        await assert_never_overspent(stack)


async def test_the_sum_of_bills_never_passes_the_budget(
    tmp_path: Path, simulator: Simulator
) -> None:
    """No barrier: calls settle while others are decided, JSON and streams."""
    bodies: list[dict[str, object]] = [
        BODY | {"stream": number % 2 == 0, "max_tokens": 20 + number} for number in range(CALLS)
    ]
    allocated = 60 * HOLD_MICROCENTS
    async with running(tmp_path, simulator, budgets=budget(allocated)) as stack:
        await call_many(stack, bodies)

        assert simulator.total_microcents <= allocated
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
        await assert_never_overspent(stack)
