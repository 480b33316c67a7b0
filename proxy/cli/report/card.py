"""The report card of the estimator: what was held against what calls came to.

A hold promises to be an upper bound. `covered` says how often it was one, the ratios how much
of it was used, and `held / actual` how much more was held than needed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.ledger.records import Reservation

PERMILLE: Final = 1_000
RATIO_PERMILLE_MAX: Final = 10_000
"""A call that came to more than ten times its hold counts as ten times."""

UNKNOWN: Final = "unknown"
"""The class of a bound in rows that are older than the report."""


class Kind(NamedTuple):
    """Calls that are estimated alike. `hold` is `worst_case` or `learned`."""

    model: str
    api: str
    bound: str
    hold: str


@dataclass(slots=True)
class Grades:
    """How the holds of one kind of calls did. Amounts are microcents.

    `permille` counts calls by actual / held, rounded up to a thousandth. `estimated` calls
    were charged by a count of our own, so they say nothing about the bound, and stand in no
    other figure.
    """

    calls: int = 0
    estimated: int = 0
    broken: int = 0
    held: int = 0
    actual: int = 0
    permille: Counter[int] = field(default_factory=Counter)

    def add(self, *, held: int, actual: int) -> None:
        """One call more."""
        self.calls += 1
        self.held += held
        self.actual += actual
        self.broken += actual > held
        self.permille[min(-(-PERMILLE * actual // held), RATIO_PERMILLE_MAX)] += 1

    def ratio_permille(self, pct: int) -> int:
        """The ratio that `pct` percent of the calls do not pass; 0 where there are none."""
        passed, wanted = 0, -(-pct * self.calls // 100)
        for ratio in sorted(self.permille):
            passed += self.permille[ratio]
            if passed >= wanted:
                return ratio
        return 0

    @property
    def covered_permille(self) -> int:
        """How many of a thousand holds were the bound they promised to be, rounded down."""
        return PERMILLE * (self.calls - self.broken) // self.calls if self.calls else PERMILLE

    @property
    def held_per_actual_permille(self) -> int | None:
        """How much was held for each unit of cost; None where nothing was paid."""
        return PERMILLE * self.held // self.actual if self.actual else None


def grade(rows: Iterable[Reservation], card: dict[Kind, Grades]) -> int:
    """Add what these rows say to the card; how many calls of the proxy they were."""
    seen = 0
    for row in rows:
        kind = _kind(row.metadata)
        if row.is_event or row.state is not State.COMMITTED or kind is None:
            continue
        seen += 1
        grades = card.setdefault(kind, Grades())
        held = row.amounts.get(Unit.USD_MICROCENTS, 0) - _fees(row.metadata)
        if row.estimated:
            grades.estimated += 1
        elif held > 0 and row.charged is not None:
            charged = row.charged.get(Unit.USD_MICROCENTS, 0)
            uncovered = row.uncovered.get(Unit.USD_MICROCENTS, 0)
            grades.add(held=held, actual=charged + uncovered - _fees(row.settled_metadata))
    return seen


def _fees(metadata: Mapping[str, str]) -> int:
    """What is for calls of tools, of which no bound says how many there are."""
    told = metadata.get("fees", "")
    return int(told) if told.isascii() and told.isdecimal() else 0


def _kind(metadata: Mapping[str, str]) -> Kind | None:
    """None for a reservation that a client of the protocol made."""
    if "api" not in metadata or "model" not in metadata:
        return None
    return Kind(
        metadata["model"],
        metadata["api"],
        metadata.get("bound", UNKNOWN),
        metadata.get("hold", "worst_case"),
    )
