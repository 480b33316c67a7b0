"""What `verify` answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Something `verify` found: two figures that should be one."""

    where: str
    what: str
    recorded: int
    recomputed: int


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
