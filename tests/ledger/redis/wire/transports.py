"""A transport whose other end is a test."""

import asyncio

import hiredis

from proxy.ledger.redis.wire.connection import Connection


class FakeTransport(asyncio.Transport):
    """Remembers each write. Ends as real ones do: in a later turn of the loop."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._is_aborted = False
        self.writes: list[bytes] = []
        connection.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self._is_aborted, "written after its end"
        self.writes.append(bytes(data))

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
        reader = hiredis.Reader()
        reader.feed(b"".join(self.writes))
        commands = []
        while command := reader.gets():
            commands.append(command)
        return commands
