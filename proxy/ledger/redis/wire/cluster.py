"""The nodes of a cluster: each slot has its master, and masters change.

A redirect corrects the slot it is about. When a node cannot be reached the whole map is
asked for again, from whichever node answers.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Redirection
and resharding" and "Client connections and redirection handling".
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from proxy.ledger.redis.wire.address import Endpoint
from proxy.ledger.redis.wire.connection import pack
from proxy.ledger.redis.wire.dial import answer
from proxy.ledger.redis.wire.faults import AttemptFailed, Fault, Remedy
from proxy.ledger.redis.wire.link import Link
from proxy.ledger.redis.wire.replies import fault_of
from proxy.ledger.redis.wire.slots import SLOTS, read_owners, slot_of
from proxy.ledger.redis.wire.timing import Errand, Timers

_LOOK_EVERY_MS: Final = 100
"""The map is asked for no more often, however many operations fail."""

_QUESTION: Final = pack("CLUSTER", "SLOTS")


class Cluster:
    """A topology with one link for each master.

    `seeds` are asked for the map first, later whoever is in the map.
    """

    def __init__(
        self,
        seeds: tuple[Endpoint, ...],
        make_link: Callable[[Endpoint], Link],
        *,
        timers: Timers,
        look_ms: int,
    ) -> None:
        self._seeds = deque(seeds)
        self._make_link = make_link
        self._timers = timers
        self._look_ms = look_ms
        self._errand = Errand(self._look, timers=timers, limit_ms=look_ms)
        self._links: dict[Endpoint, Link] = {}
        self._owners: list[Endpoint | None] = [None] * SLOTS
        self._next_look_ms = timers.now_ms()

    def find(self, key: str) -> Link | None:
        owner = self._owners[slot_of(key)]
        return None if owner is None else self._link(owner)

    async def look_again(self, key: str, due_ms: int) -> Link:
        await self._refresh(due_ms)
        link = self.find(key)
        if link is None:
            raise AttemptFailed(fault_of("CLUSTERDOWN"))
        return link

    def follow(self, key: str, fault: Fault, asked: Link) -> Link:
        assert fault.target is not None, "a redirect has a target"
        target = fault.target
        if not target.host:
            told_by = next(endpoint for endpoint, link in self._links.items() if link is asked)
            target = Endpoint(told_by.host, target.port)
        if fault.remedy is Remedy.FOLLOW:
            self._owners[slot_of(key)] = target
        return self._link(target)

    async def masters(self, due_ms: int) -> list[Link]:
        await self._refresh(due_ms)
        return [self._link(owner) for owner in self._masters()]

    async def close(self) -> None:
        await self._errand.stop()
        for link in self._links.values():
            await link.close()

    def _link(self, endpoint: Endpoint) -> Link:
        link = self._links.get(endpoint)
        if link is None:
            link = self._links[endpoint] = self._make_link(endpoint)
        return link

    def _masters(self) -> list[Endpoint]:
        return list(dict.fromkeys(owner for owner in self._owners if owner is not None))

    async def _refresh(self, due_ms: int) -> None:
        if self._timers.now_ms() < self._next_look_ms:
            return
        try:
            outcome = await self._errand.result(due_ms)
        except TimeoutError:
            outcome = Fault(
                f"no node of the store said within {self._look_ms} ms who has which keys",
                Remedy.RECONNECT,
            )
        if outcome is not None:
            raise AttemptFailed(outcome)

    async def _look(self) -> Fault | None:
        """Read the map from the first node that has one; or why none has."""
        fault: Fault | None = None
        for endpoint in self._candidates():
            link = self._link(endpoint)
            try:
                connection = await link.connected(self._timers.now_ms() + self._look_ms)
                reply = await answer(connection.ask(_QUESTION))
                self._owners = read_owners(reply, endpoint)
            except AttemptFailed as failure:
                fault = failure.fault
            except ValueError as error:
                fault = Fault(str(error), Remedy.NONE)
            else:
                self._next_look_ms = self._timers.now_ms() + _LOOK_EVERY_MS
                self._leave_strangers()
                return None
        return fault

    def _candidates(self) -> Iterator[Endpoint]:
        """Nodes to ask, those first that can answer at once; each time another seed first."""
        masters = self._masters()
        connected = [node for node in masters if self._link(node).connection is not None]
        yield from connected
        self._seeds.rotate(-1)
        others = [*self._seeds, *masters]
        yield from (node for node in dict.fromkeys(others) if node not in connected)

    def _leave_strangers(self) -> None:
        """Nodes come and go, their addresses with them."""
        strangers = self._links.keys() - set(self._masters())
        for endpoint in strangers:
            link = self._links[endpoint]
            if link.is_idle:
                del self._links[endpoint]
            elif link.connection is not None:
                link.retire(link.connection, Fault("the node left the cluster", Remedy.RECONNECT))
