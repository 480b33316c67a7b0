"""Books and housekeeping of an authority elsewhere: read as far as it shows them, kept by it."""

from collections.abc import Sequence
from typing import NoReturn

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, tenant_of
from proxy.ledger.audit import Audit
from proxy.ledger.cycles.looking import Looker
from proxy.ledger.journal import Entry
from proxy.ledger.records import (
    Balance,
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Declared,
    FundOperation,
    Reservation,
    ReservationQuery,
    Swept,
    TenantStatus,
)
from proxy.ledger.seal import Seal


class NotHere(LedgerUnavailable):
    """Only the authority itself can do or say this."""


def not_here(what: str) -> NoReturn:
    """Say who can do it."""
    raise NotHere(f"no ledger of ours: to {what}, ask the budget authority at ledger.url")


class RemoteBooks:
    """The parts of Housekeeping and Books that ask nobody, and those that only look."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker

    async def recall(self, tenant: str, key: str, payload_hash: str) -> str | None:
        not_here("remember answers")

    async def remember(
        self, tenant: str, key: str, payload_hash: str, answer: str, *, keep_ms: int
    ) -> str:
        not_here("remember answers")

    # Housekeeping: the authority keeps its own house.

    async def declare(
        self, lines: Sequence[BudgetLine], *, templates_max: int, version: int = 1
    ) -> Declared:
        """Budgets are made at the authority: only an empty declaration can be followed."""
        if lines:
            not_here("declare budgets")
        return Declared(version=version, is_ignored=False)

    async def recover(self) -> Swept:
        return Swept()

    async def expire(self, *, limit: int) -> Swept:
        """Whether the authority can be reached; leases end there by themselves.

        Raises:
            LedgerUnavailable.
        """
        await self._looker.check_reachable()
        return Swept()

    async def seal(self, *, before_ms: int, limit: int) -> int:
        return 0

    async def prune(self, *, before_ms: int, limit: int) -> int:
        return 0

    # Books

    async def all_balances(self, tenant: str | None = None) -> tuple[Balance, ...]:
        found = await self._looker.all_balances()
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
        not_here("fund a budget")

    async def set_status(
        self, scope: Scope, unit: Unit | None, status: BudgetStatus, *, actor: str
    ) -> tuple[Balance, ...]:
        not_here("freeze or close a budget")

    async def reservation(self, reservation_id: str) -> Reservation:
        return await self._looker.reservation(reservation_id)

    async def reservations(
        self, *, states: frozenset[State], limit: int, scope: Scope | None = None
    ) -> tuple[Reservation, ...]:
        return await self._looker.reservations(states, limit=limit, scope=scope)

    async def find(self, query: ReservationQuery) -> tuple[Reservation, ...]:
        not_here("find reservations by a query")

    async def tenant_status(self, tenant: str) -> TenantStatus:
        """The authority says so itself, to whoever asks for a hold."""
        return TenantStatus.ACTIVE

    async def set_tenant_status(self, tenant: str, status: TenantStatus, *, actor: str) -> None:
        not_here("suspend or close a tenant")

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        not_here("read the journal")

    async def tenants(self) -> tuple[str, ...]:
        not_here("read the journal")

    async def seals(self, tenant: str) -> tuple[Seal, ...]:
        not_here("read the journal")

    async def verify(self) -> Audit:
        not_here("verify the books")
