"""Which link leads to a key: what every kind of store must tell.

A cluster has its own file, `cluster.py`.
"""

from typing import Protocol

from proxy.ledger.redis.wire.faults import Fault, StoreRefused
from proxy.ledger.redis.wire.link import Link


class Topology(Protocol):
    """The links of one store."""

    def find(self, key: str) -> Link | None:
        """The link to the owner of this key, as far as is known."""
        ...

    async def look_again(self, key: str, due_ms: int) -> Link:
        """The link to the owner of this key, asked for once more.

        Raises:
            AttemptFailed: nobody could say.
        """
        ...

    def follow(self, key: str, fault: Fault, asked: Link) -> Link:
        """The link that a redirect leads to.

        Raises:
            StoreRefused: this is no topology in which anything can be elsewhere.
        """
        ...

    async def masters(self, due_ms: int) -> list[Link]:
        """A link to each server that holds keys.

        Raises:
            AttemptFailed: nobody could say which those are.
        """
        ...

    async def close(self) -> None:
        """Close all links."""
        ...


class Single:
    """One server has all keys; which one may change behind its link (sentinels)."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def find(self, key: str) -> Link:
        return self._link

    async def look_again(self, key: str, due_ms: int) -> Link:
        return self._link

    def follow(self, key: str, fault: Fault, asked: Link) -> Link:
        raise StoreRefused(
            "the store is a node of a cluster; write redis+cluster:// instead of redis://"
        )

    async def masters(self, due_ms: int) -> list[Link]:
        return [self._link]

    async def close(self) -> None:
        await self._link.close()
