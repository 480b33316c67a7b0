"""One transaction at a time for all that was asked meanwhile.

    submit ─▶ waiting ─▶ BEGIN · each operation, whole or not · COMMIT ─▶ answers

With `durability: process` a transaction runs on the loop, one a tick: COMMIT waits for no
disk. With `power` it does, so transactions run in a thread, and what is asked while one of
them waits for the disk shares the next.

No answer leaves before COMMIT returned. While another connection holds the lock the loop
goes on, and the same operations are tried again a little later.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite import batch
from proxy.ledger.sqlite.batch import Ended, Failed, NotBegun
from proxy.ledger.sqlite.file.checkpoint import Checkpointer
from proxy.ledger.sqlite.file.connection import LedgerFile
from proxy.ledger.sqlite.file.thread import OneThread
from proxy.ledger.sqlite.transaction import Transaction

_T = TypeVar("_T")

_ON_LOOP_MAX: Final = 32
"""How many operations share a transaction: beyond, the loop serves others in between.

They take some 2 ms; with 128 a fifth more fit into a second, and the loop is held for 10 ms.
"""
_IN_THREAD_MAX: Final = 128

_LOCK_RETRY_S: Final = 0.005
_LOCK_WAIT_MAX_NS: Final = 5_000_000_000


@dataclass(frozen=True, slots=True)
class _Asked:
    operation: Callable[[Transaction], object]
    future: "asyncio.Future[Any]"


class Group:
    """Runs operations on one file, in the order they were asked.

    An operation whose caller was cancelled before its transaction began does not happen.
    `on_leap` is told by how many milliseconds the clock has leaped.
    """

    def __init__(self, file: LedgerFile, clock: Clock, on_leap: Callable[[int], None]) -> None:
        """The loop may read `file` at any time; in a thread we write beside it."""
        self._thread = OneThread("ledger writer") if file.durability == "power" else None
        self._read = file
        self._written = file.beside() if self._thread else file
        self._clock = clock
        self._on_leap = on_leap
        self._checkpointer = Checkpointer(file, on_copied=self._schedule)
        self._waiting: list[_Asked] = []
        self._timer: asyncio.Handle | None = None
        self._locked_since_ns: int | None = None
        self._is_running = False
        self._is_idle = asyncio.Event()
        self._is_closed = False

    def submit(self, operation: Callable[[Transaction], _T]) -> "asyncio.Future[_T]":
        """Run the operation in the next transaction.

        The answer raises what the operation raised, or LedgerUnavailable: then nothing of
        it was written, or nobody can tell.
        """
        if self._is_closed:
            raise LedgerUnavailable("the ledger is closed")
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(operation, future))
        self._schedule()
        return future

    async def close(self) -> None:
        """Finish what was asked, and ask no more."""
        self._is_closed = True
        while self._is_running or self._waiting:
            self._is_idle.clear()
            await self._is_idle.wait()
        await self._checkpointer.close()
        if self._thread is not None:
            self._thread.close()
        self._written.drop()
        self._read.drop()

    def _schedule(self) -> None:
        if self._is_running or self._timer is not None:
            return
        if self._waiting or self._checkpointer.is_copied:
            self._timer = asyncio.get_running_loop().call_soon(self._run)
        else:
            self._is_idle.set()

    def _run(self) -> None:
        self._timer = None
        if self._checkpointer.is_copied:
            finishing = self._checkpointer.finish()
            self._is_running = True
            finishing.add_done_callback(lambda done: self._go_on())
            return
        waiting = [asked for asked in self._waiting if not asked.future.done()]
        at_once = _ON_LOOP_MAX if self._thread is None else _IN_THREAD_MAX
        asked, self._waiting = waiting[:at_once], waiting[at_once:]
        if not asked:
            self._schedule()
            return
        operations = [one.operation for one in asked]
        work = partial(batch.run, self._written, self._clock, operations)
        if self._thread is None:
            self._end(asked, work())
        else:
            running = self._thread.start(work)
            self._is_running = True
            running.add_done_callback(lambda done: self._end(asked, done.result()))

    def _go_on(self) -> None:
        self._is_running = False
        self._schedule()

    def _end(self, asked: list[_Asked], result: Ended | NotBegun) -> None:
        if isinstance(result, NotBegun):
            self._waiting[:0] = asked
            self._wait_or_fail(result)
        else:
            self._locked_since_ns = None
            if result.leap_ms:
                # On its own: whoever is told may fail, and what was written stands.
                asyncio.get_running_loop().call_soon(self._on_leap, result.leap_ms)
            _answer(asked, result.outcomes)
            self._checkpointer.after_commit()
        self._go_on()

    def _wait_or_fail(self, result: NotBegun) -> None:
        if result.is_locked and self._may_wait():
            self._timer = asyncio.get_running_loop().call_later(_LOCK_RETRY_S, self._run)
            return
        self._locked_since_ns = None
        asked, self._waiting = self._waiting, []
        _answer(asked, [Failed(LedgerUnavailable(result.failure.why)) for _ in asked])

    def _may_wait(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if self._locked_since_ns is None:
            self._locked_since_ns = now_ns
        return now_ns - self._locked_since_ns < _LOCK_WAIT_MAX_NS


def _answer(asked: list[_Asked], outcomes: Sequence[object]) -> None:
    for one, outcome in zip(asked, outcomes, strict=True):
        if one.future.done():
            continue
        if isinstance(outcome, Failed):
            one.future.set_exception(outcome.error)
        else:
            one.future.set_result(outcome)
