"""Whole lives of a home, by their seed, and the least of a plan that still breaks."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.ledger.harness import BACKENDS
from tests.ledger.machine.comparison import Comparison
from tests.ledger.machine.draw import Draw
from tests.ledger.machine.operations import Declare
from tests.ledger.machine.steps import Ask, Step

STEPS = 40


@dataclass(frozen=True)
class Broken:
    """A plan after whose last step home and model, or a home and the books, disagree."""

    backend: str
    seed: int
    steps: tuple[Step, ...]
    error: Exception

    def __str__(self) -> str:
        steps = "\n".join(f"  {step}" for step in self.steps)
        return (
            f"seed {self.seed} of {self.backend} breaks; with only these steps:\n{steps}\n"
            f"{type(self.error).__name__}: {self.error}"
        )


def live(backend: str, seed: int) -> Broken | None:
    """The life of this seed; what broke in it, cut down to what that takes."""
    broken = asyncio.run(_draw_and_take(backend, seed))
    return broken and _cut(broken)


async def _draw_and_take(backend: str, seed: int) -> Broken | None:
    home = BACKENDS[backend]
    taken: list[Step] = []
    async with home.open() as harness:
        comparison = Comparison(harness, home)
        for step in Draw(seed).steps(comparison.model, STEPS):
            taken.append(step)
            try:
                await comparison.take(step)
            except Exception as error:  # noqa: BLE001 - whatever it is, the plan leads to it
                return Broken(backend, seed, tuple(taken), error)
    return None


async def _take(broken: Broken, steps: Sequence[Step]) -> Broken | None:
    """The same on a fresh home, with other steps."""
    home = BACKENDS[broken.backend]
    async with home.open() as harness:
        comparison = Comparison(harness, home)
        for number, step in enumerate(steps, start=1):
            try:
                await comparison.take(step)
            except Exception as error:  # noqa: BLE001 - whatever it is, the plan leads to it
                return replace(broken, steps=tuple(steps[:number]), error=error)
    return None


def _cut(broken: Broken) -> Broken:
    """Leave out runs of steps, then operations and lines, as long as something breaks."""
    size = len(broken.steps) // 2
    while size:
        smaller = _without_run(broken, size)
        if smaller is None:
            size //= 2
        else:
            broken = smaller
    while (smaller := _without_operation(broken)) is not None:
        broken = smaller
    return broken


def _without_run(broken: Broken, size: int) -> Broken | None:
    for start in range(len(broken.steps) - size, -1, -1):
        steps = (*broken.steps[:start], *broken.steps[start + size :])
        smaller = asyncio.run(_take(broken, steps))
        if smaller is not None:
            return smaller
    return None


def _without_operation(broken: Broken) -> Broken | None:
    for place, step in enumerate(broken.steps):
        for fewer in _smaller(step):
            steps = (*broken.steps[:place], fewer, *broken.steps[place + 1 :])
            smaller = asyncio.run(_take(broken, steps))
            if smaller is not None:
                return smaller
    return None


def _smaller(step: Step) -> Iterator[Step]:
    """The step without one of its operations, or without one of the lines that it declares."""
    if not isinstance(step, Ask):
        return
    for place, operation in enumerate(step.operations):
        before, after = step.operations[:place], step.operations[place + 1 :]
        if before or after:
            yield Ask(before + after)
        if isinstance(operation, Declare):
            for number in range(len(operation.lines)):
                lines = operation.lines[:number] + operation.lines[number + 1 :]
                yield Ask((*before, replace(operation, lines=lines), *after))
