"""Responses over a WebSocket: each is a call of its own, and costs what the upstream bills."""

import json
from pathlib import Path

from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.stack import TOKENS, Stack, charged, held, paid
from tests.e2e.websocket.sockets import ASK, WARM_UP, Caller, opened, serving_sockets, text_of


async def test_the_sdk_gets_what_it_gets_without_the_proxy(stack: Stack) -> None:
    said = []
    for base_url in (stack.base_url, stack.simulator.base_url):
        client = AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0)
        async with client, client.responses.connect() as connection:
            await connection.response.create(model="gpt-4o-mini", input="hello there")
            events = []
            async for event in connection:
                events.append(event)
                if event.type == "response.completed":
                    break
            said.append([(each.type, getattr(each, "delta", None)) for each in events])
    assert said[0] == said[1]
    through, around = stack.simulator.bills
    assert through.amount_microcents == around.amount_microcents
    assert await stack.charged_and_uncovered() == (through.amount_microcents, 0)


async def test_a_warm_up_and_two_chained_responses_are_three_calls(
    stack: Stack, caller: Caller
) -> None:
    """What is not stored is remembered by the upstream's socket: it has to be the same one."""
    *_, warmed = await caller.ask(WARM_UP)
    first = await caller.ask(
        ASK | {"store": False, "previous_response_id": warmed["response"]["id"]}
    )
    second = await caller.ask(
        ASK | {"store": False, "previous_response_id": first[-1]["response"]["id"]}
    )
    assert text_of(second)
    rows, bills = await stack.rows(), stack.simulator.bills
    assert [charged(row) for row in rows] == [line.amount_microcents for line in bills]
    assert {row.state for row in rows} == {State.COMMITTED}
    assert not any(row.estimated for row in rows)
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)
    handshakes = [seen for seen in stack.simulator.requests_seen if seen.method == "GET"]
    assert len(handshakes) == 1


async def test_a_warm_up_holds_its_input_alone(stack: Stack, caller: Caller) -> None:
    """Nothing is written in answer to it, but its input is read, and reported as usage."""
    await caller.ask(WARM_UP)
    await caller.ask(ASK)
    warm_up, response = await stack.rows()
    assert charged(warm_up) == stack.simulator.bills[0].amount_microcents > 0
    assert charged(warm_up) <= held(warm_up) < held(response) / 100


async def test_a_warm_up_with_tools_of_the_provider_makes_no_loop(
    stack: Stack, caller: Caller
) -> None:
    await caller.ask(WARM_UP | {"tools": [{"type": "web_search"}]})
    await caller.ask(WARM_UP)
    with_tools, without = await stack.rows()
    assert held(with_tools) < held(without) + 100_000


async def test_frames_leave_as_they_came(tmp_path: Path) -> None:
    frame = '{ "type":"response.create","model" : "gpt-4o-mini", "input":"h\\u00e9", "x":1.50}'
    async with (
        Simulator(keep_bodies=True) as simulator,
        serving_sockets(tmp_path, simulator) as stack,
        opened(stack) as caller,
    ):
        await caller.ask(frame)
    (seen,) = [seen for seen in simulator.requests_seen if seen.method == "FRAME"]
    assert seen.body == frame.encode()


async def test_the_handshake_goes_on_with_our_credential_and_their_headers(tmp_path: Path) -> None:
    async with (
        Simulator(key="sk-ours-and-nobody-elses") as simulator,
        serving_sockets(
            tmp_path, simulator, upstream={"api_key": "sk-ours-and-nobody-elses"}
        ) as stack,
        opened(
            stack, **{"authorization": "Bearer sk-theirs", "session_id": "s1", "x-cycles-run": "r"}
        ) as caller,
    ):
        *_, last = await caller.ask(ASK)
    assert last["type"] == "response.completed"
    headers = simulator.requests_seen[0].headers
    assert headers["authorization"] == "Bearer sk-ours-and-nobody-elses"
    assert headers["openai-beta"] == "responses_websockets=2026-02-06"
    assert headers["session_id"] == "s1"
    assert "x-cycles-run" not in headers
    assert "permessage-deflate" in headers["sec-websocket-extensions"]
    assert not any(seen.carries("sk-theirs") for seen in simulator.requests_seen)


async def test_frames_are_compressed_where_the_caller_offers_it(caller: Caller) -> None:
    assert [each.name for each in caller.connection.protocol.extensions] == ["permessage-deflate"]
    *_, last = await caller.ask(ASK)
    assert last["type"] == "response.completed"


async def test_every_frame_has_a_line_in_the_log_and_a_trace_of_its_own(
    stack: Stack, caller: Caller
) -> None:
    await caller.ask(ASK)
    await caller.ask(ASK)
    handshake, *frames = await stack.log.until("call", 3)
    assert (handshake["api"], handshake["status"]) == ("websocket", 101)
    assert [line["api"] for line in frames] == ["responses", "responses"]
    assert len({line["trace_id"] for line in (handshake, *frames)}) == 3
    assert [line["charged_microcents"] for line in frames] == [
        charged(row) for row in await stack.rows()
    ]


async def test_the_first_event_says_what_the_head_of_an_answer_says(
    stack: Stack, caller: Caller
) -> None:
    first, *others = await caller.ask(ASK)
    row = await stack.row()
    assert first["type"] == "response.created"
    assert first["headers"]["X-Budget-Reservation-Id"] == row.reservation_id
    assert first["headers"]["X-Budget-Decision"] == "ALLOW"
    assert all(name.startswith(("X-Budget-", "X-Cycles-")) for name in first["headers"])
    assert not any("headers" in event for event in others)


async def test_a_second_frame_waits_for_the_first_response(stack: Stack, caller: Caller) -> None:
    await caller.send(ASK | {"metadata": {"n": "1"}})
    await caller.send(ASK | {"metadata": {"n": "2"}})
    first, second = await caller.rest(), await caller.rest()
    assert [events[-1]["response"]["metadata"]["n"] for events in (first, second)] == ["1", "2"]
    assert stack.simulator.max_in_flight == 1
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)


async def test_a_lane_is_named_in_its_answers_and_in_our_refusals(caller: Caller) -> None:
    events = await caller.ask(ASK | {"stream_id": "a"})
    assert {event["stream_id"] for event in events} == {"a"}
    (error,) = await caller.ask(ASK | {"stream_id": "b", "model": "nobody-priced-this"})
    assert error["stream_id"] == "b"


async def test_a_policy_shapes_a_frame(tmp_path: Path, simulator: Simulator) -> None:
    policies = [
        {
            "name": "thrift",
            "scope": "tenant:dev",
            "bands": [{"used_pct": 0, "caps": {"max_tokens": 20}}],
        }
    ]
    simulator.behave(Behaviour(output_tokens=500))
    async with serving_sockets(tmp_path, simulator, policies=policies) as stack:
        async with opened(stack) as caller:
            first, *_, last = await caller.ask(ASK)
        assert last["response"]["usage"]["output_tokens"] == 20
        assert first["headers"]["X-Budget-Decision"] == "ALLOW_WITH_CAPS"
        assert first["headers"]["X-Budget-Caps"] == "max_tokens"
        assert paid(await stack.row()) == simulator.total_microcents


async def test_the_cost_is_in_the_usage_where_that_is_wanted(
    tmp_path: Path, simulator: Simulator
) -> None:
    responses = {"expose_cost": "usage"}
    async with serving_sockets(tmp_path, simulator, responses=responses) as stack:
        async with opened(stack) as caller:
            *_, last = await caller.ask(ASK)
        cost_usd = last["response"]["usage"]["cost_usd"]
    assert json.dumps(cost_usd) == f'"{simulator.total_microcents / 10**8:.8f}"'


async def test_what_was_said_on_the_socket_is_held_for_as_what_it_came_to(
    stack: Stack, caller: Caller
) -> None:
    """Nothing else tells how much a response goes on from: the window of the model bounds it."""
    *_, warmed = await caller.ask(WARM_UP | {"instructions": "be brief " * 50})
    known = ASK | {"previous_response_id": warmed["response"]["id"], "max_output_tokens": 100}
    *_, answered = await caller.ask(known)
    await caller.ask(known | {"previous_response_id": answered["response"]["id"]})
    rows, bills = await stack.rows(), stack.simulator.bills
    for row, line in zip(rows, bills, strict=True):
        assert held(row) >= paid(row) == line.amount_microcents
    assert rows[1].amounts[TOKENS] < 300
    assert rows[2].amounts[TOKENS] < 500
    async with opened(stack) as another:
        await another.ask(known | {"previous_response_id": answered["response"]["id"]})
    assert (await stack.rows())[3].amounts[TOKENS] > 100_000
