"""A transport whose other end is a test."""

import asyncio
from collections.abc import Callable

import hiredis

from proxy.ledger.redis.wire.connection import Connection


class FakeTransport(asyncio.Transport):
    """Remembers each write. Ends as real ones do: in a later turn of the loop.

    `answer` is the server's reply to a command; without it the test replies itself.
    """

    def __init__(
        self, connection: Connection, answer: Callable[[list[bytes]], bytes] | None = None
    ) -> None:
        super().__init__()
        self._connection = connection
        self._answer = answer
        self._is_aborted = False
        self.writes: list[bytes] = []
        connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._is_aborted, "written after its end"
        self.writes.append(bytes(data))
        if self._answer is not None:
            replies = b"".join(map(self._answer, read_commands(bytes(data))))
            asyncio.get_running_loop().call_soon(self._deliver, replies)

    def _deliver(self, replies: bytes) -> None:
        if self.is_open:
            self._connection.data_received(replies)

    @property
    def is_open(self) -> bool:
        return not self._is_aborted

    def abort(self) -> None:
        if not self._is_aborted:
            self._is_aborted = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def lose(self, error: Exception | None = None) -> None:
        """The other end is gone."""
        self._is_aborted = True
        self._connection.connection_lost(error)

    @property
    def commands(self) -> list[list[bytes]]:
        """All that was written, as a server reads it."""
        return read_commands(b"".join(self.writes))


def read_commands(data: bytes) -> list[list[bytes]]:
    """The commands in what a client wrote."""
    reader = hiredis.Reader()
    reader.feed(data)
    commands = []
    while command := reader.gets():
        commands.append(command)
    return commands
