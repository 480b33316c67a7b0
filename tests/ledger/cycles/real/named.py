"""A server that the environment names, and one tenant's visit to it.

Nobody here declares its budgets, so a visit reads what there is first, spends a few
microcents, and compares differences. It wants a tenant whom nobody else uses meanwhile.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec
import pytest

from proxy.cycles_wire.responses import write
from proxy.domain.clock import SystemClock
from proxy.domain.errors import LedgerUnavailable
from proxy.domain.reservation import OnExpiry
from proxy.domain.scope import derive
from proxy.domain.subject import Subject
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.cycles.asking import requests
from proxy.ledger.cycles.asking.answers import read_success
from proxy.ledger.cycles.asking.exchange import HttpAuthority
from proxy.ledger.cycles.ledger import CyclesLedger
from proxy.ledger.records import Balance, Event, Lease, ReserveRequest, Settlement
from tests.ledger.builders import USD, ask, commit, event

URL, API_KEY, TENANT = "CYCLES_URL", "CYCLES_API_KEY", "CYCLES_TENANT"
NEEDED: Final = (URL, API_KEY)
DEFAULT_TENANT = "acme"

ROOM = 1_000
"""What the budget has to have left: far more than a run of the tests spends."""


class NamedServer(NamedTuple):
    """Where it is, the key, and whose budget is spent; without a tenant the key's own."""

    url: str
    api_key: str
    tenant: str | None


class _Introspection(msgspec.Struct, frozen=True):
    tenant_id: str | None = None


class _Left(msgspec.Struct, frozen=True):
    remaining_ttl_ms: int


def missing_names(environment: Mapping[str, str]) -> Sequence[str]:
    """Which variables have to be set before a server is named."""
    return [name for name in NEEDED if not environment.get(name)]


def named_server(environment: Mapping[str, str]) -> NamedServer:
    """The server of these variables; the test is skipped where they name none."""
    missing = missing_names(environment)
    if missing:
        pytest.skip(f"no server is named: set {' and '.join(missing)} (and {TENANT}) to ask one")
    url = environment[URL].rstrip("/")
    return NamedServer(url, environment[API_KEY], environment.get(TENANT) or None)


@dataclass
class Visit:
    """A client of the server, and the one budget that it spends from."""

    authority: HttpAuthority
    ledger: CyclesLedger
    tenant: str
    key: str = field(default_factory=lambda: uuid4().hex)
    """What each key of the visit begins with: the server may remember those of earlier ones."""

    @property
    def subject(self) -> Subject:
        return Subject(tenant=self.tenant)

    async def budget(self) -> Balance:
        """The tenant's own, as it stands there. Names of scopes may come back in lower case."""
        (scope,) = derive(self.subject)
        found = [
            balance
            for balance in await self.ledger.all_balances()
            if balance.scope.lower() == scope.lower() and balance.unit is USD
        ]
        assert found, f"{scope} has no budget in {USD} there: give it one to run these tests"
        return found[0]

    @asynccontextmanager
    async def moving(self, *, reserved: int = 0, spent: int = 0) -> AsyncIterator[Balance]:
        """What the block moves in the budget, all of which is taken from what remains."""
        before = await self.budget()
        yield before
        after = await self.budget()
        assert after.reserved - before.reserved == reserved
        assert after.spent - before.spent == spent
        assert before.remaining - after.remaining == reserved + spent

    def ask(self, amount: int, *, key: str = "hold", **more: Any) -> ReserveRequest:
        """A request for all of it, as a client of the protocol makes it."""
        return ask(
            amount,
            key=f"{self.key}/{key}",
            subject=self.subject,
            on_expiry=OnExpiry.RELEASE,
            **more,
        )

    def event(self, amount: int) -> Event:
        return event(amount, key=f"{self.key}/event", subject=self.subject)

    async def hold(self, amount: int, **more: Any) -> str:
        """The id of a new hold."""
        return (await self.ledger.reserve(self.ask(amount, **more))).reservation_id

    async def commit(self, reservation_id: str, actual: int, *, key: str = "settle") -> Settlement:
        return await commit(self.ledger, reservation_id, actual, key=f"{self.key}/{key}")

    async def release(self, reservation_id: str, *, key: str) -> Settlement:
        return await self.ledger.release(reservation_id, key=f"{self.key}/{key}")

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        return await self.ledger.extend(reservation_id, by_ms=by_ms, key=f"{self.key}/{key}")

    async def until_over(self, ttl_ms: int) -> None:
        """Until a lease that begins now is over by the server's clock, which replays tell.

        One of a millisecond more, so that every lease of `ttl_ms` from before has ended.
        """
        request = self.ask(0, key="witness", ttl_ms=ttl_ms + 1)
        body = write(requests.reserve(request, USD, 0, key=request.key))
        while True:
            answer = await self.authority.ask(
                "POST", "/v1/reservations", body=body, key=request.key
            )
            if read_success(answer, _Left).remaining_ttl_ms == 0:
                return


@asynccontextmanager
async def visiting(server: NamedServer) -> AsyncIterator[Visit]:
    """A client of the server, whose tenant has enough to spend."""
    clock = SystemClock()
    authority = HttpAuthority(server.url, server.api_key, monotonic_ns=clock.monotonic_ns)
    tenant = server.tenant or await _tenant_of_key(authority)
    ledger = CyclesLedger(
        authority,
        new_id=lambda: uuid4().hex,
        now_ms=lambda: clock.monotonic_ns() // 1_000_000,
        background=TaskSet(),
        tenant=tenant,
    )
    visit = Visit(authority, ledger, tenant)
    try:
        remaining = (await visit.budget()).remaining
        assert remaining >= ROOM, (
            f"tenant:{tenant} has {remaining} left there, and {ROOM} is needed"
        )
        yield visit
    finally:
        await ledger.close()


async def _tenant_of_key(authority: HttpAuthority) -> str:
    """What the server says of the key. Not every one serves the question on this port."""
    answer = await authority.ask("GET", "/v1/auth/introspect")
    try:
        return read_success(answer, _Introspection).tenant_id or DEFAULT_TENANT
    except LedgerUnavailable:
        return DEFAULT_TENANT
