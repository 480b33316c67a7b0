"""Keeps what the ledger has to hear until it has heard it: on disk, in order, once.

A record counts as kept when the disk has it. One that the disk does not take stays in
memory, is said so, and is tried again. What has landed leaves the file some time later: a
crash in between lands it again under the same keys, which changes nothing. Source:
docs/semantics.md, "While the ledger is away"; field-report 25-32.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.domain.errors import LedgerError, LedgerUnavailable
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.record import (
    Damaged,
    Ended,
    Left,
    Record,
    Settle,
    costs,
    landable,
    read,
    written,
)
from proxy.gateway.outbox.shelf import Shelf
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.records import Event, Settlement
from proxy.observe.logs import Log

Land = Callable[[Record], Awaitable[Settlement | None]]
OnLanded = Callable[[Settlement | None], None]

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_TIDY_AFTER: Final = 1_000
"""So many records may have landed and still lie in the file."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """A record on its way. `is_kept`: the disk has it."""

    record: Record
    line: bytes
    on_landed: OnLanded
    is_kept: bool = False


class Outbox:
    """The records of this process, and those that dead ones left.

    `max_bytes` is how much may wait before it is full; what is under way then still comes in.
    """

    def __init__(
        self,
        shelf: Shelf,
        land: Land,
        outage: Outage,
        tasks: TaskSet,
        log: Log,
        *,
        max_bytes: int,
    ) -> None:
        self._shelf = shelf
        self._land = land
        self._outage = outage
        self._tasks = tasks
        self._log = log
        self._max_bytes = max_bytes
        self._waiting: deque[_Waiting] = deque()
        self._left: dict[str, _Waiting] = {}
        self._waiting_bytes = 0
        self._untidy = 0
        self._disk = asyncio.Lock()
        self._disk_fails = False
        self._is_landing = False

    def __len__(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Nothing waits, and no call is under way that would have to."""
        return not self._waiting and not self._left

    @property
    def is_full(self) -> bool:
        """Nothing that would have to wait may be begun."""
        return self._waiting_bytes >= self._max_bytes

    async def keep(self, record: Record, on_landed: OnLanded, *, why: str | None) -> None:
        """Take a record in, and return when it is kept as well as it can be.

        `on_landed` hears what the ledger said. `why` it could not be told at once; None
        where nobody has tried.
        """
        if why is not None:
            self._outage.began(why)
        if isinstance(record, Ended):
            self._forget_left(record.key)
        self._add(record, on_landed)
        self._start_landing()
        await self._write()

    async def let_leave(self, event: Event, *, why: str) -> bool:
        """Write down that a call leaves without a hold; it must not where that is false.

        Whoever lets it leave keeps an `Ended` for it. `why` there is no hold.
        """
        self._outage.began(why)
        if self.is_full:
            return False
        record = Left(event)
        left = self._left[event.key] = _Waiting(record, written(record), _ignore)
        self._waiting_bytes += len(left.line)
        is_kept = False
        try:
            await self._write()
            is_kept = left.is_kept
        finally:
            if not is_kept:
                # A caller who was cancelled, or a disk that failed, may have left a line.
                self._forget_left(event.key)
                self._add(Ended(event.key, None), _ignore)
                self._start_landing()
        return is_kept

    async def adopt(self) -> None:
        """Take over what dead processes left for the same ledger, if they left anything.

        What cannot be taken over now stays where it is until the next time.
        """
        async with self._disk:
            try:
                adopted, damaged = await asyncio.to_thread(self._take_over)
            except OSError as error:
                self._say_disk_fails(error)
                return
            for record in adopted:
                self._add(record, _ignore).is_kept = True
        if damaged:
            self._say_set_aside(damaged)
        if adopted:
            self._log.line("settlements_adopted", records=len(adopted))

    async def land(self) -> None:
        """Tell the ledger everything that waits, in order.

        Raises:
            LedgerUnavailable: the rest waits on.
        """
        while self._waiting:
            first = self._waiting[0]
            settlement = await self._tell(first)
            self._waiting.popleft()
            self._waiting_bytes -= len(first.line)
            self._untidy += 1
            self._outage.landed()
            first.on_landed(settlement)
            if self._untidy >= _TIDY_AFTER:
                await self._tidy()
        await self._tidy()

    async def start(self) -> None:
        """Land what was left by processes before this one, as far as the ledger can be reached."""
        await self.adopt()
        try:
            await self.land()
        except LedgerUnavailable as failure:
            self._outage.began(str(failure))
            self._start_landing()

    async def adopt_and_land(self) -> None:
        """Land what dead processes have left meanwhile."""
        await self.adopt()
        if self._waiting:
            self._start_landing()

    def close(self) -> None:
        """Leave what waits to the next process, and say what of it only this one knew."""
        lost = sum(not waiting.is_kept for waiting in self._waiting)
        if lost:
            self._log.line("settlements_lost", records=lost)
        self._shelf.close()

    def _forget_left(self, key: str) -> None:
        left = self._left.pop(key, None)
        if left is not None:
            self._waiting_bytes -= len(left.line)

    def _add(self, record: Record, on_landed: OnLanded) -> _Waiting:
        waiting = _Waiting(record, written(record), on_landed)
        self._waiting.append(waiting)
        self._waiting_bytes += len(waiting.line)
        return waiting

    def _start_landing(self) -> None:
        if not self._is_landing:
            self._is_landing = True
            self._tasks.start(self._land_all(), name="land settlements")

    async def _land_all(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while self._waiting:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                await self._write()
                try:
                    await self.land()
                except LedgerUnavailable as failure:
                    self._outage.began(str(failure))
            if self.is_idle:
                self._outage.ended()
        finally:
            self._is_landing = False

    async def _tell(self, waiting: _Waiting) -> Settlement | None:
        """Nothing may stand in the way of what comes after it but a ledger that is away."""
        try:
            return await self._land(waiting.record)
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            refusal = type(error).__name__
        except Exception as error:  # noqa: BLE001 - a record that breaks us must not stop the rest
            refusal = type(error).__name__
            self._log.line("internal_error", error=refusal)
        record = waiting.record
        reservation_id = key = None
        match record:
            case Settle():
                reservation_id = record.reservation_id
            case Left():
                key = record.event.key
            case Ended():
                key = record.key
        self._log.line("settlement_refused", reservation_id=reservation_id, key=key, error=refusal)
        if costs(record):
            await self._set_aside(waiting.line)
        return None

    async def _write(self) -> None:
        """Bring to the disk what it does not have yet. One flush for all who wait for it."""
        async with self._disk:
            unkept = [each for each in self._all_lines() if not each.is_kept]
            if not unkept:
                return
            lines = b"".join([waiting.line for waiting in unkept])
            try:
                await asyncio.to_thread(self._shelf.append, lines)
            except OSError as error:
                self._say_disk_fails(error)
                return
            self._disk_fails = False
            for waiting in unkept:
                waiting.is_kept = True

    def _all_lines(self) -> list[_Waiting]:
        return [*self._left.values(), *self._waiting]

    async def _tidy(self) -> None:
        """Leave in the file only what still waits."""
        async with self._disk:
            if not self._untidy:
                return
            waiting = self._all_lines()
            lines = b"".join([each.line for each in waiting])
            try:
                await asyncio.to_thread(self._shelf.replace, lines)
            except OSError as error:
                self._say_disk_fails(error)
                return
            self._untidy = 0
            for each in waiting:
                each.is_kept = True

    def _take_over(self) -> tuple[list[Record], int]:
        """Move what was left onto our shelf; how many lines went to the quarantine.

        Raises:
            OSError: nothing was moved, or it lies on both shelves.
        """
        with self._shelf.orphans() as left:
            records, damaged = [], []
            for line in left.splitlines(keepends=True):
                try:
                    records.append(read(line[:-1]))
                except Damaged:
                    damaged.append(line)
            if damaged:
                self._shelf.set_aside(b"".join(damaged))
            told = landable(records)
            if told:
                self._shelf.append(b"".join(map(written, told)))
        return told, len(damaged)

    async def _set_aside(self, line: bytes) -> None:
        try:
            await asyncio.to_thread(self._shelf.set_aside, line)
        except OSError as error:
            self._say_disk_fails(error)
        else:
            self._say_set_aside(1)

    def _say_set_aside(self, records: int) -> None:
        self._log.line("settlements_set_aside", records=records, file=str(self._shelf.quarantine))

    def _say_disk_fails(self, error: OSError) -> None:
        if not self._disk_fails:
            self._log.line("settlements_in_memory", why=error.strerror or type(error).__name__)
        self._disk_fails = True


def _ignore(settlement: Settlement | None) -> None:
    """Whoever would have wanted to know is dead."""
