"""Keeps one connection to a server, and makes it again when it is gone.

The first loss is made good at once. While tries fail there is a growing rest in between, in
which everybody is told at once why, instead of waiting for the next try.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from proxy.ledger.redis.wire.connection import Connection, OnEnd
from proxy.ledger.redis.wire.faults import AttemptFailed, Fault, Remedy
from proxy.ledger.redis.wire.timing import Backoff, Errand, Timers

Dial = Callable[[OnEnd], Coroutine[Any, Any, Connection]]

_STABLE_MS: Final = 2_000
"""A connection that lasted so long was a good one: what ends it is a first loss."""


class Link:
    """One connection at a time, made by `dial` when somebody needs it.

    `connection` is there while one is open. `on_loss` is called when it is lost or left.
    """

    def __init__(
        self,
        dial: Dial,
        *,
        timers: Timers,
        backoff: Backoff,
        dial_ms: int,
        on_loss: Callable[[], None],
    ) -> None:
        self._dial = dial
        self._timers = timers
        self._backoff = backoff
        self._dial_ms = dial_ms
        self._on_loss = on_loss
        self._errand = Errand(self._open, timers=timers, limit_ms=dial_ms)
        self._connections: set[Connection] = set()
        self._opened_ms = 0
        self._rest: tuple[int, Fault] | None = None
        self.connection: Connection | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no connection of it is open or on its way."""
        return not self._connections and not self._errand.is_running

    async def connected(self, due_ms: int) -> Connection:
        """The open connection, made now if there is none.

        Raises:
            AttemptFailed: it cannot be made, by `due_ms` or at all.
        """
        if self.connection is not None:
            return self.connection
        if self._rest is not None and self._timers.now_ms() < self._rest[0]:
            raise AttemptFailed(self._rest[1])
        try:
            outcome = await self._errand.result(due_ms)
        except TimeoutError:
            outcome = self._late()
        if isinstance(outcome, Fault):
            raise AttemptFailed(outcome)
        return outcome

    def retire(self, connection: Connection, fault: Fault) -> None:
        """Ask this connection no more, because of `fault`; its replies still come."""
        if connection is self.connection:
            self._lose(fault)
            connection.retire()

    async def close(self) -> None:
        """Take the replies that are on their way, and end. Nobody may ask meanwhile."""
        await self._errand.stop()
        if self.connection is not None:
            self.retire(self.connection, Fault("the ledger is closed", Remedy.NONE))
        if self._connections:
            await asyncio.wait({connection.closed for connection in self._connections})

    async def _open(self) -> Connection | Fault:
        try:
            connection = await self._dial(self._on_end)
        except AttemptFailed as failure:
            return self._take_rest(failure.fault)
        except asyncio.CancelledError:
            self._take_rest(self._late())
            raise
        if connection.why_ended is not None:
            return self._take_rest(_hung_up(connection))
        self._opened_ms = self._timers.now_ms()
        self.connection = connection
        self._connections.add(connection)
        connection.closed.add_done_callback(lambda _: self._connections.discard(connection))
        return connection

    def _on_end(self, connection: Connection) -> None:
        if connection is self.connection:
            self._lose(_hung_up(connection))

    def _lose(self, fault: Fault) -> None:
        self.connection = None
        if self._timers.now_ms() - self._opened_ms >= _STABLE_MS:
            self._backoff.reset()
        self._take_rest(fault)
        self._on_loss()

    def _take_rest(self, fault: Fault) -> Fault:
        self._rest = (self._timers.now_ms() + self._backoff.next_ms(), fault)
        return fault

    def _late(self) -> Fault:
        return Fault(f"no connection to the store within {self._dial_ms} ms", Remedy.RECONNECT)


def _hung_up(connection: Connection) -> Fault:
    return Fault(f"the store hung up: {connection.why_ended}", Remedy.RECONNECT)
