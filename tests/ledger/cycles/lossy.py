"""A network between a proxy and an authority that loses things, as a seed has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlsplit

_PIECE_BYTES = 65_536


@dataclass
class Lossy:
    """Bytes pass, late, in part or not at all; with `is_calm`, all of them do."""

    upstream: str
    random: Random
    is_calm: bool = False
    url: str = ""
    mishaps: int = 0
    _serving: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until one of its ends has enough."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        address = urlsplit(self.upstream)
        up_reader, up_writer = await asyncio.open_connection(address.hostname, address.port)
        ends = (writer, up_writer)
        self._writers.update(ends)
        loop = asyncio.get_running_loop()
        ways = {
            loop.create_task(self._pass(reader, up_writer, ends)),
            loop.create_task(self._pass(up_reader, writer, ends)),
        }
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            end.transport.abort()
        self._writers.difference_update(ends)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            drawn = 1.0 if self.is_calm else self.random.random()
            self.mishaps += drawn < 0.26
            if drawn < 0.04:
                await (
                    asyncio.Event().wait()
                )  # half open: nothing comes any more, and nobody says so
            elif drawn < 0.14:
                for end in ends:
                    end.transport.abort()
                return
            elif drawn < 0.26:
                writer.write(piece[: self.random.randrange(len(piece))])
                await writer.drain()
                return
            elif drawn < 0.50:
                for _ in range(self.random.randrange(20)):
                    await asyncio.sleep(0)
            writer.write(piece)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


@asynccontextmanager
async def lossy_way_to(upstream: str, random: Random) -> AsyncIterator[Lossy]:
    """A port of its own before the authority at this URL."""
    way = Lossy(upstream, random)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    way.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield way
    finally:
        server.close()
        await way.close()
        await server.wait_closed()
