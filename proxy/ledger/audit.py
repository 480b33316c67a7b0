"""What `verify` answers."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Difference:
    """Something `verify` found: two figures that should be one."""

    where: str
    what: str
    recorded: int | str
    recomputed: int | str


class Head(NamedTuple):
    """The last seal of a tenant's journal: keep it elsewhere, and no older entry can change."""

    tenant: str
    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What `verify` recomputed. The ledger is sound when `differences` is empty.

    charged, uncovered and uncertain are sums over all rows in USD_MICROCENTS.
    """

    reservations: int
    entries: int
    charged: int
    uncovered: int
    uncertain: int
    differences: tuple[Difference, ...]
    heads: tuple[Head, ...] = ()
