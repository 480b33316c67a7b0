"""A whole proxy on sockets of its own, with a simulated upstream behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from pricing.tokens import Tokenizers
from proxy.config.load import parse
from proxy.config.model import Config
from proxy.config.sections.ledger import is_store, sqlite_file
from proxy.domain.clock import Clock, SystemClock
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.journal import Entry
from proxy.ledger.records import Balance, BudgetName, Reservation
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import Field
from proxy.opening import Home, open_beside
from proxy.serving import Server
from simulator.server import Simulator
from tests.e2e.wire import PATIENCE_S

TENANT = Scope("tenant:dev")
USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS
BUDGET = BudgetName(TENANT, USD, Period.LIFETIME)
"""The tenant's own, unless a test says otherwise."""
EVERYTHING = 10**6


def held(row: Reservation, unit: Unit = USD) -> int:
    """What a hold took."""
    return row.amounts[unit]


def charged(row: Reservation, unit: Unit = USD) -> int:
    """What was charged for it; 0 while it is open."""
    return row.charged[unit] if row.charged is not None else 0


def paid(row: Reservation, unit: Unit = USD) -> int:
    """charged + uncovered."""
    return charged(row, unit) + row.uncovered.get(unit, 0)


@dataclass
class ListLog:
    """Keeps every line."""

    lines: list[dict[str, Field]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def line(self, event: str, **fields: Field) -> None:
        self.lines.append({"event": event, **fields})
        self._changed.set()

    def events(self, name: str) -> list[dict[str, Field]]:
        return [line for line in self.lines if line["event"] == name]

    async def until(self, name: str, count: int = 1) -> list[dict[str, Field]]:
        """The lines of an event, once there are so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.events(name)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.events(name)


@dataclass
class Stack:
    """What a test touches: the proxy's address, the witness, the books and the log."""

    base_url: str
    admin_url: str
    simulator: Simulator
    server: Server
    books: Home
    log: ListLog

    async def balance(self, scope: Scope = TENANT) -> Balance:
        """The budget of a scope, as it stands in the ledger."""
        return next(b for b in await self.books.all_balances() if b.scope == scope)

    async def rows(self) -> tuple[Reservation, ...]:
        """Every hold there ever was, the oldest first."""
        found = await self.books.reservations(states=frozenset(State), limit=EVERYTHING)
        return tuple(reversed(found))

    async def row(self) -> Reservation:
        """The only hold there ever was."""
        (row,) = await self.rows()
        return row

    async def journal(self, tenant: str = "dev") -> tuple[Entry, ...]:
        """Every entry of a tenant."""
        return await self.books.journal(tenant, after_seq=0, limit=EVERYTHING)

    async def charged_and_uncovered(self) -> tuple[int, int]:
        """What the ledger says the calls cost."""
        audit = await self.books.verify()
        assert audit.differences == ()
        return audit.charged, audit.uncovered


@cache
def loaded_tokenizers() -> Tokenizers:
    """Tokenizers that count exactly from the first call on, loaded once for all stacks."""
    tokenizers = Tokenizers()
    tokenizers.load()
    return tokenizers


def config_text(folder: Path, upstream: str, changes: Mapping[str, object]) -> str:
    """A configuration for tests: one tenant with $100, listeners on free ports."""
    config: dict[str, object] = {
        "listen": dict.fromkeys(("proxy", "authority", "admin"), "127.0.0.1:0"),
        "ledger": {
            "url": f"sqlite:///{folder / 'ledger.db'}",
            "journal_dir": str(folder / "outbox"),
        },
        "upstreams": [{"name": "simulated", "base_url": upstream, "api_key": "none"}],
        "identity": {"default": {"tenant": "dev"}},
        "budgets": [{"scope": "tenant:dev", "allocated": "$100.00", "period": "none"}],
    }
    return yaml.safe_dump(config | dict(changes))


async def _open_books(config: Config, clock: Clock) -> Home:
    """The ledger as commands open it; that of a file by the clock of the test."""
    url = config.ledger.url
    if is_store(url):
        return await open_beside(url)
    return SqliteLedger.open(sqlite_file(url), clock=clock, new_id=str, serves=False)


@asynccontextmanager
async def running(
    folder: Path, simulator: Simulator, clock: Clock | None = None, /, **changes: object
) -> AsyncIterator[Stack]:
    """A proxy before the simulator, until the block ends. `changes` replace sections."""
    text = config_text(folder, simulator.base_url, changes)
    config = parse(text, file="test", env={})
    log = ListLog()
    clock = clock or SystemClock()
    server = Server(config, clock, log, tokenizers=loaded_tokenizers())
    await server.start()
    books = await _open_books(config, clock)
    try:
        yield Stack(
            base_url=f"http://{server.addresses['proxy']}/v1",
            admin_url=f"http://{server.addresses['admin']}",
            simulator=simulator,
            server=server,
            books=books,
            log=log,
        )
    finally:
        await books.close()
        await server.stop()
