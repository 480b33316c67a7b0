"""One thread beside the loop, for work that waits for the disk."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class OneThread:
    """Does one piece of work after another. It starts with the first."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def start(self, work: Callable[[], _T]) -> "asyncio.Future[_T]":
        """Do the work after all that was started before it; what it makes, on the loop."""
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """End the thread once it has done all that was started."""
        self._pool.shutdown()
