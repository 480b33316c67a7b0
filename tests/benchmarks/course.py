"""What a course brings, whatever it measures."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tests.benchmarks.instruments.processes import Cores


@dataclass(slots=True)
class Entrant:
    """Who is measured. `failure` says why it is out of the race."""

    samples: dict[str, list[float]] = field(default_factory=dict, kw_only=True)
    failure: str | None = field(default=None, kw_only=True)

    def add(self, values: dict[str, float]) -> None:
        """Keep one more value of each."""
        for name, value in values.items():
            self.samples.setdefault(name, []).append(value)


E_co = TypeVar("E_co", bound=Entrant, covariant=True)


@dataclass(frozen=True, slots=True)
class Course(Generic[E_co]):
    """What a run brought, and how quiet the machine was.

    `fixed_work_us` is one value a round; `foreign_pct` is how much of our cores others had;
    `absent` are stores that the machine has not.
    """

    entrants: tuple[E_co, ...]
    fixed_work_us: tuple[float, ...]
    foreign_pct: float
    cores: Cores
    absent: tuple[str, ...] = ()
