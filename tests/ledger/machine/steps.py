"""What happens in a life of a ledger, as data that can be printed, cut down and run again."""

from dataclasses import dataclass

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.records import ReserveRequest, SortKey
from tests.ledger.machine.operations import Operation


@dataclass(frozen=True)
class Ask:
    """Operations that are asked in one tick of the loop, in this order."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Look:
    """Somebody reads balances."""

    scopes: tuple[Scope, ...]
    unit: Unit


@dataclass(frozen=True)
class Foresee:
    """Somebody asks what a reserve would do, and then makes it, by a key that is new."""

    request: ReserveRequest


@dataclass(frozen=True)
class Recall:
    """Somebody asks again what was asked before."""

    key: str
    payload_hash: str


@dataclass(frozen=True)
class Find:
    """Somebody looks for rows, in pages of this size."""

    sort: SortKey
    is_descending: bool
    page: int
    states: frozenset[State]


@dataclass(frozen=True)
class Pass:
    """Time passes, or the clock is set back."""

    by_ms: int


@dataclass(frozen=True)
class Tidy:
    """The journal is sealed, and what is older than `age_ms` goes, at most `limit` at a time."""

    age_ms: int
    limit: int


@dataclass(frozen=True)
class Kill:
    """The process is killed, and another one takes over."""


Step = Ask | Look | Foresee | Recall | Find | Pass | Tidy | Kill
