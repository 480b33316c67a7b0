"""Several proxies on one store: the official SDK, and a budget that all of them share."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI, RateLimitError

from proxy.domain.reservation import State
from proxy.ledger.journal import replay
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.redis.conftest import Section, ledger_at
from tests.e2e.sdk.asks import HELLO
from tests.e2e.stack import Stack, held, running
from tests.servers.process import Server

CALLS = 200
ROOM = 37

# gpt-4o, "hi": 8 tokens in at $2.50, 100 out at $10 per million.
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
HOLD_MICROCENTS = 8 * 250 + 100 * 1000


ROOM_MICROCENTS = ROOM * HOLD_MICROCENTS + HOLD_MICROCENTS - 1
ALL_OR_NOTHING = {"shorten": False}


def budget(microcents: int) -> list[dict[str, object]]:
    return [{"scope": "tenant:dev", "allocated": microcents, "period": "none"}]


async def start(
    proxies: AsyncExitStack, folder: Path, simulator: Simulator, **changes: object
) -> Stack:
    """One more proxy."""
    return await proxies.enter_async_context(running(folder, simulator, **changes))


async def assert_billed_exactly(stack: Stack, calls: int) -> None:
    """The ledger is the bill, and it was held before it was charged."""
    bill = stack.simulator.total_microcents
    assert bill > 0
    assert await stack.charged_and_uncovered() == (bill, 0)
    rows = await stack.rows()
    assert [row.state for row in rows] == [State.COMMITTED] * calls
    assert not any(row.estimated for row in rows)
    assert sum(map(held, rows)) >= bill
    assert (await stack.balance()).reserved == 0


@pytest.mark.parametrize("way", ["url", "unix_url"])
async def test_the_sdk_is_answered_and_the_charge_is_the_bill(
    tmp_path: Path, simulator: Simulator, server: Server, way: str
) -> None:
    ledger = ledger_at(getattr(server, way), tmp_path)
    async with (
        running(tmp_path, simulator, ledger=ledger) as stack,
        AsyncOpenAI(base_url=stack.base_url, api_key="any") as sdk,
    ):
        answer = await sdk.chat.completions.create(model="gpt-4o", messages=HELLO)
        stream = await sdk.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]

        assert answer.choices[0].message.content
        assert "".join(words)
        await assert_billed_exactly(stack, calls=2)


async def test_the_sdk_is_told_when_the_shared_budget_is_used_up_elsewhere(
    tmp_path: Path, simulator: Simulator, store_ledger: Section
) -> None:
    simulator.behave(Behaviour(output_tokens=1_000))
    body = BODY | {"max_tokens": 1_000}
    budgets = budget(8 * 250 + 1_000 * 1_000)
    changes = {"ledger": store_ledger, "budgets": budgets, "degrade": ALL_OR_NOTHING}
    async with AsyncExitStack() as proxies:
        one = await start(proxies, tmp_path, simulator, **changes)
        other = await start(proxies, tmp_path, simulator, **changes)
        async with (
            AsyncOpenAI(base_url=one.base_url, api_key="any") as first,
            AsyncOpenAI(base_url=other.base_url, api_key="any") as second,
        ):
            await first.chat.completions.create(**body)
            with pytest.raises(RateLimitError) as refusal:
                await second.chat.completions.create(**body)

        assert refusal.value.code == "insufficient_quota"
        assert len(simulator.bills) == 1
        await assert_billed_exactly(other, calls=1)


async def test_two_proxies_let_through_exactly_as_many_calls_as_there_is_room_for(
    tmp_path: Path, simulator: Simulator, store_ledger: Section
) -> None:
    """The upstream answers only when all 200 calls were decided; each costs what it holds."""
    simulator.behave(Behaviour(output_tokens=100, barrier=ROOM))
    budgets = budget(ROOM_MICROCENTS)
    changes = {"ledger": store_ledger, "budgets": budgets, "degrade": ALL_OR_NOTHING}
    async with AsyncExitStack() as proxies:
        stacks = [await start(proxies, tmp_path, simulator, **changes) for _ in range(2)]

        statuses = await call_in_turn(stacks, CALLS)

        assert statuses.count(200) == ROOM
        assert statuses.count(429) == CALLS - ROOM
        assert all(stack.log.events("call") for stack in stacks)
        await assert_billed_exactly(stacks[0], calls=ROOM)
        await assert_never_overspent(stacks[0])


async def call_in_turn(stacks: list[Stack], calls: int) -> list[int]:
    """That many calls at once, dealt out to the proxies; what each was answered."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> int:
            url = f"{stacks[number % len(stacks)].base_url}/chat/completions"
            async with session.post(url, json=BODY) as answer:
                await answer.read()
                return answer.status

        return await asyncio.gather(*map(one, range(calls)))


async def assert_never_overspent(stack: Stack) -> None:
    """At every instant, which means after each entry of the journal."""
    entries = 0
    for _, windows in replay(await stack.journal()):
        assert all(amounts.remaining >= 0 for amounts in windows.values())
        entries += 1
    assert entries > 2 * ROOM
