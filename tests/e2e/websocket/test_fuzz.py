"""Frames that nobody should send, from either side: no bug, no hang, no hold left open."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from proxy.domain.reservation import State
from simulator.server import Simulator
from tests.e2e.stack import Stack
from tests.e2e.websocket.sockets import (
    ASK,
    LAST,
    WARM_UP,
    Caller,
    opened,
    serving_sockets,
)
from tests.e2e.wire import PATIENCE_S

ATOMS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e400, 2**70, "", "x", "\ud800", [], {}, [[]], {"type": "error"}),
    *("response.create", "response.cancel", "gpt-4o-mini", "resp_1", ASK["input"]),
)
FIELDS = (
    *("type", "model", "input", "instructions", "tools", "generate", "stream", "stream_id"),
    *("previous_response_id", "max_output_tokens", "prompt_cache_options", "text", "store"),
    *("tool_choice", "reasoning", "service_tier", "metadata", "background", "include"),
)
EVENTS = (
    *("response.created", "response.in_progress", "response.output_text.delta", "response.done"),
    *("response.completed", "response.incomplete", "response.failed", "response.cancelled"),
    *("error", "codex.rate_limits", "response.", "", "ping"),
)
USAGE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}


def drawn_frame(random: Random) -> str:
    """A frame of a caller: a call or a warm-up, with things changed, or half of it."""
    frame = dict(random.choice((ASK, WARM_UP)))
    for _ in range(random.randrange(4)):
        frame[random.choice(FIELDS)] = random.choice(ATOMS)
    if random.random() < 0.1:
        frame.pop(random.choice(list(frame)))
    text = json.dumps(frame)
    return text[: random.randrange(len(text))] if random.random() < 0.1 else text


def drawn_event(random: Random) -> str:
    """A frame of an upstream."""
    event: dict[str, Any] = {"type": random.choice(EVENTS)}
    if random.random() < 0.5:
        event["response"] = random.choice(
            (None, [], {}, {"usage": USAGE}, {"usage": {"input_tokens": "x"}}, {"output": [1]})
        )
    for name in ("delta", "item", "error", "status", "output_index", "sequence_number", "part"):
        if random.random() < 0.3:
            event[name] = random.choice((*ATOMS, 429, 500))
    text = json.dumps(event, indent=random.choice((None, 1)))
    return text[: random.randrange(len(text))] if random.random() < 0.1 else text


@asynccontextmanager
async def odd_upstream(random: Random) -> AsyncIterator[str]:
    """One that answers a frame with whatever is drawn, and perhaps hangs up."""

    async def handle(connection: ServerConnection) -> None:
        try:
            async for _ in connection:
                for _ in range(random.randrange(6)):
                    await connection.send(drawn_event(random))
                match random.randrange(6):
                    case 0:
                        connection.transport.abort()
                    case 1:
                        await connection.close(random.choice((1000, 1001, 1011, 4000)))
                    case 2:
                        await connection.send(b"\x00bytes")
                    case 3 | 4:
                        await connection.send('{"type":"response.completed","response":{}}')
        except ConnectionClosed:
            return

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def heard(caller: Caller, frame: object) -> bool:
    """Hear the response to a frame to its end; whether the socket is still open then."""
    try:
        await caller.send(frame)
        async with asyncio.timeout(PATIENCE_S):
            while _type_of(await caller.connection.recv()) not in LAST:
                continue
    except ConnectionClosed:
        return False
    return True


def _type_of(frame: str | bytes) -> object:
    try:
        fields = json.loads(frame)
    except ValueError:
        return None
    return fields.get("type") if isinstance(fields, dict) else None


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_a_caller_sends_is_answered_and_paid_for(stack: Stack, seed: int) -> None:
    random = Random(seed)
    async with opened(stack) as caller:
        for _ in range(60):
            frame = drawn_frame(random)
            if _type_of(frame) == "response.cancel":
                await caller.send(frame)
            else:
                assert await heard(caller, frame)
    assert stack.log.events("internal_error") == []
    assert {row.state for row in await stack.rows()} <= {State.COMMITTED, State.RELEASED}
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_an_upstream_sends_ends_every_call(
    tmp_path: Path, simulator: Simulator, seed: int
) -> None:
    random = Random(seed)
    async with odd_upstream(random) as base_url:
        upstream = {"base_url": base_url, "idle_timeout_ms": 40, "response_timeout_ms": 40}
        async with serving_sockets(tmp_path, simulator, upstream=upstream) as stack:
            for _ in range(6):
                async with opened(stack) as caller:
                    goes_on = True
                    while goes_on and random.random() < 0.7:
                        goes_on = await heard(caller, ASK)
            await stack.server.stop()
            assert stack.log.events("internal_error") == []
            assert stack.log.events("hanging_up") == []
            over = {State.COMMITTED, State.RELEASED, State.UNCERTAIN}
            assert {row.state for row in await stack.rows()} <= over
            await stack.charged_and_uncovered()
