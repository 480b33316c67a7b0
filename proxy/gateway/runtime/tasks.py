"""Background work that outlives the request it came from."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")


LARGE_BYTES: Final = 262_144
"""Reading or rewriting a larger body takes more than a few milliseconds."""


async def off_the_loop(work: Callable[[], Result], *, size_bytes: int) -> Result:
    """Work on so many bytes: at once, or in a thread when others would wait for it."""
    return work() if size_bytes <= LARGE_BYTES else await asyncio.to_thread(work)


class TaskSet:
    """Tasks that belong to the server, not to a request.

    What was sent upstream may be billed, whatever becomes of its caller. The set holds each
    task (the event loop keeps only weak references) and lets shutdown wait for it;
    otherwise a hold would be left behind and its spend unknown.
    """

    def __init__(self) -> None:
        # In the order in which they came, and so they are cancelled: a set has another each time.
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Coroutine[Any, Any, Result], *, name: str) -> asyncio.Task[Result]:
        """Run `work` until it ends, whatever becomes of the caller."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self.leave)
        return task

    def join(self) -> asyncio.Task[Any]:
        """Count the running task in, until it leaves."""
        task = asyncio.current_task()
        assert task is not None, "only a task can join"
        self._tasks[task] = None
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """The task has done what others may wait for."""
        self._tasks.pop(task, None)

    def __len__(self) -> int:
        return len(self._tasks)

    async def wait(self, timeout_ms: int) -> int:
        """Wait for all, at most so long; how many are still at it."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(set(self._tasks), timeout=timeout_ms / 1000)
        return len(late)

    async def drain(self, timeout_ms: int) -> None:
        """Wait for all, at most so long, then cancel what is left."""
        await self.wait(timeout_ms)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
