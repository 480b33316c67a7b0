"""What a home of the ledger brings to be tested: how to open it, and how to hurt it.

Every test of the contract runs once for each home in BACKENDS. Where homes may differ, the
entry there says how this one is, in one place, instead of skipping test by test.
"""

import asyncio
import atexit
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Literal, Protocol, cast

from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.ledger.protocol import Books, Housekeeping, Ledger
from proxy.ledger.redis.asking import Asker, assemble_all
from proxy.ledger.redis.call import Argument
from proxy.ledger.redis.ledger import RedisLedger
from proxy.ledger.redis.script import Script, read_package_file
from proxy.ledger.redis.store import RedisStore, Reply, Store
from proxy.ledger.redis.wire.address import parse
from proxy.ledger.redis.wire.timing import LoopTimers
from proxy.ledger.sqlite.file.connection import Connect, Durability, connect
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.ledger.model.home import ModelHome
from tests.servers.binaries import require
from tests.servers.cluster import running_cluster
from tests.servers.process import Server, running

NOON_MS = 1_795_262_400_000
"""2026-11-21T12:00:00Z: no window starts or ends near it."""

SECOND_MS = 1_000

PATIENCE_MS = 60_000
"""How long a server may take to answer on a busy machine. No test waits for it to pass."""

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Home(Ledger, Housekeeping, Books, Protocol):
    """A home does all three."""


@dataclass
class ManualClock:
    """Time that only a test moves."""

    at_ms: int = NOON_MS
    monotonic_at_ns: int = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ns(self) -> int:
        return self.monotonic_at_ns


class Harness(Protocol):
    """One open home."""

    @property
    def ledger(self) -> Home:
        """The home as it is open now."""
        ...

    @property
    def leaps_ms(self) -> list[int]:
        """What the home has told of leaps of its clock."""
        ...

    def advance_ms(self, by_ms: int) -> None:
        """Move the clock that the home reads, wherever it has its time from.

        It stands at NOON_MS when the home is opened, and moves in no other way.
        """
        ...

    async def restart(self) -> None:
        """End the process in order and start another."""
        ...

    async def crash(self) -> None:
        """End the process as `kill -9` does and start another."""
        ...


Open = Callable[[], AbstractAsyncContextManager[Harness]]


@dataclass(frozen=True)
class Backend:
    """One home to test.

    `is_shared`: other processes hold in the same ledger, so `recover` ends nobody's holds
    and what a killed process held ends with its leases.
    `tidies`: it seals its journal and lets old rows and entries go.
    """

    open: Open
    is_shared: bool = False
    tidies: bool = False


@dataclass
class SqliteHarness:
    """The SQLite home on a file of its own."""

    directory: Path
    clock: ManualClock = field(default_factory=ManualClock)
    settle_uncertain: Literal["commit", "hold"] = "commit"
    connect: Connect = connect
    durability: Durability = "process"
    leaps_ms: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._generations = count(1)
        self.path = self._next_path()
        self._ledger = self.open()

    @property
    def ledger(self) -> SqliteLedger:
        return self._ledger

    def open(self, *, serves: bool = True) -> SqliteLedger:
        """Open the file, once more if it is open already."""
        return SqliteLedger.open(
            self.path,
            clock=self.clock,
            new_id=self.new_id,
            settle_uncertain=self.settle_uncertain,
            serves=serves,
            durability=self.durability,
            connect=self.connect,
            on_leap=self.leaps_ms.append,
        )

    def new_id(self) -> str:
        """Ids that are the same in every run."""
        return f"rsv_{next(self._numbers):032x}"

    def advance_ms(self, by_ms: int) -> None:
        self.clock.at_ms += by_ms
        self.clock.monotonic_at_ns += max(0, by_ms) * 1_000_000

    async def restart(self) -> None:
        await self._ledger.close()
        self._ledger = self.open()

    async def crash(self) -> None:
        """What a killed process leaves is what its files hold at that moment."""
        left = self.path
        self.path = self._next_path()
        copy_ledger(left, self.path)
        await self._ledger.close()
        self._ledger = self.open()

    async def close(self) -> None:
        """Let go of the file."""
        await self._ledger.close()

    def _next_path(self) -> Path:
        return self.directory / f"ledger-{next(self._generations)}.db"


def copy_ledger(source: Path, target: Path) -> None:
    """The file and its log. The index of the log is rebuilt from it, as after a crash."""
    shutil.copyfile(source, target)
    log = source.with_name(f"{source.name}-wal")
    if log.exists():
        shutil.copyfile(log, target.with_name(f"{target.name}-wal"))


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is gone afterwards, in memory where there is such a place.

    A process that dies loses nothing there either, and no test waits for a disk.
    """
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield Path(directory)


@asynccontextmanager
async def open_sqlite(durability: Durability = "process") -> AsyncIterator[Harness]:
    """A fresh SQLite home."""
    with scratch() as directory:
        harness = SqliteHarness(directory, durability=durability)
        try:
            yield harness
        finally:
            await harness.close()


@dataclass
class ModelHarness:
    """The model, judged by the tests of the contract like any home."""

    clock: ManualClock = field(default_factory=ManualClock)
    leaps_ms: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = ModelHome(self.clock, on_leap=self.leaps_ms.append)

    def advance_ms(self, by_ms: int) -> None:
        self.clock.at_ms += by_ms

    async def restart(self) -> None:
        """It has no process to end."""

    async def crash(self) -> None:
        """It has no process to end."""


@asynccontextmanager
async def open_model() -> AsyncIterator[Harness]:
    """A fresh model."""
    yield ModelHarness()


class OneAfterTheOther:
    """A home that is asked one question at a time, in the order in which they come.

    A store promises no order to those who ask at once; the model has one.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._turn = asyncio.Lock()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        ask: Callable[..., Awaitable[object]] = getattr(self._home, name)

        async def ask_in_turn(*args: object, **kwargs: object) -> object:
            async with self._turn:
                return await ask(*args, **kwargs)

        return ask_in_turn


@dataclass
class StoreAtItsTime:
    """A store whose scripts are told the time by a test, as their last argument."""

    store: Store
    clock: ManualClock

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        return await self.store.run(script, keys, [*args, self.clock.now_ms()])

    @property
    def possible_failovers(self) -> int:
        return self.store.possible_failovers

    async def close(self) -> None:
        await self.store.close()


def read_with_told_time(path: str) -> str:
    """The files of the scripts; the one that asks for the time reads the last argument."""
    if path == "lib/clock.lua":
        return "local clock = {}\nfunction clock.wall_ms() return tonumber(ARGV[#ARGV]) end\n"
    return read_package_file(path)


@cache
def _told_scripts() -> Mapping[str, Script]:
    return assemble_all(read_with_told_time)


@dataclass
class RedisHarness:
    """The shared home in a store that is empty at first."""

    url: str
    clock: ManualClock = field(default_factory=ManualClock)
    settle_uncertain: Literal["commit", "hold"] = "commit"
    leaps_ms: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._ledger = self.open()
        self.ledger = self._in_turn()

    def _in_turn(self) -> Home:
        return cast(Home, OneAfterTheOther(self._ledger))

    def open(self) -> RedisLedger:
        """Another process on the same store."""
        store = RedisStore(
            parse(self.url), deadline_ms=PATIENCE_MS, timers=LoopTimers(), random=Random(1)
        )
        asker = Asker(
            StoreAtItsTime(store, self.clock), _told_scripts(), on_leap=self.leaps_ms.append
        )
        return RedisLedger(
            asker,
            new_id=self.new_id,
            now_ms=self.clock.now_ms,
            settle_uncertain=self.settle_uncertain,
        )

    def new_id(self) -> str:
        """Ids that are the same in every run."""
        return f"rsv_{next(self._numbers):032x}"

    def advance_ms(self, by_ms: int) -> None:
        self.clock.at_ms += by_ms

    async def restart(self) -> None:
        await self._ledger.close()
        self._ledger = self.open()
        self.ledger = self._in_turn()

    async def crash(self) -> None:
        """The store outlives the process; only what that knew by heart is gone.

        The next one has heard of the tenant before it is asked anything.
        """
        await self.restart()
        await self._ledger.balances([Scope("tenant:dev")], Unit.USD_MICROCENTS)

    async def close(self) -> None:
        """Let go of the store."""
        await self._ledger.close()


@cache
def _session() -> ExitStack:
    """What ends with the session."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack


@cache
def _running_servers(name: str) -> tuple[str, tuple[Server, ...]]:
    """One server, or the masters of a cluster, for the whole session; and where they are."""
    if name.endswith("-cluster"):
        cluster = _session().enter_context(running_cluster(require(name.removesuffix("-cluster"))))
        return cluster.url, tuple(cluster.masters)
    server = _session().enter_context(running(require(name)))
    return server.unix_url, (server,)


@asynccontextmanager
async def open_redis(name: str) -> AsyncIterator[Harness]:
    """A fresh shared home in servers of this kind."""
    url, servers = _running_servers(name)
    for server in servers:
        server.command("FLUSHALL")
    harness = RedisHarness(url)
    try:
        yield harness
    finally:
        await harness.close()


BACKENDS: dict[str, Backend] = {
    "model": Backend(open_model),
    "sqlite": Backend(open_sqlite, tidies=True),
    "sqlite-power": Backend(partial(open_sqlite, "power"), tidies=True),
    "valkey": Backend(partial(open_redis, "valkey"), is_shared=True, tidies=True),
    "valkey-cluster": Backend(partial(open_redis, "valkey-cluster"), is_shared=True, tidies=True),
    "redis": Backend(partial(open_redis, "redis"), is_shared=True, tidies=True),
    "redis-6.2": Backend(partial(open_redis, "redis-6.2"), is_shared=True, tidies=True),
}

HOMES = [name for name in BACKENDS if name != "model"]
"""What the model is compared with."""
