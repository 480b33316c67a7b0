"""A store that runs scripts: what the Redis home of the ledger stands on.

An operation is one script on the keys of one tenant. All that are asked for in one tick of
the loop leave in one write for each server, without waiting for one another; the order in
which operations that nobody awaited in between are applied is not promised.

An operation whose reply was lost is sent again, once and before its deadline. It may then be
applied twice: every script must do nothing the second time, by its key.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, Final, Protocol

import hiredis

from proxy.ledger.redis.call import Argument, Call, Step
from proxy.ledger.redis.script import Script
from proxy.ledger.redis.wire.address import Address, Endpoint, Kind
from proxy.ledger.redis.wire.cluster import Cluster
from proxy.ledger.redis.wire.connection import Connection, ConnectionCut, pack
from proxy.ledger.redis.wire.dial import Dialer, answer
from proxy.ledger.redis.wire.faults import AttemptFailed, Fault, Remedy, StoreError
from proxy.ledger.redis.wire.link import Dial, Link
from proxy.ledger.redis.wire.replies import fault_of
from proxy.ledger.redis.wire.timing import Backoff, Timers, before, pause
from proxy.ledger.redis.wire.topology import Single, Topology

Reply = list[Any]
"""What a script returns: bytes, int, None and lists of those."""

DEADLINE_MS: Final = 1_000
"""How long an operation may take, unless it is configured."""

_WAIT_MS: Final = 50
"""A server that cannot work right now is left alone for this long, and up to twice as long."""


class Store(Protocol):
    """What the ledger needs of a store."""

    @property
    def possible_failovers(self) -> int:
        """Grows when another server may answer from now on, which may lack what was last."""
        ...

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        """Run one script on its keys, at least one, which share a hash tag.

        A caller who is cancelled does not undo it: it may be applied all the same.

        Raises:
            StoreError: no answer before the deadline, or none that helps. It is a
                LedgerUnavailable; `may_have_applied` tells whether it can have happened.
            StoreRefused: the operator of the store has to change something first.
            TypeError, ValueError: an argument that has no place in a request; nothing was sent.
        """
        ...

    async def close(self) -> None:
        """Let what was asked finish, and ask no more."""
        ...


class RedisStore:
    """Redis or Valkey: one server, the master that sentinels name, or a cluster.

    `deadline_ms` bounds each operation, connecting and a second try included. The first
    operation connects. Make it on the loop that it serves.
    """

    def __init__(
        self,
        address: Address,
        *,
        timers: Timers,
        random: Random,
        deadline_ms: int = DEADLINE_MS,
    ) -> None:
        self._deadline_ms = deadline_ms
        self._timers = timers
        self._random = random
        self._dialer = Dialer(address, timers=timers, reply_ms=deadline_ms)
        self._topology = self._make_topology(address)
        self._asked = 0
        self._all_answered = asyncio.Event()
        self._is_closed = False
        self.possible_failovers = 0
        """Grows when another server may answer from now on: a connection was lost or left, or a
        slot has moved. That one may lack the last moments of the one before."""

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        call = Call(script, keys, args, self._timers.now_ms() + self._deadline_ms)
        self._begin()
        try:
            return await self._persist(call, self._topology.find(keys[0]))
        finally:
            self._end()

    async def ask_masters(self, *command: str) -> list[Any]:
        """What every server that holds keys answers to a command that changes nothing.

        Raises:
            StoreError: some server does not answer.
        """
        due_ms = self._timers.now_ms() + self._deadline_ms
        packed = pack(*command)
        self._begin()
        try:
            links = await self._topology.masters(due_ms)
            connections = [await link.connected(due_ms) for link in links]
            return [await answer(connection.ask(packed)) for connection in connections]
        except AttemptFailed as failure:
            raise failure.fault.error() from None
        finally:
            self._end()

    async def close(self) -> None:
        self._is_closed = True
        if self._asked:
            await self._all_answered.wait()
        await self._topology.close()

    def _begin(self) -> None:
        if self._is_closed:
            raise StoreError("the ledger is closed")
        self._asked += 1

    def _end(self) -> None:
        self._asked -= 1
        if self._is_closed and not self._asked:
            self._all_answered.set()

    def _make_topology(self, address: Address) -> Topology:
        if address.kind is Kind.SENTINEL:
            return Single(self._link(self._dialer.open_master))
        if address.kind is Kind.SERVER:
            return Single(self._link_to(address.endpoints[0]))
        return Cluster(
            address.endpoints, self._link_to, timers=self._timers, look_ms=self._deadline_ms
        )

    def _link_to(self, endpoint: Endpoint) -> Link:
        return self._link(partial(self._dialer.open_server, endpoint))

    def _link(self, dial: Dial) -> Link:
        return Link(
            dial,
            timers=self._timers,
            backoff=Backoff(self._random),
            dial_ms=self._deadline_ms,
            on_loss=self._note_possible_failover,
        )

    def _note_possible_failover(self) -> None:
        self.possible_failovers += 1

    async def _persist(self, call: Call, link: Link | None) -> Reply:
        """Try until there is an answer, or nothing is left to try."""
        while True:
            connection: Connection | None = None
            try:
                if link is None:
                    link = await self._topology.look_again(call.keys[0], call.due_ms)
                connection = link.connection
                if connection is None:
                    call.is_late = True
                    connection = await link.connected(call.due_ms)
                return await self._attempt(call, connection)
            except AttemptFailed as failure:
                fault = failure.fault
            link = await self._next_link(call, fault, link, connection)

    async def _attempt(self, call: Call, connection: Connection) -> Reply:
        future = connection.ask(call.request(connection.known_scripts), replies=call.replies)
        try:
            if call.is_late:
                reply = await before(self._timers, call.due_ms, future)
            else:
                reply = await future  # the connection itself watches over this deadline
        except ConnectionCut as cut:
            why = f"the store hung up: {cut.why}"
            raise AttemptFailed(Fault(why, Remedy.RECONNECT, cut.was_sent)) from None
        except TimeoutError:
            why = f"no reply within {self._deadline_ms} ms"
            raise AttemptFailed(Fault(why, Remedy.NONE, True)) from None
        if type(reply) is list:
            return reply
        if isinstance(reply, hiredis.ReplyError):
            raise AttemptFailed(fault_of(str(reply)))
        why = f"the script {call.script.name} answered with something that is no list"
        raise AttemptFailed(Fault(why, Remedy.NONE, True))

    async def _next_link(
        self, call: Call, fault: Fault, link: Link | None, connection: Connection | None
    ) -> Link | None:
        """Where to try again; None where the topology says then.

        Raises:
            StoreError: nothing is left to try, or no time.
        """
        step = call.learn(fault)
        wait_ms = self._random.randint(_WAIT_MS, 2 * _WAIT_MS) if step is Step.WAIT else 0
        if step is Step.GIVE_UP or self._timers.now_ms() + wait_ms >= call.due_ms:
            raise call.error(fault)
        if step is Step.AGAIN:
            return link
        if step is Step.FOLLOW:
            assert link is not None, "somebody has answered"
            if fault.remedy is Remedy.FOLLOW:
                self._note_possible_failover()
            return self._topology.follow(call.keys[0], fault, link)
        if step is Step.WAIT:
            await pause(self._timers, wait_ms)
        elif link is not None and connection is not None:
            link.retire(connection, fault)
        return None
