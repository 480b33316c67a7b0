"""Sockets and frames that are refused: nothing is sent, nothing is held, and it is said why."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.stack import Stack, charged, running
from tests.e2e.websocket.sockets import ASK, WARM_UP, Caller, opened, serving_sockets
from tests.e2e.wire import answered, exchange, read_answer, request_bytes


async def refused_handshake(url: str, **headers: str) -> tuple[int, dict[str, Any]]:
    """The status and the error of an upgrade that is not granted."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url.replace("http://", "ws://"), additional_headers=headers):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]


def frames_seen(simulator: Simulator) -> int:
    """How many calls reached the upstream."""
    return sum(seen.method == "FRAME" for seen in simulator.requests_seen)


async def test_where_no_upstream_takes_them_an_upgrade_is_refused(
    tmp_path: Path, simulator: Simulator
) -> None:
    """426 makes Codex use HTTP at once; after others it tries again."""
    async with running(tmp_path, simulator) as stack:
        status, error = await refused_handshake(f"{stack.base_url}/responses")
    assert (status, error["code"]) == (426, "upgrade_required")
    assert "upstreams[].websockets" in error["message"]


@pytest.mark.parametrize("path", ["/realtime?model=gpt-realtime", "/chat/completions", "/models"])
async def test_no_other_path_has_sockets(stack: Stack, path: str) -> None:
    status, error = await refused_handshake(f"{stack.base_url}{path}")
    assert (status, error["code"]) == (426, "upgrade_required")
    assert not stack.simulator.requests_seen


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://a.page"}, 403),
        ({"authorization": "Bearer cyc_live_unknown"}, 401),
        ({"x-cycles-tenant": "another"}, 403),
    ],
)
async def test_a_handshake_is_let_in_as_a_call_is(
    stack: Stack, headers: dict[str, str], status: int
) -> None:
    assert (await refused_handshake(f"{stack.base_url}/responses", **headers))[0] == status


@pytest.mark.parametrize(
    "lines",
    [
        ("Sec-WebSocket-Version: 8 oh",),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c2hvcnQ="),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: openai-insecure-api-key.sk-1"),
        (),
    ],
)
async def test_half_a_handshake_is_a_bad_request(stack: Stack, lines: tuple[str, ...]) -> None:
    upgrade = ("Connection: Upgrade, close", "Upgrade: websocket")
    request = request_bytes(
        b"", *upgrade, *lines, method="GET", path="/v1/responses", length=False, keep_alive=True
    )
    answer = read_answer(await exchange(stack.base_url, request))
    assert answer is not None
    assert (answer.status, answer.error()["code"]) == (400, "invalid_request")
    assert b"sk-1" not in answer.body
    assert b"c2hv" not in answer.body


async def test_who_cannot_pay_is_told_so_as_over_http(tmp_path: Path, simulator: Simulator) -> None:
    budgets = [{"scope": "tenant:dev", "allocated": "$0.00001", "period": "none"}]
    degrade = {"shorten": False}
    async with serving_sockets(tmp_path, simulator, budgets=budgets, degrade=degrade) as stack:
        async with opened(stack) as caller:
            (error,) = await caller.ask(ASK)
            (again,) = await caller.ask(ASK)
        body = {name: value for name, value in ASK.items() if name != "type"}
        over_http = await answered(stack.base_url, body, path="/v1/responses")
        assert await stack.rows() == ()
    assert (error["type"], error["status"]) == ("error", 429)
    assert error["error"]["code"] == error["error"]["type"] == "insufficient_quota"
    assert error["headers"]["x-should-retry"] == "false"
    assert error["error"]["headers"] == error["headers"]
    assert error["headers"]["X-Budget-Scope"] == "tenant:dev"
    assert error["error"]["message"] == again["error"]["message"] == over_http.error()["message"]
    assert error["error"]["budget"]["reason"] == "budget_exceeded"
    assert not simulator.requests_seen


async def test_the_sdk_reads_a_refusal_as_an_error_of_the_api(
    tmp_path: Path, simulator: Simulator
) -> None:
    budgets = [{"scope": "tenant:dev", "allocated": "$0.00001", "period": "none"}]
    async with serving_sockets(tmp_path, simulator, budgets=budgets) as stack:
        client = AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0)
        async with client, client.responses.connect() as connection:
            await connection.response.create(model="gpt-4o-mini", input="hello there")
            event = await connection.recv()
    assert event.type == "error"
    assert (event.status, event.error.code) == (429, "insufficient_quota")
    assert event.error.headers is not None
    assert event.error.headers["x-should-retry"] == "false"


async def test_a_denial_in_the_middle_ends_nothing_else(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The first response and the warm-up fit; what is left does not pay for another response."""
    budgets = [{"scope": "tenant:dev", "unit": "TOKENS", "allocated": 700, "period": "none"}]
    frame = ASK | {"max_output_tokens": 600}
    simulator.behave(Behaviour(output_tokens=300))
    async with serving_sockets(
        tmp_path, simulator, budgets=budgets, degrade={"shorten": False}
    ) as stack:
        async with opened(stack) as caller:
            outcomes = [(await caller.ask(each))[-1] for each in (frame, frame, WARM_UP, frame)]
        assert [each["type"] for each in outcomes] == [
            "response.completed",
            "error",
            "response.completed",
            "error",
        ]
        rows, bills = await stack.rows(), simulator.bills
        assert [charged(row) for row in rows] == [line.amount_microcents for line in bills]
        assert len(rows) == frames_seen(simulator) == 2


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "{",
        "[]",
        '{"type": "response.create", "model": "gpt-4o-mini", "input": "a", "input": "b"}',
        '{"type": "response.create", "input": "no model"}',
        '{"type": "response.create", "model": "gpt-4o-mini", "background": true}',
        '{"type": "response.steer", "previous_response_id": "resp_1", "input": "go on"}',
        '{"type": "session.update"}',
        '{"model": "gpt-4o-mini", "input": "no type"}',
        '"\\ud800"',
        "[" * 500 + "]" * 500,
    ],
)
async def test_a_frame_that_is_no_call_is_not_passed_on(
    stack: Stack, caller: Caller, frame: str
) -> None:
    (error,) = await caller.ask(frame)
    assert (error["status"], error["error"]["type"]) == (400, "invalid_request_error")
    *_, last = await caller.ask(ASK)
    assert last["type"] == "response.completed"
    assert frames_seen(stack.simulator) == 1
    assert len(await stack.rows()) == 1
    refusal = (await stack.log.until("call", 3))[1]
    assert (refusal["decision"], refusal["reason"]) == ("DENY", "invalid_request")


async def test_bytes_end_the_socket(stack: Stack, caller: Caller) -> None:
    await caller.connection.send(json.dumps(ASK).encode())
    assert await caller.closed() == 1003
    assert not stack.simulator.requests_seen


async def test_a_frame_that_is_too_large_ends_the_socket(
    tmp_path: Path, simulator: Simulator
) -> None:
    limits = {"max_body_bytes": 2_000}
    async with serving_sockets(tmp_path, simulator, limits=limits) as stack:
        async with opened(stack) as caller:
            *_, last = await caller.ask(ASK | {"instructions": "x" * 1_000})
            assert last["type"] == "response.completed"
            await caller.send(ASK | {"instructions": "x" * 2_000})
            assert await caller.closed() == 1009
        assert len(await stack.rows()) == frames_seen(simulator) == 1


async def test_a_fragmented_frame_is_one_frame(stack: Stack, caller: Caller) -> None:
    text = json.dumps(ASK)
    await caller.connection.send([text[:7], text[7:8], "", text[8:]])
    assert (await caller.rest())[-1]["type"] == "response.completed"
    assert frames_seen(stack.simulator) == 1


async def test_too_many_waiting_frames_end_the_socket(stack: Stack, caller: Caller) -> None:
    stack.simulator.behave(Behaviour(gate="never"))
    await caller.send(ASK)
    await stack.simulator.until(lambda: stack.simulator.in_flight == 1)
    for _ in range(17):
        await caller.send(ASK)
    assert await caller.closed() == 1008
    await stack.simulator.until(lambda: stack.simulator.in_flight == 0)
    assert frames_seen(stack.simulator) == 1


async def test_a_socket_counts_as_a_call_in_flight(tmp_path: Path, simulator: Simulator) -> None:
    limits = {"max_connections": 1}
    async with serving_sockets(tmp_path, simulator, limits=limits) as stack:
        async with opened(stack) as caller:
            status, error = await refused_handshake(f"{stack.base_url}/responses")
            assert (status, error["code"]) == (503, "overloaded")
            *_, last = await caller.ask(ASK)
            assert last["type"] == "response.completed"
        await stack.log.until("call", 3)
        async with opened(stack) as another:
            assert (await another.ask(ASK))[-1]["type"] == "response.completed"


async def test_a_model_of_an_upstream_over_http_alone_is_refused(
    tmp_path: Path, simulator: Simulator
) -> None:
    upstreams = [
        {"name": "plain", "base_url": simulator.base_url, "api_key": "none", "models": ["gpt-4o"]},
        {
            "name": "sockets",
            "base_url": simulator.base_url,
            "api_key": "none",
            "websockets": True,
        },
    ]
    async with running(tmp_path, simulator, upstreams=upstreams) as stack:
        async with opened(stack) as caller:
            (error,) = await caller.ask(ASK | {"model": "gpt-4o"})
            assert (error["status"], error["error"]["code"]) == (426, "upgrade_required")
            assert (await caller.ask(ASK))[-1]["type"] == "response.completed"
        assert len(await stack.rows()) == 1


async def test_a_stand_in_of_an_upstream_over_http_alone_is_passed_over(
    tmp_path: Path, simulator: Simulator
) -> None:
    plain = {"name": "plain", "base_url": simulator.base_url, "api_key": "none"}
    upstreams = [{**plain, "models": ["gpt-4o"]}, {**plain, "name": "sockets", "websockets": True}]
    degrade = {"fallback_models": {"gpt-4o-mini": ["gpt-4o", "gpt-4.1-nano"]}}
    async with running(tmp_path, simulator, upstreams=upstreams, degrade=degrade) as stack:
        async with opened(stack) as caller:
            assert (await caller.ask(ASK))[-1]["type"] == "response.completed"
        assert (await stack.row()).metadata["model"] == "gpt-4o-mini"


async def test_what_the_upstream_refuses_is_handed_on_and_costs_nothing(
    stack: Stack, caller: Caller
) -> None:
    stack.simulator.script(Behaviour(refusal=Refusal(status=429, code="slow_down")))
    (error,) = await caller.ask(ASK)
    assert (error["status"], error["error"]["code"]) == (429, "slow_down")
    (lost,) = await caller.ask(ASK | {"previous_response_id": "resp_of_another_socket"})
    assert lost["error"]["code"] == "previous_response_not_found"
    *_, last = await caller.ask(ASK)
    assert last["type"] == "response.completed"
    states = [row.state for row in await stack.rows()]
    assert states == [State.RELEASED, State.RELEASED, State.COMMITTED]
    handshakes = [seen for seen in stack.simulator.requests_seen if seen.method == "GET"]
    assert len(handshakes) == 1


async def test_a_handshake_that_the_upstream_refuses_is_told_in_a_frame(tmp_path: Path) -> None:
    secret = "sk-wrong-and-never-to-be-seen"
    async with (
        Simulator(key="right") as simulator,
        serving_sockets(tmp_path, simulator, upstream={"api_key": secret}) as stack,
        opened(stack) as caller,
    ):
        (error,) = await caller.ask(ASK)
        row = await stack.row()
        await stack.log.until("call", 2)
    assert (error["status"], error["error"]["code"]) == (401, "invalid_api_key")
    assert row.state is State.RELEASED
    assert secret not in json.dumps(error)
    assert secret not in repr(stack.log.lines)


async def test_an_upstream_that_is_not_there_is_told_in_a_frame(
    tmp_path: Path, simulator: Simulator
) -> None:
    gone = {"base_url": "http://127.0.0.1:9/v1"}
    async with serving_sockets(tmp_path, simulator, upstream=gone) as stack:
        async with opened(stack) as caller:
            (error,) = await caller.ask(ASK)
        assert (error["status"], error["error"]["code"]) == (502, "upstream_unreachable")
        assert (await stack.row()).state is State.RELEASED


async def test_who_is_closed_on_hears_nothing_more(caller: Caller) -> None:
    await caller.connection.send(b"bytes")
    with pytest.raises(ConnectionClosed):
        await caller.event()
