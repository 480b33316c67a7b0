"""Callers with a WebSocket, by a library that the proxy does not use."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.wire import PATIENCE_S

ASK: dict[str, Any] = {"type": "response.create", "model": "gpt-4o-mini", "input": "hello there"}
WARM_UP: dict[str, Any] = ASK | {"generate": False, "store": False}
BETA = {"openai-beta": "responses_websockets=2026-02-06"}
LAST = ("response.completed", "response.incomplete", "response.failed", "error")


class Caller:
    """One socket to the proxy."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, frame: object) -> None:
        await self.connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def event(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(PATIENCE_S):
            found: dict[str, Any] = json.loads(await self.connection.recv())
        return found

    async def rest(self) -> list[dict[str, Any]]:
        """All events up to the last one of a response."""
        events = [await self.event()]
        while events[-1]["type"] not in LAST:
            events.append(await self.event())
        return events

    async def ask(self, frame: object) -> list[dict[str, Any]]:
        """The events of the response to a frame."""
        await self.send(frame)
        return await self.rest()

    async def closed(self) -> int:
        """With what code the other side has closed."""
        async with asyncio.timeout(PATIENCE_S):
            await self.connection.wait_closed()
        code = self.connection.close_code
        assert code is not None
        return code

    def vanish(self) -> None:
        """Leave without a word."""
        self.connection.transport.abort()


@asynccontextmanager
async def opened(stack: Stack, **headers: str) -> AsyncIterator[Caller]:
    """A socket, closed at the end."""
    url = f"{stack.base_url}/responses".replace("http://", "ws://")
    async with connect(url, additional_headers=BETA | headers, max_size=None) as connection:
        yield Caller(connection)


@asynccontextmanager
async def serving_sockets(
    folder: Path, simulator: Simulator, /, **changes: Any
) -> AsyncIterator[Stack]:
    """A proxy whose upstream takes WebSockets. `upstream` changes what is said of that."""
    upstream = {
        "name": "simulated",
        "base_url": simulator.base_url,
        "api_key": "none",
        "websockets": True,
    }
    upstream |= changes.pop("upstream", {})
    async with running(folder, simulator, upstreams=[upstream], **changes) as stack:
        yield stack


def text_of(events: list[dict[str, Any]]) -> str:
    """What was said."""
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
