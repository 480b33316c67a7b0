"""What every report says of its machine, and how far to believe it. Pure."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tests.benchmarks.course import Course, Entrant
from tests.benchmarks.figures import Figure
from tests.benchmarks.instruments.machine import Machine

_RESTLESS = 1.3
_CROWDED_PCT = 10


def heading(machine: Machine) -> str:
    """Where the figures come from."""
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.system}, {machine.python}; "
        f"fsync p50 {machine.fsync_p50_us:.0f} us on {machine.filesystem}"
    )


def circumstances(machine: Machine, course: Course[Entrant]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "machine": asdict(machine),
        "fixed_work_us": list(course.fixed_work_us),
        "foreign_pct": course.foreign_pct,
    }


def quietness(machine: Machine, course: Course[Entrant]) -> Iterator[str]:
    """How much of our cores others had, and how far a fixed piece of work has wandered."""
    foreign_pct, fixed_work_us = course.foreign_pct, course.fixed_work_us
    yield f"others had {foreign_pct:.0f}% of our cores' time" + (
        ": too much to believe more than the ratios" if foreign_pct > _CROWDED_PCT else ""
    )
    wander = max(fixed_work_us) / min(fixed_work_us)
    yield f"the slowest round was {wander:.2f} times as slow as the fastest" + (
        ": too restless to believe more than the ratios" if wander > _RESTLESS else ""
    )
    if not machine.pinned:
        yield "nothing was pinned to a core: requests/s include the instruments' own share"


def best_and_median(found: Figure | None) -> str:
    """The best of the repeats, and the median beside it."""
    return f"{number(found.best)} ({number(found.median)})" if found else "-"


def number(value: float) -> str:
    """Three figures, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
