"""More calls than an upstream may have connections: they wait, and their holds with them."""

import asyncio
from pathlib import Path

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.upstreams.calls import call
from tests.e2e.wire import CHAT, PATIENCE_S, exchange, request_bytes


def upstream(simulator: Simulator, **more: object) -> list[dict[str, object]]:
    entry = {"name": "a", "base_url": simulator.base_url, "api_key": "none", "max_connections": 1}
    return [entry | more]


async def metrics(stack: Stack) -> bytes:
    return await exchange(stack.admin_url, request_bytes(method="GET", path="/metrics"))


async def test_a_call_waits_for_a_connection_with_its_hold(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.script(Behaviour(gate="first"), Behaviour())
    async with running(tmp_path, simulator, upstreams=upstream(simulator)) as stack:
        calls = [asyncio.create_task(call(stack, CHAT, model="gpt-4o")) for _ in range(2)]
        async with asyncio.timeout(PATIENCE_S):
            while len(await stack.rows()) < 2:  # noqa: ASYNC110 - the ledger tells nobody
                await asyncio.sleep(0)
        await simulator.until(lambda: bool(simulator.requests_seen))
        # What keeps holds alive knows of both.
        assert b"spendgate_reservations_open 2.0\n" in await metrics(stack)
        assert len(simulator.requests_seen) == 1
        assert [row.state for row in await stack.rows()] == [State.ACTIVE] * 2
        simulator.open_gate("first")

        assert [(await each).status for each in calls] == [200, 200]
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_a_call_that_finds_none_gives_its_hold_back(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.script(Behaviour(gate="first"))
    upstreams = upstream(simulator, connect_timeout_ms=1)
    async with running(tmp_path, simulator, upstreams=upstreams) as stack:
        first = asyncio.create_task(call(stack, CHAT, model="gpt-4o"))
        await simulator.until(lambda: bool(simulator.requests_seen))

        answer = await call(stack, CHAT, model="gpt-4o")

        assert (answer.status, answer.error()["code"]) == (503, "overloaded")
        assert "retry-after" in answer.headers
        assert "upstreams[].max_connections" in answer.error()["message"]
        simulator.open_gate("first")
        assert (await first).status == 200
        assert sorted(row.state for row in await stack.rows()) == [State.COMMITTED, State.RELEASED]
        assert len(simulator.requests_seen) == 1
