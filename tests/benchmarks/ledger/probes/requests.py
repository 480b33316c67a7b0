"""What the ledger sends to a store for one pair, ready to be sent again with other ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proxy.ledger.redis.call import Argument
from proxy.ledger.redis.script import Script
from proxy.ledger.redis.store import Reply, Store
from proxy.ledger.redis.wire.connection import pack
from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.ledger import pair
from tests.benchmarks.ledger.homes import make_store, open_redis


class Asked(NamedTuple):
    """One script that was run, with its keys and arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]

    def command(self) -> tuple[str | int | bytes, ...]:
        """The command that runs it again, on a server that knows the script."""
        return ("EVALSHA", self.script.sha1, len(self.keys), *self.keys, *self.args)


class ListeningStore:
    """Passes everything on, and keeps the last that each script was asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.last: dict[str, Asked] = {}

    @property
    def possible_failovers(self) -> int:
        return self._store.possible_failovers

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        self.last[script.name.rpartition("/")[2]] = Asked(script, keys, tuple(args))
        return await self._store.run(script, keys, args)

    async def close(self) -> None:
        await self._store.close()


@dataclass(frozen=True, slots=True)
class Requests:
    """A pair's two commands. What is asked in them is another pair's after `of`."""

    reserve: Asked
    commit: Asked
    reservation_id: str
    key: str


class Command(NamedTuple):
    """A command as it goes over the wire, and the words in it that differ from pair to pair."""

    packed: bytes
    reservation_id: bytes
    key: bytes

    def of(self, reservation_id: str, key: str) -> bytes:
        """The same for another pair, whose words are as long."""
        packed = self.packed.replace(self.reservation_id, reservation_id.encode())
        return packed.replace(self.key, key.encode())


async def record(url: str) -> Requests:
    """Make a ledger in an empty store, and one pair in it."""
    listening = ListeningStore(make_store(url))
    async with open_redis(listening) as ledger:
        reservation_id = (await pair.reserve(ledger, 0)).reservation_id
        await pair.commit(ledger, reservation_id)
    return Requests(
        listening.last["reserve"], listening.last["commit"], reservation_id, pair.key_of(0)
    )


def command_of(requests: Requests, asked: Asked) -> Command:
    """One of the pair's commands, packed."""
    words = requests.reservation_id.encode(), requests.key.encode()
    return Command(pack(*asked.command()), *words)


def check(reply: object) -> None:
    """That a script did what it was asked.

    Raises:
        CannotMeasure
    """
    if not isinstance(reply, list) or reply[0] != b"OK":
        raise CannotMeasure(f"the store answered {reply!r}"[:200])
