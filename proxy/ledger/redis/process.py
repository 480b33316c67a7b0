"""One process of many on a store, and how it asks.

Whose books it knows, whose each hold is, and what it asks again when the store may have
forgotten it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from proxy.domain.errors import BudgetRefused, LedgerError, LedgerUnavailable, Reason, Refused
from proxy.ledger.pace import Pace
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.failover import Failover
from proxy.ledger.redis.tenants import Tenants


class Process:
    """`now_ms` never steps back; it counts the `replay_ms` of what was asked lately."""

    def __init__(self, asker: Asker, *, now_ms: Callable[[], int], replay_ms: int) -> None:
        self.asker = asker
        self.tenants = Tenants(asker)
        self._failover = Failover(
            asker,
            declare_again=self.tenants.declare_again,
            now_ms=now_ms,
            replay_ms=replay_ms,
        )
        self._pace = Pace()

    async def ask(
        self, name: str, tenant: str, request: object, *, what: str, hold: str = ""
    ) -> Any:
        """What a tenant's books answer; `hold` is empty where it is about none.

        Raises:
            LedgerUnavailable, and whatever a refusal means.
        """
        if self._failover.is_possible:
            await self._failover.make_up()
        if not self.tenants.has_met(tenant):
            await self.tenants.meet(tenant)
        try:
            body = await self.asker.ask(name, tenant, request, what=what)
        except (LedgerError, Refused) as refusal:
            if isinstance(refusal, LedgerUnavailable) or not self._failover.is_possible:
                raise
            # It may be about what the store has just forgotten.
            await self._failover.make_up()
            body = await self.asker.ask(name, tenant, request, what=what)
        self._failover.answered(name, tenant, hold, request, body)
        return body

    async def ask_about(self, reservation_id: str, name: str, request: object) -> Any:
        """What the books that a hold is in answer.

        Raises:
            As `ask`. ReservationNotFound.
        """
        tenant = self.tenants.known(reservation_id)
        if tenant is None:
            tenant = await self.tenants.of_hold(reservation_id)
        return await self.ask(name, tenant, request, what=reservation_id, hold=reservation_id)

    async def paced(self, asked: Awaitable[Any]) -> Any:
        """The answer; a refusal for now says when to ask again."""
        try:
            return await asked
        except BudgetRefused as refusal:
            if refusal.reason is Reason.BUDGET_BUSY:
                refusal.retry_after_ms = self._pace.retry_after_ms()
            raise

    async def look(self, name: str, tenant: str, request: object, *, what: str = "") -> Any:
        """What the books of a tenant say of themselves, if it has any; none are made.

        Raises:
            LedgerUnavailable, and whatever a refusal means.
        """
        body = await self.asker.ask(name, tenant, request, what=what)
        if self._failover.is_possible:
            await self._failover.make_up()
            body = await self.asker.ask(name, tenant, request, what=what)
        return body

    async def every_tenant(self) -> list[str]:
        """Whose books there are, sorted, with all that was made up for."""
        tenants = await self.tenants.every()
        if self._failover.is_possible:
            await self._failover.make_up()
            tenants = await self.tenants.every()
        return tenants

    # What becomes of holds

    def granted(self, tenant: str, request: dict[str, Any], body: Any) -> None:
        """One was made here."""
        self.tenants.keep(body["id"], tenant)
        self._failover.granted(tenant, request, body)

    def settled(self, body: Any) -> None:
        """One was settled; the answer says for how long it was open."""
        if "open_ms" in body:
            self._pace.settled_after(body["open_ms"])

    def swept(self, holds: Sequence[str]) -> None:
        """These were ended by expiry."""
        self._failover.ended(holds)
