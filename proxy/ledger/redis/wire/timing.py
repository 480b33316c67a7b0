"""Deadlines and pauses. Time and chance are arguments, so that tests need not wait.

All times are whole milliseconds on a clock that never steps back.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Any, Final, Generic, Protocol, TypeVar

Result = TypeVar("Result")


class Alarm(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """It will not happen."""
        ...


class Timers(Protocol):
    """A clock that also calls back."""

    def now_ms(self) -> int:
        """Never steps back; where it starts means nothing."""
        ...

    def call_at(self, at_ms: int, callback: Callable[[], object]) -> Alarm:
        """Call back once this time has come."""
        ...


class LoopTimers:
    """The clock of the running event loop."""

    def now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000)

    def call_at(self, at_ms: int, callback: Callable[[], object]) -> Alarm:
        delay = timedelta(milliseconds=at_ms - self.now_ms())
        return asyncio.get_running_loop().call_later(delay.total_seconds(), callback)


async def before(timers: Timers, due_ms: int, future: "asyncio.Future[Result]") -> Result:
    """What the future brings. The future must be the caller's alone.

    Raises:
        TimeoutError: it has brought nothing by `due_ms`.
    """

    def give_up() -> None:
        if not future.done():
            future.set_exception(TimeoutError())

    alarm = timers.call_at(due_ms, give_up)
    try:
        return await future
    finally:
        alarm.cancel()


async def pause(timers: Timers, duration_ms: int) -> None:
    """Let this time pass."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    alarm = timers.call_at(timers.now_ms() + duration_ms, wake)
    try:
        await future
    finally:
        alarm.cancel()


class Errand(Generic[Result]):
    """Work that many wait for and that runs once for all of them.

    A caller who leaves does not end it for the others. It is cut short after `limit_ms`:
    then, as after any failure of its own, all who wait get the exception.
    """

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, Result]], *, timers: Timers, limit_ms: int
    ) -> None:
        self._work = work
        self._timers = timers
        self._limit_ms = limit_ms
        self._task: asyncio.Task[Result] | None = None
        self._waiters: list[asyncio.Future[Result]] = []

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None

    async def result(self, due_ms: int) -> Result:
        """What the run brings that is under way, or else a new one.

        Raises:
            TimeoutError: the work, or this caller's time, ran out.
        """
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = task = loop.create_task(self._work())
            limit_ms = self._timers.now_ms() + self._limit_ms
            alarm = self._timers.call_at(limit_ms, task.cancel)
            task.add_done_callback(lambda task: self._finish(task, alarm))
        waiter: asyncio.Future[Result] = loop.create_future()
        self._waiters.append(waiter)
        return await before(self._timers, due_ms, waiter)

    def _finish(self, task: "asyncio.Task[Result]", alarm: Alarm) -> None:
        alarm.cancel()
        self._task = None
        failure = TimeoutError() if task.cancelled() else task.exception()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(task.result())
            else:
                waiter.set_exception(failure)

    async def stop(self) -> None:
        """Cut a run short."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})


class Backoff:
    """How long to rest before the next try: nothing after the first failure, then longer."""

    FIRST_MS: Final = 50
    LONGEST_MS: Final = 2_000

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0

    def next_ms(self) -> int:
        """Count a failure. A random half is taken off, so that sidecars do not come at once."""
        self._failures += 1
        if self._failures == 1:
            return 0
        doublings = min(self._failures - 2, 16)
        longest_ms = min(self.FIRST_MS << doublings, self.LONGEST_MS)
        return self._random.randint(longest_ms // 2, longest_ms)

    def reset(self) -> None:
        """It works again."""
        self._failures = 0
