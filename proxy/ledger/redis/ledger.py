"""The shared home: every promise of the protocol, kept by one store for many proxies."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, derive, tenant_of
from proxy.ledger import rules
from proxy.ledger.audit import Audit
from proxy.ledger.journal import Entry
from proxy.ledger.records import (
    Applied,
    Balance,
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Declared,
    Event,
    Forecast,
    FundOperation,
    Grant,
    Lease,
    Reservation,
    ReservationQuery,
    ReserveRequest,
    Settlement,
    Swept,
    TenantStatus,
)
from proxy.ledger.redis import answers, requests
from proxy.ledger.redis.asking import Asker, assemble_all
from proxy.ledger.redis.layout import line_record, scopes_of
from proxy.ledger.redis.process import Process
from proxy.ledger.redis.reading import budgets, finding, journal, rows
from proxy.ledger.redis.store import Store
from proxy.ledger.redis.tenants import Configuration
from proxy.ledger.redis.upkeep import pruning, sealing, sweeping
from proxy.ledger.redis.upkeep.sweeping import UncertainRule
from proxy.ledger.redis.upkeep.verify import verify
from proxy.ledger.seal import Seal


class RedisLedger:
    """A Ledger, its Housekeeping and its Books; `proxy/ledger/protocol.py` says what each does.

    Operations that nobody awaits in between are applied in no promised order. `now_ms` never
    steps back; it counts the `replay_ms` for which settlements are asked again after a
    failover, and nothing else.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
        settle_uncertain: Literal["commit", "hold"] = "commit",
        uncertain_after_ms: int = 900_000,
        replay_ms: int = 10_000,
    ) -> None:
        self._asker = asker
        self._new_id = new_id
        self._uncertain_rule = UncertainRule(settle_uncertain, uncertain_after_ms)
        self._process = Process(asker, now_ms=now_ms, replay_ms=replay_ms)
        self._tenants = self._process.tenants

    @classmethod
    def open(
        cls,
        store: Store,
        *,
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
        settle_uncertain: Literal["commit", "hold"] = "commit",
        uncertain_after_ms: int = 900_000,
        replay_ms: int = 10_000,
        on_leap: Callable[[int], None] = lambda leap_ms: None,
    ) -> "RedisLedger":
        """The ledger in this store, which `fitness.check_fitness` has found fit.

        `on_leap`: told by how many milliseconds the store's clock is ahead of a tenant's last
        change, where that is more than an hour, and open holds have kept one more lease.
        """
        return cls(
            Asker(store, assemble_all(), on_leap=on_leap),
            new_id=new_id,
            now_ms=now_ms,
            settle_uncertain=settle_uncertain,
            uncertain_after_ms=uncertain_after_ms,
            replay_ms=replay_ms,
        )

    async def close(self) -> None:
        """Let what was asked finish, and ask no more."""
        await self._asker.close()

    # Ledger

    async def reserve(self, request: ReserveRequest) -> Grant:
        units = rules.check_request(request)
        scopes = _scopes(request)
        tenant = request.subject.tenant or ""
        asked = requests.reserve(request, self._new_id(), units)
        asking = self._process.ask("reserve", tenant, asked, what=scopes[-1])
        body = await self._process.paced(asking)
        self._process.granted(tenant, asked, body)
        return answers.grant(body, scopes_of(body["scope"]))

    async def decide(self, request: ReserveRequest) -> Forecast:
        units = rules.check_request(request)
        scopes = _scopes(request)
        asked = requests.reserve(request, "", units)
        tenant = request.subject.tenant or ""
        asking = self._process.ask("decide", tenant, asked, what=scopes[-1])
        return answers.forecast(await self._process.paced(asking), scopes)

    async def dispatch(self, reservation_id: str) -> None:
        await self._process.ask_about(reservation_id, "dispatch", reservation_id)

    async def grow(self, reservation_id: str, *, by: Mapping[Unit, int], key: str) -> Grant:
        asked = {
            "id": reservation_id,
            "by": requests.amounts(by),
            "key": key,
            "payload": requests.payload(by),
        }
        body = await self._process.paced(self._process.ask_about(reservation_id, "grow", asked))
        return answers.grant(body, scopes_of(body["scope"]))

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        rules.check_extension(by_ms)
        asked = {"id": reservation_id, "by_ms": by_ms, "key": key, "payload": str(by_ms)}
        body = await self._process.ask_about(reservation_id, "extend", asked)
        return Lease(body["expires_ms"], body["left_ms"])

    async def commit(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        estimated: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Settlement:
        asked = {
            "id": reservation_id,
            "actual": requests.amounts(actual),
            "key": key,
            "payload": payload_hash,
            "estimated": estimated,
            **({"metadata": answers.written_metadata(metadata)} if metadata else {}),
        }
        return await self._end(reservation_id, "commit", asked)

    async def release(self, reservation_id: str, *, key: str, actor: str = "") -> Settlement:
        asked = {"id": reservation_id, "key": key, "payload": "", "actor": actor}
        return await self._end(reservation_id, "release", asked)

    async def _end(self, reservation_id: str, name: str, asked: object) -> Settlement:
        body = await self._process.ask_about(reservation_id, name, asked)
        self._process.settled(body)
        return answers.settlement(body)

    async def charge_late(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        estimated: bool = False,
    ) -> Settlement:
        asked = {
            "id": reservation_id,
            "actual": requests.amounts(actual),
            "key": key,
            "payload": payload_hash,
            "estimated": estimated,
        }
        return answers.settlement(
            await self._process.ask_about(reservation_id, "charge_late", asked)
        )

    async def apply(self, event: Event) -> Applied:
        tenant = event.subject.tenant or ""
        asked = {
            **requests.beginning(event, self._new_id(), tuple(event.actual)),
            "actual": requests.amounts(event.actual),
            "is_spent": event.is_spent,
            "estimated": event.estimated,
        }
        body = await self._process.ask("apply", tenant, asked, what=asked["scope"])
        self._tenants.keep(body["id"], tenant)
        return Applied(body["id"], answers.settlement(body))

    async def mark_uncertain(self, reservation_id: str) -> None:
        await self._process.ask_about(reservation_id, "mark_uncertain", reservation_id)

    async def recall(self, tenant: str, key: str, payload_hash: str) -> str | None:
        asked = {"key": key, "payload": payload_hash}
        text = (await self._process.look("recall", tenant, asked, what=tenant))["text"]
        return None if text is False else str(text)

    async def remember(
        self, tenant: str, key: str, payload_hash: str, answer: str, *, keep_ms: int
    ) -> str:
        asked = {"key": key, "payload": payload_hash, "text": answer, "keep_ms": keep_ms}
        text: str = (await self._process.ask("remember", tenant, asked, what=tenant))["text"]
        return text

    async def balances(self, scopes: Sequence[Scope], *units: Unit) -> tuple[Balance, ...]:
        found: list[Balance] = []
        for tenant, group in groupby(scopes, tenant_of):
            asked = {"scopes": list(group), "units": [unit.value for unit in units]}
            found += answers.balances(await self._process.ask("balances", tenant, asked, what=""))
        return tuple(found)

    # Housekeeping

    async def declare(
        self, lines: Sequence[BudgetLine], *, templates_max: int, version: int = 1
    ) -> Declared:
        rules.lines_by_name(lines)
        return await self._tenants.declare(Configuration(tuple(lines), templates_max, version))

    async def recover(self) -> Swept:
        """Nothing: other processes hold in the same books, and what a killed one held ends
        with its leases."""
        return Swept()

    async def expire(self, *, limit: int) -> Swept:
        tenants = await self._process.every_tenant()
        swept = await sweeping.expire(self._asker, tenants, self._uncertain_rule, limit=limit)
        self._process.swept(swept.expired + swept.released + swept.committed)
        return swept

    async def seal(self, *, before_ms: int, limit: int) -> int:
        tenants = await self._tenants.every()
        return await sealing.seal(self._asker, tenants, before_ms=before_ms, limit=limit)

    async def prune(self, *, before_ms: int, limit: int) -> int:
        tenants = await self._tenants.every()
        return await pruning.prune(self._asker, tenants, before_ms=before_ms, limit=limit)

    # Books

    async def all_balances(self, tenant: str | None = None) -> tuple[Balance, ...]:
        tenants = await self._tenants.every() if tenant is None else [tenant]
        return await budgets.all_balances(self._asker, tenants)

    async def fund(
        self,
        name: BudgetName,
        operation: FundOperation,
        amount: int,
        *,
        actor: str,
        spent: int = 0,
        key: str | None = None,
    ) -> Balance:
        rules.check_amount(amount)
        rules.check_amount(spent)
        tenant = tenant_of(name.scope)
        asked: dict[str, Any] = {
            "scope": name.scope,
            "unit": name.unit.value,
            "period": str(name.period),
            "operation": operation.value,
            "amount": str(amount),
            "spent": str(spent),
            "actor": actor,
            # A key of its own where nobody gave one: a reply that is lost funds nothing twice.
            "key": f"given {key}" if key is not None else f"made {self._new_id()}",
            "payload": f"{operation} {amount} {spent}",
        }
        purse = rules.purse_line(name)
        if purse is not None:
            asked["line"] = line_record(purse)
        what = f"{name.scope} in {name.unit} for the period {name.period}"
        (balance,) = answers.balances(await self._process.ask("fund", tenant, asked, what=what))
        return balance

    async def set_status(
        self, scope: Scope, unit: Unit | None, status: BudgetStatus, *, actor: str
    ) -> tuple[Balance, ...]:
        tenant = tenant_of(scope)
        units = tuple(Unit) if unit is None else (unit,)
        asked = {
            "scope": scope,
            "units": [each.value for each in units],
            "status": status.value,
            "actor": actor,
            "key": self._new_id(),
        }
        return answers.balances(await self._process.ask("set_status", tenant, asked, what=scope))

    async def reservation(self, reservation_id: str) -> Reservation:
        tenant = await self._tenants.of_hold(reservation_id)
        return await rows.reservation(self._asker, tenant, reservation_id)

    async def reservations(
        self, *, states: frozenset[State], limit: int, scope: Scope | None = None
    ) -> tuple[Reservation, ...]:
        tenants = await self._tenants.every() if scope is None else [tenant_of(scope)]
        return await rows.reservations(
            self._asker, tenants, states=states, limit=limit, scope=scope
        )

    async def find(self, query: ReservationQuery) -> tuple[Reservation, ...]:
        return await finding.find(self._asker, query)

    async def tenant_status(self, tenant: str) -> TenantStatus:
        body = await self._process.look("tenant_status", tenant, {})
        return answers.tenant_status(tenant, body["status"])

    async def set_tenant_status(self, tenant: str, status: TenantStatus, *, actor: str) -> None:
        asked = {
            "scope": f"tenant:{tenant}",
            "status": status.value,
            "actor": actor,
            "key": self._new_id(),
        }
        await self._process.ask("set_tenant_status", tenant, asked, what=tenant)

    async def count_uncertain(self) -> int:
        found = 0
        for tenant in await self._tenants.every():
            found += (await self._asker.ask("count_uncertain", tenant, {}))["count"]
        return found

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        return await journal.entries(self._asker, tenant, after_seq=after_seq, limit=limit)

    async def tenants(self) -> tuple[str, ...]:
        return await journal.with_journals(self._asker, await self._tenants.every())

    async def seals(self, tenant: str) -> tuple[Seal, ...]:
        sealed = await sealing.read(self._asker, tenant)
        return tuple(await sealing.seals_and_windows(self._asker, tenant, sealed))

    async def verify(self) -> Audit:
        return await verify(self._asker, await self._tenants.every())


def _scopes(request: ReserveRequest) -> tuple[Scope, ...]:
    scopes = derive(request.subject)
    if not scopes:
        raise answers.no_budget("a subject without a tenant or a level below it")
    return scopes
