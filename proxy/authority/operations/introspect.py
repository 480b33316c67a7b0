"""GET /v1/auth/introspect: what this key may do.

Source: cycles-governance-admin-v0.1.25.yaml, introspectAuth and its table of capabilities.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from proxy.authority.exchange import Call, Desk
from proxy.cycles_wire.responses import write
from proxy.domain.key import Permission

_ENDING: Final = frozenset(
    {
        Permission.RESERVATIONS_CREATE,
        Permission.RESERVATIONS_COMMIT,
        Permission.RESERVATIONS_RELEASE,
        Permission.RESERVATIONS_EXTEND,
    }
)

_CAPABILITIES: Final[Mapping[str, frozenset[Permission]]] = {
    "view_budgets": frozenset(
        {Permission.BUDGETS_READ, Permission.ADMIN_READ, Permission.ADMIN_BUDGETS_READ}
    ),
    "view_policies": frozenset(
        {Permission.POLICIES_READ, Permission.ADMIN_READ, Permission.ADMIN_POLICIES_READ}
    ),
    "view_webhooks": frozenset(
        {Permission.WEBHOOKS_READ, Permission.ADMIN_READ, Permission.ADMIN_WEBHOOKS_READ}
    ),
    "view_events": frozenset(
        {Permission.EVENTS_READ, Permission.ADMIN_READ, Permission.ADMIN_EVENTS_READ}
    ),
    "view_reservations": _ENDING | {Permission.RESERVATIONS_LIST, Permission.ADMIN_READ},
    "manage_budgets": frozenset(
        {Permission.BUDGETS_WRITE, Permission.ADMIN_WRITE, Permission.ADMIN_BUDGETS_WRITE}
    ),
    "manage_policies": frozenset(
        {Permission.POLICIES_WRITE, Permission.ADMIN_WRITE, Permission.ADMIN_POLICIES_WRITE}
    ),
    "manage_webhooks": frozenset(
        {Permission.WEBHOOKS_WRITE, Permission.ADMIN_WRITE, Permission.ADMIN_WEBHOOKS_WRITE}
    ),
    "manage_reservations": _ENDING | {Permission.ADMIN_WRITE},
}

_NEVER_OF_A_TENANT: Final = (
    "view_tenants",
    "view_api_keys",
    "view_audit",
    "view_overview",
    "manage_tenants",
    "manage_api_keys",
)


class AuthIntrospectResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do, and what a dashboard may show with it."""

    authenticated: bool
    auth_type: str
    permissions: list[str]
    capabilities: dict[str, bool]
    tenant_id: str
    scope_filter: list[str] | UnsetType = UNSET


async def introspect(desk: Desk, call: Call) -> bytes:
    """What this key may do. Any key may ask that."""
    key, tenant = call.access.key, call.access.tenant
    capabilities = {name: bool(key.permissions & any_of) for name, any_of in _CAPABILITIES.items()}
    return write(
        AuthIntrospectResponse(
            authenticated=True,
            auth_type="tenant",
            permissions=[permission for permission in Permission if permission in key.permissions],
            capabilities=capabilities | dict.fromkeys(_NEVER_OF_A_TENANT, False),
            tenant_id=tenant,
            scope_filter=[pattern.text for pattern in key.scope_filter] or UNSET,
        )
    )
