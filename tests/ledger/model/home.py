"""The model as a home: what the contract's tests say in numbers holds of the oracle as well."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeVar

from proxy.domain.clock import Clock
from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope, derive, tenant_of
from proxy.ledger import rules
from proxy.ledger.audit import Audit, Difference, is_summed
from proxy.ledger.journal import Amounts, Entry, WindowName, replay
from proxy.ledger.pace import Pace
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
from proxy.ledger.seal import Seal
from tests.ledger.model.ledger import Model
from tests.ledger.model.listing import find
from tests.ledger.model.values import Hold, WindowId
from tests.ledger.model.windows import name_of

_T = TypeVar("_T")


class ModelHome:
    """Every operation of the three protocols, in memory. It seals nothing."""

    def __init__(self, clock: Clock, *, on_leap: Callable[[int], None]) -> None:
        self._on_leap = on_leap
        self.model = Model(clock.now_ms)
        self._ids = count(1)
        self._pace = Pace()

    def _do(self, operation: Callable[[], _T]) -> _T:
        leap_ms = self.model.tick()
        if leap_ms:
            self._on_leap(leap_ms)
        return self._paced(lambda: self.model.atomic(operation))

    def _paced(self, operation: Callable[[], _T]) -> _T:
        try:
            return operation()
        except BudgetRefused as refusal:
            if refusal.reason is Reason.BUDGET_BUSY:
                refusal.retry_after_ms = self._pace.retry_after_ms()
            raise

    def _end(self, reservation_id: str, operation: Callable[[], Settlement]) -> Settlement:
        hold = self.model.holds.get(reservation_id)
        settlement = self._do(operation)
        if hold is not None and hold.state in OPEN:
            self._pace.settled_after(self.model.now_ms - hold.created_at_ms)
        return settlement

    def _new_id(self) -> str:
        return f"rsv_{next(self._ids):032x}"

    # Ledger

    async def reserve(self, request: ReserveRequest) -> Grant:
        rules.check_request(request)
        return self._do(lambda: self.model.reserve(request, self._new_id()))

    async def decide(self, request: ReserveRequest) -> Forecast:
        rules.check_request(request)
        return self._paced(lambda: self.model.read(lambda: self.model.decide(request)))

    async def dispatch(self, reservation_id: str) -> None:
        self._do(lambda: self.model.dispatch(reservation_id))

    async def grow(self, reservation_id: str, *, by: Mapping[Unit, int], key: str) -> Grant:
        return self._do(lambda: self.model.grow(reservation_id, by, key))

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        rules.check_extension(by_ms)
        return self._do(lambda: self.model.extend(reservation_id, by_ms, key))

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
        return self._end(
            reservation_id,
            lambda: self.model.commit(
                reservation_id, actual, key, payload_hash, estimated=estimated, metadata=metadata
            ),
        )

    async def release(self, reservation_id: str, *, key: str, actor: str = "") -> Settlement:
        return self._end(reservation_id, lambda: self.model.release(reservation_id, key, actor))

    async def charge_late(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        estimated: bool = False,
    ) -> Settlement:
        return self._do(
            lambda: self.model.charge_late(
                reservation_id, actual, key, payload_hash, estimated=estimated
            )
        )

    async def apply(self, event: Event) -> Applied:
        for amount in event.actual.values():
            rules.check_amount(amount)
        return self._do(lambda: self.model.apply(event, self._new_id()))

    async def mark_uncertain(self, reservation_id: str) -> None:
        self._do(lambda: self.model.mark_uncertain(reservation_id))

    async def recall(self, tenant: str, key: str, payload_hash: str) -> str | None:
        return self.model.read(lambda: self.model.recall(tenant, key, payload_hash))

    async def remember(
        self, tenant: str, key: str, payload_hash: str, answer: str, *, keep_ms: int
    ) -> str:
        return self._do(lambda: self.model.remember(tenant, key, payload_hash, answer, keep_ms))

    async def balances(self, scopes: Sequence[Scope], *units: Unit) -> tuple[Balance, ...]:
        return tuple(self.model.read(lambda: self.model.balances(scopes, *units)))

    # Housekeeping

    async def declare(
        self, lines: Sequence[BudgetLine], *, templates_max: int, version: int = 1
    ) -> Declared:
        return self._do(lambda: self.model.declare(lines, templates_max, version))

    async def recover(self) -> Swept:
        return self._do(self.model.recover)

    async def expire(self, *, limit: int) -> Swept:
        return self._do(lambda: self.model.expire(limit))

    async def seal(self, *, before_ms: int, limit: int) -> int:
        return 0

    async def prune(self, *, before_ms: int, limit: int) -> int:
        return 0

    # Books

    async def all_balances(self, tenant: str | None = None) -> tuple[Balance, ...]:
        found = self.model.read(self.model.all_balances)
        return tuple([each for each in found if tenant in (None, tenant_of(each.scope))])

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
        return self._do(
            lambda: self.model.fund(name, operation, amount, actor=actor, spent=spent, key=key)
        )

    async def set_status(
        self, scope: Scope, unit: Unit | None, status: BudgetStatus, *, actor: str
    ) -> tuple[Balance, ...]:
        return tuple(self._do(lambda: self.model.set_status(scope, unit, status, actor)))

    async def reservation(self, reservation_id: str) -> Reservation:
        return row_of(self.model.find(reservation_id))

    async def reservations(
        self, *, states: frozenset[State], limit: int, scope: Scope | None = None
    ) -> tuple[Reservation, ...]:
        newest = (
            row_of(hold)
            for hold in reversed(self.model.holds.values())
            if hold.state in states and (scope is None or _is_below(hold.scope, scope))
        )
        return tuple(row for row, _ in zip(newest, range(limit), strict=False))

    async def count_uncertain(self) -> int:
        return sum(hold.state is State.UNCERTAIN for hold in self.model.holds.values())

    async def find(self, query: ReservationQuery) -> tuple[Reservation, ...]:
        rules.check_query(query)
        return find(map(row_of, self.model.holds.values()), query)

    async def tenant_status(self, tenant: str) -> TenantStatus:
        return self.model.tenant_status(tenant)

    async def set_tenant_status(self, tenant: str, status: TenantStatus, *, actor: str) -> None:
        self._do(lambda: self.model.set_tenant_status(tenant, status, actor))

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        return tuple(self.model.entries.get(tenant, [])[after_seq : after_seq + limit])

    async def tenants(self) -> tuple[str, ...]:
        return tuple(sorted(self.model.entries))

    async def seals(self, tenant: str) -> tuple[Seal, ...]:
        return ()

    async def verify(self) -> Audit:
        rows = [hold for hold in self.model.holds.values() if is_summed(hold.request.key)]
        usd = Unit.USD_MICROCENTS
        return Audit(
            reservations=len(self.model.holds),
            entries=sum(map(len, self.model.entries.values())),
            charged=sum((hold.charged or {}).get(usd, 0) for hold in rows),
            uncovered=sum(hold.uncovered.get(usd, 0) for hold in rows),
            uncertain=sum(
                hold.amounts.get(usd, 0) for hold in rows if hold.state is State.UNCERTAIN
            ),
            differences=tuple(_differences(self.model)),
        )


def row_of(hold: Hold) -> Reservation:
    """As operators see it."""
    request = hold.request
    return Reservation(
        reservation_id=hold.reservation_id,
        key=request.key,
        tenant=request.subject.tenant or "",
        state=hold.state,
        subject=request.subject,
        scope_path=hold.scope,
        affected_scopes=derive(request.subject),
        action_kind=request.action_kind,
        action_name=request.action_name,
        amounts=hold.amounts,
        charged=hold.charged,
        uncovered=hold.uncovered,
        estimated=hold.estimated,
        dispatched=hold.dispatched,
        on_expiry=request.on_expiry,
        created_at_ms=hold.created_at_ms,
        expires_at_ms=hold.expires_at_ms,
        finalized_at_ms=hold.finalized_at_ms,
        trace_id=request.trace_id,
        price_version=request.price_version,
        metadata=request.metadata,
        settled_metadata=hold.settled_metadata,
        is_event=hold.is_event,
    )


def _is_below(scope: Scope, root: Scope) -> bool:
    return scope == root or scope.startswith(f"{root}/")


def _differences(model: Model) -> Iterator[Difference]:
    """Balances against the rows, and against the journal."""
    reserved: Counter[WindowId] = Counter()
    uncovered: Counter[WindowId] = Counter()
    for hold in model.holds.values():
        for window in hold.windows:
            if not model.budgets[window.budget].is_retired:
                unit = model.unit(window)
                uncovered[window] += hold.uncovered[unit]
                reserved[window] += hold.amounts[unit] if hold.state in OPEN else 0
    standing: dict[WindowName, Amounts] = {}
    for entries in model.entries.values():
        for entry, windows in replay(entries):
            standing.update((posting.window, windows[posting.window]) for posting in entry.postings)
    for window, stored in model.windows.items():
        balance = stored.balance
        figures = [
            ("reserved, by the rows", balance.reserved, reserved[window]),
            ("uncovered, by the rows", balance.uncovered, uncovered[window]),
        ]
        if stored.buckets:
            figures.append(("spent, by the buckets", balance.spent, sum(stored.buckets.values())))
        if not model.budgets[window.budget].is_retired:
            remaining = standing[name_of(balance)].remaining
            figures.append(("remaining, by the journal", balance.remaining, remaining))
        for what, recorded, recomputed in figures:
            if recorded != recomputed:
                yield Difference(balance.scope, what, recorded, recomputed)
