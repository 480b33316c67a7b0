"""What the hold of a sub-budget keeps of it, in the row's metadata."""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from proxy.domain.key import Permission
from proxy.domain.scope import Scope, carve_of, purse_of
from proxy.domain.sub_budget import CARVE_PREFIX, UNLIMITED, Limits
from proxy.domain.subject import PURSE
from proxy.ledger.protocol import Books, Ledger
from proxy.ledger.records import Reservation

ACTION_KIND: Final = "budget.carve"

_KEPT: Final = "sub_budget"


class SubBudgetLedger(Ledger, Books, Protocol):
    """What sub-budgets need of a ledger."""


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sub-budget. `depth` is 1 for one that was carved from no other.

    `secret_sha256`: of the child's key. `permissions` and `reach` are those that its parent's
    key left to it.
    """

    secret_sha256: str
    permissions: tuple[Permission, ...]
    reach: tuple[str, ...] = ()
    limits: Limits = UNLIMITED
    depth: int = 1


_read: Final = msgspec.json.Decoder(Terms).decode


def kept(terms: Terms) -> Mapping[str, str]:
    """The terms as metadata of a row."""
    return {_KEPT: msgspec.json.encode(terms).decode()}


def is_carve(row: Reservation) -> bool:
    """Whether a hold fills the purse of a sub-budget."""
    return row.key.startswith(CARVE_PREFIX) and _KEPT in row.metadata


def terms_of(row: Reservation) -> Terms:
    """The terms of a carve."""
    return _read(row.metadata[_KEPT])


def purse_filled_by(row: Reservation) -> Scope:
    """Where the money of a carve is spent from."""
    return purse_of(row.subject, row.reservation_id)


def outer_carve(row: Reservation) -> str | None:
    """The id of the carve whose purse this one was carved from, if it was from one."""
    purse = row.subject.dimensions.get(PURSE)
    return None if purse is None else carve_of(Scope(purse))
