"""Time that passes only when nothing else can happen, and an event loop that lives in it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

from tests.ledger.harness import NOON_MS

Result = TypeVar("Result")

_RESOLUTION_S: Final = 1e-9
"""Timers that are due within it run together; far above the rounding of a float."""


class Killed(KeyboardInterrupt):
    """The process dies here, as by `kill -9`: nothing of it runs any more.

    Only this kind of exception leaves an event loop from inside a callback.
    """


class Stuck(Exception):
    """Somebody waits, and nothing that could end the waiting is under way."""


class VirtualTime:
    """How long the world has lasted, in seconds, and how far its wall clock is off."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.step_ms = 0

    def now_ms(self) -> int:
        """The wall clock: it starts at noon and steps as somebody sets it."""
        return NOON_MS + round(self.elapsed_s * 1000) + self.step_ms

    def monotonic_ns(self) -> int:
        """Never steps."""
        return round(self.elapsed_s * 1e9)


class _JumpingSelector(selectors.SelectSelector):
    """Waits for no file: time jumps to the next timer."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        self._time.elapsed_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. It remembers its tasks, in the order of their start."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__(_JumpingSelector(time))
        self._time = time
        self._clock_resolution = _RESOLUTION_S
        self._tasks: list[asyncio.Task[Any]] = []
        self.complaints: list[str] = []
        """What the loop would have logged."""
        self.set_task_factory(self._start)
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

    def time(self) -> float:
        return self._time.elapsed_s

    def run_in_executor(
        self, executor: object, func: Callable[..., Result], *args: object
    ) -> "asyncio.Future[Result]":
        """Work for a thread is done at once: threads have a time of their own."""
        future: asyncio.Future[Result] = self.create_future()
        future.set_result(func(*args))
        return future

    def failures(self) -> list[BaseException]:
        """Errors that ended a task, and of which nobody may ever hear."""
        done = [task for task in self._tasks if task.done() and not task.cancelled()]
        errors = [task.exception() for task in done]
        return [error for error in errors if error and not isinstance(error, Killed)]

    def dispose(self) -> None:
        """Cancel what is left, until nothing is: what it still does reaches nobody."""
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left))
        self.close()

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Result] | Generator[Any, None, Result],
        /,
        **named: Any,
    ) -> asyncio.Task[Result]:
        task = asyncio.Task(work, loop=loop, **named)
        self._tasks.append(task)
        return task


async def rest(duration_ms: int) -> None:
    """Let others go on for so long; for 0, do not even give way."""
    if duration_ms:
        await asyncio.sleep(duration_ms / 1000)
