"""What the model remembers: values that are replaced and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, ScopePattern, derive
from proxy.ledger.journal import Kind
from proxy.ledger.records import (
    Balance,
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Grant,
    ReserveRequest,
    Settlement,
)


class WindowId(NamedTuple):
    """One window of the budget of this number; a name can be of several, one after the other."""

    budget: int
    start_ms: int


@dataclass(frozen=True)
class Window:
    """What stands in a window. `buckets`: what was spent in a rolling one, by bucket number."""

    balance: Balance
    buckets: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """A budget: its last declared line, the terms in force, and the start of its last window.

    `template` is what governs it, when no line of its own does.
    """

    name: BudgetName
    last: BudgetLine
    overdraft_limit: int
    status: BudgetStatus
    template: ScopePattern | None
    start_ms: int
    used_at_ms: int
    is_declared: bool = True
    is_retired: bool = False


@dataclass(frozen=True)
class Hold:
    """A hold, or an event, and all that was ever asked of it.

    `replies`: by operation and key, the payload and the first answer.
    """

    reservation_id: str
    request: ReserveRequest
    grant: Grant
    windows: tuple[WindowId, ...]
    amounts: Mapping[Unit, int]
    created_at_ms: int
    expires_at_ms: int
    uncovered: Mapping[Unit, int]
    charged: Mapping[Unit, int] | None = None
    state: State = State.ACTIVE
    dispatched: bool = False
    extensions: int = 0
    uncertain_since_ms: int = 0
    estimated: bool = False
    is_event: bool = False
    settled: tuple[str | None, str, Settlement] | None = None
    settled_metadata: Mapping[str, str] = field(default_factory=dict)
    finalized_at_ms: int | None = None
    replies: Mapping[tuple[Kind, str], tuple[object, Grant | int | Settlement]] = field(
        default_factory=dict
    )

    @property
    def lapses_at_ms(self) -> int:
        """When the grace is over as well."""
        return self.expires_at_ms + self.request.grace_ms

    @property
    def scope(self) -> Scope:
        """Who spends."""
        scopes = derive(self.request.subject)
        return scopes[-1] if scopes else Scope("")
