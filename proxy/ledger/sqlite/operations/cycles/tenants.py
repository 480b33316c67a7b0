"""Tenants that are suspended or closed.

The guard of an operation stands after its replay and before all else. It costs a look for
any stopped tenant in a transaction, and a look for one's own only where there is any.

Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS", closed owning tenant.
"""

from typing import Final

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.reservation import OnExpiry
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import TenantStatus
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

_SELECT: Final = "SELECT status FROM tenants WHERE tenant = ?"
_STOP: Final = (
    "INSERT INTO tenants VALUES (?, ?) ON CONFLICT DO UPDATE SET status = excluded.status"
)
_LET_GO_ON: Final = "DELETE FROM tenants WHERE tenant = ?"


def check_new(transaction: Transaction, tenant: str) -> None:
    """This tenant may begin something.

    Raises:
        Refused: it is suspended or closed. LedgerUnavailable: its row is no status.
    """
    if transaction.seldom.has_stopped_tenants:
        rules.check_new(tenant, status(transaction, tenant))


def check_lasting(transaction: Transaction, hold: Hold) -> None:
    """The tenant of this hold may keep it or end it.

    Raises:
        Refused: it is closed. LedgerUnavailable: its row is no status.
    """
    if hold.on_expiry is OnExpiry.RELEASE and transaction.seldom.has_stopped_tenants:
        tenant = hold.about.tenant
        rules.check_lasting(tenant, status(transaction, tenant), hold.on_expiry)


def status(transaction: Transaction, tenant: str) -> TenantStatus:
    """As it is now.

    Raises:
        LedgerUnavailable: its row is no status.
    """
    row = transaction.read(_SELECT, (tenant,)).fetchone()
    if row is None:
        return TenantStatus.ACTIVE
    try:
        return TenantStatus(row[0])
    except ValueError as error:
        raise LedgerUnavailable(
            f"what the ledger holds as the status of the tenant {tenant} is none: set it again"
        ) from error


def set_status(transaction: Transaction, tenant: str, status: TenantStatus, *, actor: str) -> None:
    """Stop a tenant, or let it go on: then it has no row."""
    if status is TenantStatus.ACTIVE:
        transaction.execute(_LET_GO_ON, (tenant,))
    else:
        transaction.execute(_STOP, (tenant, status.value))
    transaction.seldom.look_again()
    about = about_budgets(Scope(f"tenant:{tenant}"))
    transaction.post(Kind.SET_TENANT_STATUS, about=about, actor=actor)
