"""What may be asked for a tenant that is suspended or closed.

Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS", closed owning tenant. A suspended tenant
begins nothing, and ends what it has begun.
"""

from proxy.domain.errors import Reason, Refused
from proxy.domain.reservation import OnExpiry
from proxy.ledger.records import TenantStatus


def check_new(tenant: str, status: TenantStatus) -> None:
    """A new hold, more of one, or an event that is not spent yet.

    Raises:
        Refused: TENANT_SUSPENDED, TENANT_CLOSED.
    """
    if status is TenantStatus.SUSPENDED:
        raise Refused(Reason.TENANT_SUSPENDED, f"The tenant {tenant} is suspended. Do not retry.")
    if status is TenantStatus.CLOSED:
        raise _closed(tenant)


def check_lasting(tenant: str, status: TenantStatus, on_expiry: OnExpiry) -> None:
    """A longer lease for a hold that is there, or its end.

    A hold of the proxy's own stands for a call that may be billed: that is always settled.

    Raises:
        Refused: TENANT_CLOSED.
    """
    if status is TenantStatus.CLOSED and on_expiry is OnExpiry.RELEASE:
        raise _closed(tenant)


def _closed(tenant: str) -> Refused:
    return Refused(Reason.TENANT_CLOSED, f"The tenant {tenant} is closed. Do not retry.")
