"""An event loop whose connections are in memory: no sockets, and time that jumps."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.simulation.rig.virtual import VirtualLoop, VirtualTime

ADDRESS: Final = ("127.0.0.1", 4000)

Hear = Callable[["Wire", bytes], None]


class Wire(asyncio.Transport):
    """The proxy's end of a connection. `hear` gets what the proxy writes.

    As with a socket, nothing comes after it was closed, and nothing while reading is paused.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, hear: Hear) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._hear = hear
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_closing = False
        self.has_ended = asyncio.Event()
        protocol.connection_made(self)

    # What the other side does

    async def deliver(self, data: bytes) -> bool:
        """Bytes arrive, once they are read. Whether they still could."""
        await self._flows.wait()
        if self._is_closing:
            return False
        self._protocol.data_received(data)
        return not self._is_closing

    async def shut(self) -> None:
        """The other side says that nothing more will come."""
        await self._flows.wait()
        if not self._is_closing and not self._protocol.eof_received():
            self.close()

    def reset(self) -> None:
        """The other side is gone."""
        self._end(ConnectionResetError("reset"))

    def stop_listening(self) -> None:
        """What is written is not taken any more, for now."""
        if not self._is_closing:
            self._protocol.pause_writing()

    def listen_again(self) -> None:
        """Or it is."""
        if not self.has_ended.is_set():
            self._protocol.resume_writing()

    # asyncio.Transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self._hear(self, bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._flows.is_set()

    def pause_reading(self) -> None:
        if not self._is_closing:
            self._flows.clear()

    def resume_reading(self) -> None:
        self._flows.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ADDRESS if name == "peername" else default

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def _end(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._flows.set()
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        self.has_ended.set()
        self._protocol.connection_lost(error)


class _Socket:
    def getsockname(self) -> tuple[str, int]:
        return ADDRESS


class _Listener:
    sockets: Final = (_Socket(),)

    def close(self) -> None:
        """Nobody new comes in: there is nobody to come."""


class NetworkLoop(VirtualLoop):
    """An event loop on such a network. `listeners` make protocols, in the order of their start.

    `meet` is told of each connection that the proxy opens.
    """

    def __init__(self, time: VirtualTime, meet: Hear) -> None:
        super().__init__(time)
        self.listeners: list[Callable[[], asyncio.Protocol]] = []
        self._meet = meet

    async def create_server(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        self.listeners.append(protocol_factory)
        return _Listener()

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        protocol = protocol_factory()
        return Wire(self, protocol, self._meet), protocol

    def accept(self, hear: Hear) -> Wire:
        """Somebody connects to the first listener."""
        return Wire(self, self.listeners[0](), hear)
