"""One plan, lived and judged; and the least of it that still breaks a rule."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from proxy.ledger.sqlite.operations.verify import verify
from tests.ledger.harness import scratch
from tests.simulation.draw import draw_plan
from tests.simulation.judge.books import Books, read_books
from tests.simulation.judge.calls import judge
from tests.simulation.plan import Call, Happening, Plan
from tests.simulation.world import Around, CallRun, World

SHOWN_MAX: Final = 5
"""So many broken rules of a run are enough to begin with."""


NO_BOOKS: Final = Books({}, {}, (), ())


@dataclass(frozen=True)
class Trial:
    """What came of a plan. `broken` says in words which rules were; none is what is wanted."""

    plan: Plan
    broken: tuple[str, ...]
    books: Books
    runs: tuple[CallRun, ...]
    statements: int
    """How many the ledger was asked for."""
    writes: int = 0
    """How many there were into files of the outbox."""


def try_plan(plan: Plan, *, around: Around = lambda _, work: work) -> Trial:
    """Live a plan and judge it."""
    with scratch() as directory:
        world = World(plan, directory, around=around)
        try:
            world.live()
            with world.disk.reading() as connection:
                books = read_books(connection)
                differences = verify(connection).differences
            broken = (*judge(world, books), *map(str, differences))
        except Exception:  # noqa: BLE001 - whatever it was, it is what broke
            books, broken = NO_BOOKS, (*world.broken, traceback.format_exc())
        finally:
            world.dispose()
        return Trial(
            plan,
            broken,
            books,
            tuple(world.runs.values()),
            world.disk.statements,
            world.disk.writes,
        )


def first_broken(seeds: Iterable[int]) -> Trial | None:
    """The first of these seeds that breaks a rule."""
    trials = (try_plan(draw_plan(seed)) for seed in seeds)
    return next((trial for trial in trials if trial.broken), None)


def shrink(trial: Trial, live: Callable[[Plan], Trial] = try_plan) -> Trial:
    """Leave out whatever is not needed to break a rule."""
    parts: list[Call | Happening] = [*trial.plan.happenings, *trial.plan.calls]
    for each in parts:
        smaller = live(trial.plan.without(each))
        if smaller.broken:
            return shrink(smaller, live)
    return trial


def report(trial: Trial, live: Callable[[Plan], Trial] = try_plan) -> str:
    """A broken run, for people: what broke, how to see it again, and what it takes."""
    seed = trial.plan.seed
    least = shrink(trial, live)
    return "\n".join(
        (
            f"seed {seed} breaks a rule. Again: python -m tests.simulation {seed}",
            *trial.broken[:SHOWN_MAX],
            "What it takes:",
            str(least.plan),
            "Then:",
            *least.broken[:SHOWN_MAX],
        )
    )
