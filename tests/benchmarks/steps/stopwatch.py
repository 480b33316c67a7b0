"""Times the steps of a call by themselves: a step's own CPU time, without the steps inside it.

The watch runs while a step runs and stands while it waits, so that any number of calls
may be in flight: each turn that the event loop gives a step is timed for itself. What the
watch takes to be read and written is counted apart, as a step of its own.
"""

import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any

WATCH = "the stopwatch"

_READINGS = 1_000


@dataclass(slots=True)
class Total:
    """All runs of one step: how many, and their own time in nanoseconds."""

    runs: int = 0
    own_ns: int = 0


class Stopwatch:
    """Own times by step. `clock_ns` counts the CPU time of the thread that is measured."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._reading_ns = _reading_ns(clock_ns)
        self._running: list[Total] = []
        self._since_ns = 0
        self._own = Total()
        self.totals: dict[str, Total] = {WATCH: self._own}
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
                total.runs += 1
                return await _Turns(self, total, function(*arguments, **named))

            return run_async

        @wraps(function)
        def run(*arguments: Any, **named: Any) -> Any:
            total.runs += 1
            self.start(total)
            try:
                return function(*arguments, **named)
            finally:
                self.stop()

        return run

    def start(self, total: Total) -> None:
        """From now on time is this step's; the step around it stands."""
        now_ns = self._clock_ns()
        if self._running:
            self._charge(self._running[-1], now_ns)
        self._running.append(total)
        self._go_on(now_ns)

    def stop(self) -> None:
        """The step that was started last is over, or waits; the one around it goes on."""
        now_ns = self._clock_ns()
        self._charge(self._running.pop(), now_ns)
        self._go_on(now_ns)

    def _charge(self, total: Total, now_ns: int) -> None:
        # Between two readings lies, beside the step, the time of one reading.
        total.own_ns += now_ns - self._since_ns - self._reading_ns
        self._own.own_ns += self._reading_ns

    def _go_on(self, stood_ns: int) -> None:
        self._since_ns = self._clock_ns()
        self._own.own_ns += self._since_ns - stood_ns

    def attach(self, targets: Mapping[str, str]) -> None:
        """Time functions where they stand: `module:function` or `module:Class.method`, by step.

        Raises:
            LookupError: there is no such function; it has moved, and the table must follow.
        """
        for target, step in targets.items():
            owner, name, function = find(target)
            setattr(owner, name, self.timed(step, function))


class _Turns:
    """A coroutine whose turns are timed, from each time it goes on to where it waits again."""

    def __init__(self, watch: Stopwatch, total: Total, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._watch = watch
        self._total = total
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            self._watch.start(self._total)
            try:
                waits_for = self._coroutine.throw(error) if error else self._coroutine.send(None)
            except StopIteration as end:
                return end.value
            finally:
                self._watch.stop()
            error = None
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - cancellation is the coroutine's
                error = thrown


def _reading_ns(clock_ns: Callable[[], int]) -> int:
    """How long it takes to read the clock, at best."""
    return min(-(clock_ns() - clock_ns()) for _ in range(_READINGS))


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
