"""Times the steps of a call by themselves: a step's CPU time less that of the steps inside it.

An asynchronous step is charged with what the thread does from its start to its end. With
one call in flight that is the step's own work and the event loop's on its behalf; waiting
for somebody else costs no CPU and is not counted.
"""

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any


@dataclass(slots=True)
class Lap:
    """One run of a step, under way: what the steps inside it took so far."""

    inner_ns: int = 0


@dataclass(slots=True)
class Total:
    """All runs of one step: how many, and their own time in nanoseconds."""

    runs: int = 0
    own_ns: int = 0


class Stopwatch:
    """Own times by step. `clock_ns` counts the CPU time of the thread that is measured."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._outer: ContextVar[Lap | None] = ContextVar("outer step", default=None)
        self.totals: dict[str, Total] = {}
        self.pages: list[dict[str, Total]] = []

    def turn_page(self) -> None:
        """Keep what was measured since the last page, and begin another."""
        self.pages.append({step: copy(total) for step, total in self.totals.items()})
        for total in self.totals.values():
            total.runs = total.own_ns = 0

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed as a run of `step` each time it is called."""
        total = self.totals.setdefault(step, Total())
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def run_async(*arguments: Any, **named: Any) -> Any:
                lap, outer = Lap(), self._outer.get()
                self._outer.set(lap)
                start_ns = self._clock_ns()
                try:
                    return await function(*arguments, **named)
                finally:
                    self._end(total, lap, outer, start_ns)

            return run_async

        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            lap, outer = Lap(), self._outer.get()
            self._outer.set(lap)
            start_ns = self._clock_ns()
            try:
                return function(*arguments, **named)
            finally:
                self._end(total, lap, outer, start_ns)

        return run

    def _end(self, total: Total, lap: Lap, outer: Lap | None, start_ns: int) -> None:
        elapsed_ns = self._clock_ns() - start_ns
        self._outer.set(outer)
        if outer is not None:
            outer.inner_ns += elapsed_ns
        total.runs += 1
        total.own_ns += elapsed_ns - lap.inner_ns

    def attach(self, targets: Mapping[str, str]) -> None:
        """Time functions where they stand: `module:function` or `module:Class.method`, by step.

        Raises:
            LookupError: there is no such function; it has moved, and the table must follow.
        """
        for target, step in targets.items():
            owner, name, function = find(target)
            setattr(owner, name, self.timed(step, function))


def find(target: str) -> tuple[Any, str, Callable[..., Any]]:
    """Where a target stands: its owner, its name there, and itself.

    Raises:
        LookupError: there is no such function.
    """
    module_name, _, path = target.partition(":")
    *owners, name = path.split(".")
    try:
        owner: Any = import_module(module_name)
        for step in owners:
            owner = getattr(owner, step)
        function = getattr(owner, name)
    except (ImportError, AttributeError) as problem:
        raise LookupError(f"{target}: {problem}") from problem
    if not callable(function):
        raise LookupError(f"{target} is not a function")
    return owner, name, function
