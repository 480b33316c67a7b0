"""Keys that we issued: known by a hash, and what each may do, at both doors.

Source: docs/semantics.md, "Who is calling"; cycles-governance-admin-v0.1.25.yaml, schemas
Permission and ApiKey. `events:create` and `sub_budgets:create` are ours: that list has
nothing for POST /v1/events, nor for sub-budgets.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.domain.scope import Scope, ScopePattern

KEY_PREFIX: Final = "cyc_"
"""What begins so is a key of ours, known or not."""


class Permission(StrEnum):
    """What a key may do. Those of planes that are not served yet allow nothing."""

    RESERVATIONS_CREATE = "reservations:create"
    RESERVATIONS_COMMIT = "reservations:commit"
    RESERVATIONS_RELEASE = "reservations:release"
    RESERVATIONS_EXTEND = "reservations:extend"
    RESERVATIONS_LIST = "reservations:list"
    BALANCES_READ = "balances:read"
    EVENTS_CREATE = "events:create"
    SUB_BUDGETS_CREATE = "sub_budgets:create"
    EVENTS_READ = "events:read"
    BUDGETS_READ = "budgets:read"
    BUDGETS_WRITE = "budgets:write"
    POLICIES_READ = "policies:read"
    POLICIES_WRITE = "policies:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    ADMIN_READ = "admin:read"
    ADMIN_WRITE = "admin:write"
    ADMIN_TENANTS_READ = "admin:tenants:read"
    ADMIN_TENANTS_WRITE = "admin:tenants:write"
    ADMIN_BUDGETS_READ = "admin:budgets:read"
    ADMIN_BUDGETS_WRITE = "admin:budgets:write"
    ADMIN_POLICIES_READ = "admin:policies:read"
    ADMIN_POLICIES_WRITE = "admin:policies:write"
    ADMIN_APIKEYS_READ = "admin:apikeys:read"
    ADMIN_APIKEYS_WRITE = "admin:apikeys:write"
    ADMIN_WEBHOOKS_READ = "admin:webhooks:read"
    ADMIN_WEBHOOKS_WRITE = "admin:webhooks:write"
    ADMIN_EVENTS_READ = "admin:events:read"
    ADMIN_AUDIT_READ = "admin:audit:read"


WILDCARDS: Final = tuple(dict.fromkeys(f"{p.partition(':')[0]}:*" for p in Permission))
"""`reservations:*` and its like: everything of a group."""

CALLING: Final = frozenset(p for p in Permission if p.startswith("reservations:"))
"""What it takes to be a client of reservations, from the reserve to the end."""


def expand(written: Iterable[str]) -> frozenset[Permission]:
    """The permissions that are meant, wildcards spelled out."""
    return frozenset(
        permission
        for text in written
        for permission in Permission
        if permission == text or (text.endswith(":*") and permission.startswith(text[:-1]))
    )


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `sha256` is the hash of its secret in hexadecimal, lower case.

    `subject`: levels that it fixes. `scope_filter`: where it may spend and look; empty is
    everywhere below those levels.
    """

    name: str
    sha256: str
    subject: Mapping[str, str] = field(default_factory=dict)
    permissions: frozenset[Permission] = CALLING
    scope_filter: tuple[ScopePattern, ...] = ()

    def may(self, permission: Permission) -> bool:
        """Whether the key has a permission; `admin:read` has those that end in `:read` as well.

        Source: cycles-governance-admin-v0.1.25.yaml, Permission, "WILDCARD SEMANTICS".
        """
        if permission in self.permissions:
            return True
        _, _, verb = permission.rpartition(":")
        return verb in ("read", "write") and Permission(f"admin:{verb}") in self.permissions

    def reaches(self, scope: Scope) -> bool:
        """Whether the key may spend and look here."""
        return not self.scope_filter or any(p.matches(scope) for p in self.scope_filter)


class KeyRing:
    """All keys. Which one a secret belongs to takes as long to find out whichever it is."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple((bytes.fromhex(key.sha256), key) for key in keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, secret: str) -> Key | None:
        """The key of a secret, None where it belongs to none."""
        if not self._keys:
            return None
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, key in self._keys:
            if hmac.compare_digest(known, digest):
                found = key
        return found
