"""The life of a hold.

    ACTIVE ──▶ COMMITTED | RELEASED | EXPIRED
       └─────▶ UNCERTAIN ──▶ COMMITTED | RELEASED

Source: protocol states in cycles-protocol-v0.yaml; UNCERTAIN is ours and reads as ACTIVE
on the Cycles wire (docs/semantics.md, "The life of a hold").
"""

from enum import StrEnum


class State(StrEnum):
    """Where a hold stands."""

    ACTIVE = "ACTIVE"
    UNCERTAIN = "UNCERTAIN"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


OPEN = frozenset({State.ACTIVE, State.UNCERTAIN})
"""The states in which a hold still takes room in its budgets."""


class OnExpiry(StrEnum):
    """What the end of a lease does to a hold that nobody settled."""

    RELEASE = "release"
    UNCERTAIN = "uncertain"


class Overage(StrEnum):
    """What a commit above the hold does."""

    REJECT = "REJECT"
    ALLOW_IF_AVAILABLE = "ALLOW_IF_AVAILABLE"
    ALLOW_WITH_OVERDRAFT = "ALLOW_WITH_OVERDRAFT"
