"""Which key a request comes with, whose money it may spend, and what it may see.

Source: cycles-protocol-v0.yaml, "AUTH & TENANCY"; docs/protocol.md, "Keys".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from msgspec import UNSET, structs

from proxy.authority.errors import Problem
from proxy.cycles_wire import headers, schemas
from proxy.cycles_wire.canonical import payload_hash
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.subjects import named_subject, subject_of
from proxy.domain.key import Key, KeyRing, Permission
from proxy.domain.scope import Scope, derive, encode_value
from proxy.domain.sub_budget import Child
from proxy.domain.subject import PURSE, Subject
from proxy.ledger.records import Reservation

_MODEL_CALLS: Final = "llm."
"""How the kinds of actions begin whose name is a model's."""


class Spender(NamedTuple):
    """Who spends: as the client named it, completed by its key, and as the ledger knows it."""

    wire: schemas.Subject
    subject: Subject
    scopes: tuple[Scope, ...]
    child: Child | None = None

    def payload_hash(self, request: schemas.Schema) -> str:
        """What replays of a request are compared by: also by whose purse pays.

        Keys are unique per tenant, and no child may be answered with its parent's hold.
        """
        text = payload_hash(request)
        return text if self.child is None else f"{text} {self.child.purse}"

    def check_goes_on(self) -> None:
        """Raises Refused, while a budget that a sub-budget was carved from is stopped."""
        if self.child is not None:
            self.child.check_goes_on()

    def check_action(self, action: schemas.Action) -> None:
        """Raises Problem: FORBIDDEN, when an action calls a model that a sub-budget does not."""
        if (
            self.child is not None
            and action.kind.startswith(_MODEL_CALLS)
            and not self.child.limits.allows_model(action.name)
        ):
            raise _forbidden("The sub-budget of this key does not pay for this model.")


@dataclass(frozen=True, slots=True)
class Access:
    """What a request with this key may do. `fixed` are the levels that the key decides.

    `child`: the sub-budget that it is the key of.
    """

    key: Key
    tenant: str
    fixed: Mapping[str, str]
    child: Child | None = None

    def require(self, permission: Permission) -> None:
        """Raises Problem: FORBIDDEN, when the key lacks a permission."""
        if not self.key.may(permission):
            raise _forbidden(f"The key {self.key.name} lacks the permission {permission}.")

    def admit(self, wire: schemas.Subject) -> Spender:
        """The subject of a request, with the levels that the key fixes filled in.

        Raises:
            Problem: FORBIDDEN, when it names another tenant or level, or is out of the key's
                reach; INVALID_REQUEST for a level that is empty.
        """
        levels = wire.levels()
        missing = {}
        for level, value in self.fixed.items():
            sent = levels.get(level)
            if sent is None:
                missing[level] = value
            elif encode_value(sent) != value:
                raise _forbidden(f"The {level} of the subject is not that of the key.")
        try:
            subject = structs.replace(subject_of(wire), **missing)
        except ValueError as error:
            raise Problem(ErrorCode.INVALID_REQUEST, str(error)) from None
        if missing:
            dimensions = {} if wire.dimensions is UNSET else wire.dimensions
            wire = named_subject(levels | missing, dimensions)
        if self.child is not None:
            subject = _spending_from(self.child, subject)
        scopes = derive(subject)
        if not self.key.reaches(scopes[-1]):
            raise _forbidden(f"The scope_filter of the key does not let it spend at {scopes[-1]}.")
        return Spender(wire, subject, scopes, self.child)

    def check_tenant(self, named: str | None) -> None:
        """Raises Problem: FORBIDDEN, when a filter names another tenant than the key's."""
        if named is not None and encode_value(named) != self.tenant:
            raise _forbidden("The tenant is not that of the key.")

    def check_sees(self, row: Reservation) -> None:
        """Raises Problem: FORBIDDEN, when a reservation is another tenant's, or out of reach."""
        if row.tenant != self.tenant:
            raise _forbidden("The reservation belongs to another tenant.")
        if not self.sees(row):
            raise _forbidden("The reservation is out of reach of this key.")

    def sees(self, row: Reservation) -> bool:
        """Whether the reservation is of the levels that the key fixes, and in its reach."""
        levels = dict(row.subject.levels())
        if self.child is not None and row.subject.dimensions.get(PURSE) != self.child.purse:
            return False
        is_ours = all(levels.get(level) == value for level, value in self.fixed.items())
        return is_ours and self.key.reaches(row.scope_path)

    def sees_budget(self, scope: Scope) -> bool:
        """Whether the key may look at the budgets here: on its own path, and in its reach."""
        levels = dict(part.split(":", 1) for part in scope.split("/"))
        is_ours = all(levels.get(level, value) == value for level, value in self.fixed.items())
        return is_ours and self.key.reaches(scope)


def access_of(child: Child) -> Access:
    """What the key of a sub-budget gives access to: its levels are as scopes have them."""
    return Access(child.key, child.key.subject["tenant"], child.key.subject, child)


def _spending_from(child: Child, subject: Subject) -> Subject:
    """The subject with the purse that it spends from, in the run that was carved for."""
    sent = subject.dimensions
    if any(sent.get(name, value) != value for name, value in child.dimensions.items()):
        raise _forbidden("The run of the subject is not that of the sub-budget.")
    return structs.replace(subject, dimensions={**sent, **child.dimensions})


class Authenticator:
    """Knows keys. One that names no tenant spends as `default_tenant`."""

    def __init__(self, keys: KeyRing, *, default_tenant: str | None) -> None:
        self._keys = keys
        self._default_tenant = default_tenant

    def authenticate(self, secret: str | None) -> Access:
        """What a secret gives access to.

        Raises:
            Problem: UNAUTHORIZED, when there is none, it is not known, or its key belongs to
                no tenant.
        """
        if not secret:
            raise _unauthorized(f"A key is required: send it as {headers.API_KEY}.")
        key = self._keys.find(secret)
        if key is None:
            raise _unauthorized("This key is not known here.")
        tenant = key.subject.get("tenant", self._default_tenant)
        if tenant is None:
            raise _unauthorized(
                "This key belongs to no tenant: give its subject one, or identity.default."
            )
        fixed = {level: encode_value(value) for level, value in key.subject.items()}
        encoded = encode_value(tenant)
        return Access(key, encoded, {**fixed, "tenant": encoded})


def _forbidden(message: str) -> Problem:
    return Problem(ErrorCode.FORBIDDEN, message)


def _unauthorized(message: str) -> Problem:
    return Problem(ErrorCode.UNAUTHORIZED, message)
