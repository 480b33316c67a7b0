"""What a caller can ask, as data: asked of a home and of the model alike."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.ledger.records import (
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Event,
    FundOperation,
    ReserveRequest,
    TenantStatus,
)
from tests.ledger.harness import SECOND_MS, Home
from tests.ledger.model import Model
from tests.ledger.model.tenants import Key

FUND_KEY_MS = 86_400_000
"""For so long every home remembers the key of a fund operation; afterwards it may forget."""


class Held(NamedTuple):
    """A hold that exists, and what it is in."""

    reservation_id: str
    units: frozenset[Unit]


class Operation(Protocol):
    """One question, put in two ways. `holds` are those that exist, oldest first."""

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        """Ask a home."""
        ...

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        """Ask the model, which names a new hold as the home did."""
        ...


@dataclass(frozen=True)
class Reserve:
    request: ReserveRequest

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.reserve(self.request)

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.reserve(self.request, new_id)


@dataclass(frozen=True)
class Apply:
    event: Event

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.apply(self.event)

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.apply(self.event, new_id)


@dataclass(frozen=True)
class OnHold:
    """An operation on the hold of this number, counted round.

    Amounts are those of the hold's units; a `stray` one is in whatever was drawn.
    """

    number: int
    what: str
    key: str
    amounts: Mapping[Unit, int]
    word: str
    stray: bool

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        hold, units = holds[self.number % len(holds)]
        match self.what:
            case "dispatch":
                return home.dispatch(hold)
            case "mark_uncertain":
                return home.mark_uncertain(hold)
            case "grow":
                return home.grow(hold, by=self._some(units), key=self.key)
            case "extend":
                return home.extend(hold, by_ms=self._by_ms(), key=self.key)
            case "commit":
                actual, estimated = self._all(units), self._is_estimated()
                return home.commit(
                    hold, actual=actual, key=self.key, payload_hash=self.word, estimated=estimated
                )
            case "release":
                return home.release(hold, key=self.key, actor=self.word)
            case _:
                actual, estimated = self._all(units), self._is_estimated()
                return home.charge_late(
                    hold, actual=actual, key=self.key, payload_hash=self.word, estimated=estimated
                )

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        hold, units = holds[self.number % len(holds)]
        match self.what:
            case "dispatch":
                model.dispatch(hold)
                return None
            case "mark_uncertain":
                model.mark_uncertain(hold)
                return None
            case "grow":
                return model.grow(hold, self._some(units), self.key)
            case "extend":
                return model.extend(hold, self._by_ms(), self.key)
            case "commit":
                actual, estimated = self._all(units), self._is_estimated()
                return model.commit(hold, actual, self.key, self.word, estimated=estimated)
            case "release":
                return model.release(hold, self.key, self.word)
            case _:
                actual, estimated = self._all(units), self._is_estimated()
                return model.charge_late(hold, actual, self.key, self.word, estimated=estimated)

    def _all(self, units: frozenset[Unit]) -> Mapping[Unit, int]:
        if self.stray:
            return self.amounts
        return {unit: self.amounts.get(unit, 0) for unit in Unit if unit in units}

    def _some(self, units: frozenset[Unit]) -> Mapping[Unit, int]:
        if self.stray:
            return self.amounts
        return {unit: amount for unit, amount in self.amounts.items() if unit in units}

    def _by_ms(self) -> int:
        return 1 + self.amounts.get(Unit.USD_MICROCENTS, 0) % 70 * SECOND_MS

    def _is_estimated(self) -> bool:
        return self.key == "two"


@dataclass(frozen=True)
class Declare:
    lines: tuple[BudgetLine, ...]
    templates_max: int
    version: int

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.declare(self.lines, templates_max=self.templates_max, version=self.version)

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.declare(self.lines, self.templates_max, self.version)


@dataclass(frozen=True)
class Fund:
    name: BudgetName
    operation: FundOperation
    amount: int
    spent: int
    key: str | None

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.fund(
            self.name, self.operation, self.amount, actor="ops", spent=self.spent, key=self.key
        )

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.fund(
            self.name, self.operation, self.amount, actor="ops", spent=self.spent, key=self.key
        )

    def may_be_forgotten(self, model: Model, now_ms: int) -> bool:
        """Whether the key was used so long ago that homes may differ."""
        first = model.funded.get((self.name, self.key or ""))
        return first is not None and now_ms - first[1] >= FUND_KEY_MS


@dataclass(frozen=True)
class SetStatus:
    scope: Scope
    unit: Unit | None
    status: BudgetStatus

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.set_status(self.scope, self.unit, self.status, actor="ops")

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.set_status(self.scope, self.unit, self.status, "ops")


@dataclass(frozen=True)
class SetTenantStatus:
    status: TenantStatus

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.set_tenant_status("dev", self.status, actor="ops")

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        model.set_tenant_status("dev", self.status, "ops")
        return None


@dataclass(frozen=True)
class Remember:
    """The answer to a question is kept."""

    key: str
    payload_hash: str
    answer: str
    keep_ms: int

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.remember("dev", self.key, self.payload_hash, self.answer, keep_ms=self.keep_ms)

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.remember("dev", self.key, self.payload_hash, self.answer, self.keep_ms)


def may_be_let_go(model: Model, key: str, now_ms: int) -> bool:
    """Whether an answer was kept under this key for as long as was asked: homes may differ."""
    kept = model.remembered.get(Key("dev", key))
    return kept is not None and now_ms > kept.until_ms


@dataclass(frozen=True)
class Sweep:
    limit: int

    def of_home(self, home: Home, holds: Sequence[Held]) -> Awaitable[object]:
        return home.expire(limit=self.limit)

    def of_model(self, model: Model, holds: Sequence[Held], new_id: str) -> object:
        return model.expire(self.limit)
