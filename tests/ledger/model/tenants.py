"""What the model knows of a tenant beside its budgets: its status, and its remembered answers."""

from typing import NamedTuple

from proxy.domain.errors import IdempotencyMismatch
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import ReserveRequest, TenantStatus
from tests.ledger.model.budgets import Budgets
from tests.ledger.model.windows import About


class Key(NamedTuple):
    """What a caller names a call by."""

    tenant: str
    key: str


class Remembered(NamedTuple):
    """The first answer to a question, and until when it is kept at least."""

    payload_hash: str
    answer: str
    until_ms: int


class Tenants(Budgets):
    """Tenants that are not ACTIVE, and every answer by its key."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[str, TenantStatus] = {}
        self.remembered: dict[Key, Remembered] = {}

    def tenant_status(self, tenant: str | None) -> TenantStatus:
        """ACTIVE where nobody has said otherwise."""
        return self.statuses.get(tenant or "", TenantStatus.ACTIVE)

    def set_tenant_status(self, tenant: str, status: TenantStatus, actor: str) -> None:
        """Suspend, close or reopen."""
        self.statuses[tenant] = status
        self.post(Kind.SET_TENANT_STATUS, [], About(Scope(f"tenant:{tenant}"), actor=actor))

    def check_new(self, tenant: str | None) -> None:
        """The tenant may begin something."""
        rules.check_new(tenant or "", self.tenant_status(tenant))

    def check_lasting(self, request: ReserveRequest) -> None:
        """The tenant may keep or end this hold."""
        tenant = request.subject.tenant
        rules.check_lasting(tenant or "", self.tenant_status(tenant), request.on_expiry)

    def check_unasked(self, tenant: str | None, key: str) -> None:
        """No answer is remembered under this key."""
        if Key(tenant or "", key) in self.remembered:
            raise IdempotencyMismatch

    def forget(self, limit: int) -> None:
        """Let go of answers whose time is over, the oldest first."""
        over = [key for key, found in self.remembered.items() if found.until_ms < self.now_ms]
        for key in sorted(over, key=lambda key: self.remembered[key].until_ms)[:limit]:
            del self.remembered[key]
