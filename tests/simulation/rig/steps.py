"""The work of a call, watched at each place where it waits."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from tests.simulation.rig.process import Work

Task = asyncio.Task[Any]


class Stepped(Coroutine[Any, Any, None]):
    """A coroutine that does something to its task when it waits for the n-th time (from 1).

    What is done happens on the next turn of the loop, as all that comes from outside.
    """

    def __init__(self, work: Work, *, at: int, do: Callable[[Task], None]) -> None:
        self._work = work
        self._at = at
        self._do = do
        self.waits = 0
        self.task: Task | None = None

    def send(self, value: Any, /) -> Any:
        return self._waits(self._work.send(value))

    def throw(self, *error: Any) -> Any:
        return self._waits(self._work.throw(*error))

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work.__await__()

    def _waits(self, awaited: Any) -> Any:
        self.waits += 1
        self.task = asyncio.current_task()
        if self.waits == self._at and self.task is not None:
            asyncio.get_running_loop().call_soon(self._do, self.task)
        return awaited
