"""Stands between a client and a server, and spoils what it is told to.

Requests and replies pass one by one, in order; what is to be spoiled is the next operation
(a script), unless `targets` says otherwise. Nothing here waits for time to pass.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import hiredis

from tests.servers.frames import Frames

OPERATIONS = (b"EVAL", b"EVALSHA")


@dataclass(frozen=True)
class Pass:
    """Nothing happens to it."""


@dataclass(frozen=True)
class LoseRequest:
    """The connection breaks before the server has it."""


@dataclass(frozen=True)
class LoseReply:
    """The server applies it; then the connection breaks, `after_bytes` into the reply."""

    after_bytes: int = 0


@dataclass(frozen=True)
class HoldReply:
    """The server applies it; its reply, and all behind it, wait until `release`."""


@dataclass(frozen=True)
class Answer:
    """The server never sees it; this is the reply."""

    reply: bytes


Fate = Pass | LoseRequest | LoseReply | HoldReply | Answer


@dataclass
class Relay:
    """What tests tell, and what they ask."""

    upstream: Path
    fates: deque[Fate] = field(default_factory=deque)
    refuses: bool = False
    targets: tuple[bytes, ...] = OPERATIONS
    requests: list[list[bytes]] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    surprises: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._released = asyncio.Event()
        self._held = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def spoil(self, *fates: Fate) -> None:
        """These befall the next operations, one each; those behind them pass."""
        self._held.clear()
        self._released.clear()
        self.fates.extend(fates)

    async def held(self) -> None:
        """Until a reply is being held."""
        await self._held.wait()

    def release(self) -> None:
        """Let go of what is held, and hold nothing until something is spoiled again."""
        self._released.set()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Break every connection and be done with it."""
        self.cut()
        if self._serving:
            await asyncio.wait(set(self._serving))
        assert not self.surprises, "the relay itself is broken"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its client's first byte to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self.connections += 1
        if self.refuses:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self.upstream)
        ends = (writer, up_writer)
        self._writers.update(ends)
        fates: asyncio.Queue[Fate] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        directions = {
            loop.create_task(self._requests(reader, up_writer, fates)),
            loop.create_task(self._replies(up_reader, writer, fates)),
        }
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        outcomes = await asyncio.gather(*directions, return_exceptions=True)
        for end in ends:
            end.close()
        self._writers.difference_update(ends)
        self.surprises += [
            outcome
            for outcome in outcomes
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError)
        ]

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        fates: "asyncio.Queue[Fate]",
    ) -> None:
        frames = Frames()
        while data := await reader.read(65_536):
            for request in frames.feed(data):
                fate = self._fate_of(request)
                if isinstance(fate, LoseRequest):
                    return
                if not isinstance(fate, Answer):
                    upstream.write(request)
                fates.put_nowait(fate)

    def _fate_of(self, request: bytes) -> Fate:
        reader = hiredis.Reader()
        reader.feed(request)
        parts = reader.gets()
        self.requests.append(parts)
        is_target = parts[0] in self.targets
        return self.fates.popleft() if is_target and self.fates else Pass()

    async def _replies(
        self,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fates: "asyncio.Queue[Fate]",
    ) -> None:
        frames = Frames()
        replies: deque[bytes] = deque()
        while True:
            fate = await fates.get()
            if isinstance(fate, Answer):
                writer.write(fate.reply)
                continue
            while not replies:
                data = await upstream.read(65_536)
                if not data:
                    return
                replies.extend(frames.feed(data))
            reply = replies.popleft()
            if isinstance(fate, LoseReply):
                writer.write(reply[: fate.after_bytes])
                return
            if isinstance(fate, HoldReply):
                self._held.set()
                await self._released.wait()
            writer.write(reply)


@asynccontextmanager
async def relay_to(upstream: Path, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """A relay to the server at this socket; over a loopback port when it speaks TLS."""
    relay = Relay(upstream)
    with TemporaryDirectory(prefix="relay-") as directory:
        if tls is None:
            path = Path(directory, "socket")
            server = await asyncio.start_unix_server(relay.serve, path)
            relay.url = f"unix://{path}"
        else:
            server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, ssl=tls)
            relay.url = f"rediss://localhost:{server.sockets[0].getsockname()[1]}"
        try:
            yield relay
        finally:
            server.close()
            await relay.close()
            await server.wait_closed()
