"""Whether an authority elsewhere will do as our ledger: reached, let in, with budgets to spend."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from proxy.domain.errors import LedgerUnavailable, Refused
from proxy.domain.money import Unit
from proxy.domain.scope import derive
from proxy.domain.subject import Subject
from proxy.ledger.cycles.asking.answers import read_success
from proxy.ledger.cycles.asking.exchange import Authority
from proxy.ledger.cycles.looking import Looker
from proxy.ledger.cycles.told import Told
from proxy.ledger.records import Balance

NEEDED: Final = (
    "reservations:create",
    "reservations:commit",
    "reservations:release",
    "reservations:extend",
    "balances:read",
)
"""Permissions without which calls fail or are not charged. Events have none that all know."""

SLOW_MS: Final = 250
"""From here on callers notice: every call waits for one answer."""

_UNITS: Final = (Unit.USD_MICROCENTS, Unit.TOKENS)


class Found(NamedTuple):
    """Something to know. `is_wrong`: calls would fail, or be free."""

    text: str
    is_wrong: bool
    is_of_key: bool = False


class _Introspection(msgspec.Struct, frozen=True):
    permissions: tuple[str, ...] | None = None
    tenant_id: str | None = None


async def inspect(authority: Authority, subject: Subject) -> tuple[Found, ...]:
    """What the operator of a proxy for this subject should know of its authority."""
    told = Told(lambda: 0)
    try:
        balances = await Looker(authority, told, subject.tenant).all_balances()
    except LedgerUnavailable as error:
        return (Found(str(error), is_wrong=False),)
    except Refused as refused:
        return (Found(str(refused), is_wrong=True, is_of_key=True),)
    found = [*await _of_key(authority, subject), *_of_budgets(balances, subject)]
    if authority.slowest_ms >= SLOW_MS:
        text = f"answers after {authority.slowest_ms} ms, which every call waits"
        found.append(Found(text, is_wrong=False))
    return tuple(found)


async def _of_key(authority: Authority, subject: Subject) -> Sequence[Found]:
    """What the key may do, from an authority that says so: not all do."""
    try:
        answer = await authority.ask("GET", "/v1/auth/introspect")
        told = read_success(answer, _Introspection)
    except LedgerUnavailable:
        return ()
    found = []
    if told.permissions is not None:
        missing = [each for each in NEEDED if not _has(told.permissions, each)]
        if missing:
            text = f"has no {', '.join(missing)} there"
            found.append(Found(text, is_wrong=True, is_of_key=True))
    ours, theirs = subject.tenant, told.tenant_id
    if ours is not None and theirs is not None and theirs.lower() != ours:
        text = f"of the tenant {theirs}, while identity.default says {ours}"
        found.append(Found(text, is_wrong=True, is_of_key=True))
    return found


def _has(permissions: Sequence[str], needed: str) -> bool:
    group, _, verb = needed.partition(":")
    others = {"*", f"{group}:*", "admin:write"} | ({"admin:read"} if verb == "read" else set())
    return needed in permissions or not others.isdisjoint(permissions)


def _of_budgets(balances: Sequence[Balance], subject: Subject) -> Sequence[Found]:
    """Whether calls find a budget. One that names more levels may find others."""
    scopes = derive(subject)
    path = scopes[-1] if scopes else "nobody"
    units = {balance.unit for balance in balances if balance.scope in scopes}
    if not units:
        return (Found(f"has no budget for {path}: calls of just that are refused", is_wrong=False),)
    if units.isdisjoint(_UNITS):
        text = f"has budgets for {path} in {', '.join(sorted(units))} only, in which no call counts"
        return (Found(text, is_wrong=True),)
    return ()
