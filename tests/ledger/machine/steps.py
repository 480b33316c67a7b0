"""What happens in a life of a ledger, as data that can be printed, cut down and run again."""

from dataclasses import dataclass

from proxy.domain.money import Unit
from proxy.domain.scope import Scope
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


Step = Ask | Look | Pass | Tidy | Kill
