"""Sockets while the proxy reloads and stops."""

import asyncio
from pathlib import Path

from proxy.config.load import parse
from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Hang
from simulator.server import Simulator
from tests.e2e.stack import Stack, config_text
from tests.e2e.websocket.sockets import ASK, Caller, opened, serving_sockets


async def test_an_idle_socket_is_closed_when_the_proxy_stops(stack: Stack, caller: Caller) -> None:
    await caller.ask(ASK)
    await stack.server.stop()
    assert await caller.closed() == 1001


async def test_a_response_that_runs_is_finished_before_its_socket_is_closed(
    stack: Stack, caller: Caller
) -> None:
    hang = Hang(at="event", after=4, gate="go")
    stack.simulator.behave(Behaviour(output_tokens=5, hang=hang))
    await caller.send(ASK)
    await caller.event()
    stopping = asyncio.get_running_loop().create_task(stack.server.stop())
    await stack.log.until("call", 1)
    await caller.send(ASK)
    stack.simulator.open_gate("go")
    *_, last = await caller.rest()
    assert last["type"] == "response.completed"
    (refused,) = await caller.rest()
    assert (refused["status"], refused["error"]["code"]) == (503, "overloaded")
    assert await caller.closed() == 1001
    await stopping
    assert [line.outcome for line in stack.simulator.bills] == ["completed"]


async def test_a_response_that_takes_too_long_is_hung_up_on_and_settled(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(hang=Hang(at="event", after=6)))
    async with serving_sockets(tmp_path, simulator, shutdown_ms=50) as stack:
        async with opened(stack) as caller:
            await caller.send(ASK)
            for _ in range(6):
                await caller.event()
            await stack.server.stop()
            assert await caller.closed() == 1001
        row = await stack.row()
        assert (row.state, row.estimated) == (State.COMMITTED, True)
        assert simulator.bills[0].outcome == "cut"


async def test_the_next_frame_after_a_reload_is_under_the_new_configuration(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The socket to the upstream stays: what was said on it would be lost with it."""
    upstream = {
        "name": "simulated",
        "base_url": simulator.base_url,
        "api_key": "none",
        "websockets": True,
    }
    policies = [
        {
            "name": "thrift",
            "scope": "tenant:dev",
            "bands": [{"used_pct": 0, "caps": {"max_tokens": 20}}],
        }
    ]
    simulator.behave(Behaviour(output_tokens=40))
    async with serving_sockets(tmp_path, simulator) as stack, opened(stack) as caller:
        *_, first = await caller.ask(ASK | {"store": False})
        text = config_text(
            tmp_path, simulator.base_url, {"upstreams": [upstream], "policies": policies}
        )
        await stack.server.reload(parse(text, file="test", env={}))
        *_, second = await caller.ask(ASK | {"previous_response_id": first["response"]["id"]})
        assert first["response"]["usage"]["output_tokens"] == 40
        assert second["response"]["usage"]["output_tokens"] == 20
        elsewhere = upstream | {"websockets": False}
        text = config_text(tmp_path, simulator.base_url, {"upstreams": [elsewhere]})
        await stack.server.reload(parse(text, file="test", env={}))
        (third,) = await caller.ask(ASK)
        assert third["error"]["code"] == "upgrade_required"
    assert sum(seen.method == "GET" for seen in simulator.requests_seen) == 1
