"""Responses over a WebSocket, as the official SDK asks for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator import Behaviour, Simulator
from simulator.behaviour import Cut, Hang, Refusal

ASK: dict[str, Any] = {"type": "response.create", "model": "gpt-4o-mini", "input": "hello there"}


@pytest.fixture
async def socket(simulator: Simulator) -> AsyncIterator[ClientConnection]:
    async with connect(f"{simulator.base_url}/responses".replace("http", "ws")) as opened:
        yield opened


async def until_last(socket: ClientConnection) -> list[dict[str, Any]]:
    """The events of one response."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in (
        "response.completed",
        "response.incomplete",
        "error",
    ):
        events.append(json.loads(await socket.recv()))
    return events


async def test_the_sdk_gets_the_events_that_it_gets_over_http(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    async with client.responses.connect() as connection:
        await connection.response.create(model="gpt-4o-mini", input="hello there")
        types = []
        async for event in connection:
            types.append(event.type)
            if event.type == "response.completed":
                break
    stream = await client.responses.create(model="gpt-4o-mini", input="hello there", stream=True)
    assert types == [event.type async for event in stream]
    over_socket, over_http = simulator.bills
    assert over_socket.amount_microcents == over_http.amount_microcents > 0


async def test_a_warm_up_is_billed_for_its_input_alone_and_can_be_gone_on_from(
    socket: ClientConnection, simulator: Simulator
) -> None:
    await socket.send(json.dumps(ASK | {"generate": False, "store": False}))
    *_, warmed = await until_last(socket)
    assert warmed["response"]["output"] == []
    assert warmed["response"]["usage"]["output_tokens"] == 0
    await socket.send(json.dumps(ASK | {"previous_response_id": warmed["response"]["id"]}))
    *_, answered = await until_last(socket)
    warm, real = simulator.bills
    assert (warm.output.completion_tokens, warm.outcome) == (0, "completed")
    assert 0 < warm.input.prompt_tokens < real.input.prompt_tokens
    assert answered["response"]["usage"]["output_tokens"] == real.output.completion_tokens > 0


async def test_what_is_not_stored_is_unknown_on_another_socket(simulator: Simulator) -> None:
    url = f"{simulator.base_url}/responses".replace("http", "ws")
    async with connect(url) as first:
        await first.send(json.dumps(ASK | {"store": False}))
        *_, said = await until_last(first)
    async with connect(url) as second:
        await second.send(json.dumps(ASK | {"previous_response_id": said["response"]["id"]}))
        (error,) = await until_last(second)
    assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")


async def test_a_cancelled_response_ends_and_is_billed_for_what_was_made(
    socket: ClientConnection, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(output_tokens=50, hang=Hang(at="event", after=8)))
    await socket.send(json.dumps(ASK))
    for _ in range(8):
        await socket.recv()
    await socket.send('{"type": "response.cancel"}')
    *_, ended = await until_last(socket)
    (line,) = simulator.bills
    assert ended["response"]["incomplete_details"] == {"reason": "interrupted"}
    assert 0 < line.output.completion_tokens < 50
    assert ended["response"]["usage"]["output_tokens"] == line.output.completion_tokens


async def test_frames_of_a_lane_say_so(socket: ClientConnection) -> None:
    await socket.send(json.dumps(ASK | {"stream_id": "a"}))
    assert {event["stream_id"] for event in await until_last(socket)} == {"a"}
    await socket.send(json.dumps(ASK | {"stream_id": "b", "model": "nobody's"}))
    (error,) = await until_last(socket)
    assert (error["stream_id"], error["status"]) == ("b", 404)


async def test_a_refusal_is_an_error_with_its_status(
    socket: ClientConnection, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(refusal=Refusal(status=429, retry_after="2")))
    await socket.send(json.dumps(ASK))
    (error,) = await until_last(socket)
    assert (error["status"], error["headers"]["retry-after"]) == (429, "2")
    assert simulator.total_microcents == 0


@pytest.mark.parametrize("frame", ["no json", "[]", '{"type": "response.steer"}', "{}"])
async def test_a_frame_that_means_nothing_is_an_error(socket: ClientConnection, frame: str) -> None:
    await socket.send(frame)
    (error,) = await until_last(socket)
    assert error["status"] == 400


async def test_a_cut_ends_the_socket(socket: ClientConnection, simulator: Simulator) -> None:
    simulator.behave(Behaviour(cut=Cut(at="event", after=3)))
    await socket.send(json.dumps(ASK))
    with pytest.raises(ConnectionClosed):
        await until_last(socket)
    assert simulator.bills[0].outcome == "cut"


async def test_who_leaves_ends_the_response(simulator: Simulator) -> None:
    simulator.behave(Behaviour(hang=Hang(at="event", after=3)))
    async with connect(f"{simulator.base_url}/responses".replace("http", "ws")) as socket:
        await socket.send(json.dumps(ASK))
        await socket.recv()
    async with asyncio.timeout(5):
        await simulator.until(lambda: simulator.in_flight == 0)
    assert simulator.bills[0].outcome == "aborted"


async def test_without_the_key_no_socket_opens() -> None:
    async with Simulator(key="right") as simulator:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{simulator.base_url}/responses".replace("http", "ws")):
                pass
    assert refused.value.response.status_code == 401
