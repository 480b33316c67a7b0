"""Keeps what the ledger has to hear until it has heard it: on disk, in order, once.

A record counts as kept when the disk has it. One that the disk does not take stays in
memory, is said so, and is tried again. What has landed leaves the file some time later: a
crash in between lands it again under the same keys, which changes nothing. Source:
docs/semantics.md, "While the ledger is away"; field-report 25-32.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from msgspec.structs import replace

from proxy.domain.clock import Clock, SystemClock
from proxy.domain.errors import (
    LedgerError,
    LedgerThrottled,
    LedgerUnavailable,
    NotUnderstood,
    Refused,
)
from proxy.gateway.outbox.adoption import take_over
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.record import (
    Amended,
    Ended,
    Left,
    Record,
    Settle,
    costs,
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

_NOT_UNDERSTOOD_PAUSE_S: Final = 60.0
"""Before a record is tried again of which the ledger said something that makes no sense."""

_THROTTLED_MS: Final = 1_000
"""How long to wait where a ledger asks for a pause and does not say how long."""

_THROTTLED_MS_MAX: Final = 86_400_000


@dataclass(eq=False, slots=True)
class _Waiting:
    """A record on its way. `is_kept`: the disk has it. `not_before_s`: by the loop's clock."""

    record: Record
    line: bytes
    on_landed: OnLanded
    is_kept: bool = False
    not_before_s: float = 0.0


class Outbox:
    """The records of this process, and those that dead ones left.

    `max_bytes` is how much may wait before it is full; what is under way then still comes in.
    `lanes` is how many records are told at a time: with more than one, in no promised order,
    and as soon as they are kept; with one, some time after the ledger could not be reached.
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
        lanes: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self._lanes = lanes
        self._clock = clock or SystemClock()
        self._not_before_ms = 0
        self._shelf = shelf
        self._land = land
        self._outage = outage
        self._tasks = tasks
        self._log = log
        self._max_bytes = max_bytes
        self._waiting: dict[_Waiting, None] = {}
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
                adopted, damaged = await asyncio.to_thread(take_over, self._shelf)
            except OSError as error:
                self._say_disk_fails(error)
                return
            for record in adopted:
                self._add(record, _ignore).is_kept = True
                self._keep_pause(record)
        if damaged:
            self._say_set_aside(damaged)
        if adopted:
            self._log.line("settlements_adopted", records=len(adopted))

    async def land(self) -> int:
        """Tell the ledger everything that waits and may be told now, in order; how much that was.

        Raises:
            LedgerUnavailable: the rest waits on.
        """
        landed = 0
        while batch := self._due():
            failures = await asyncio.gather(*map(self._failure_of, batch))
            for failure in filter(None, failures):
                raise failure
            landed += len(batch)
            if self._untidy >= _TIDY_AFTER:
                await self._tidy()
        await self._tidy()
        return landed

    async def _failure_of(self, waiting: _Waiting) -> LedgerUnavailable | None:
        """Land one record; why it cannot be now."""
        try:
            await self._land_one(waiting)
        except LedgerUnavailable as failure:
            return failure
        return None

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

    def _keep_pause(self, record: Record) -> None:
        """What a ledger asked of a process that is dead holds for us as well."""
        if isinstance(record, Settle):
            latest_ms = self._clock.now_ms() + _THROTTLED_MS_MAX
            not_before_ms = min(record.not_before_ms, latest_ms)
            self._not_before_ms = max(self._not_before_ms, not_before_ms)

    def _forget_left(self, key: str) -> None:
        left = self._left.pop(key, None)
        if left is not None:
            self._waiting_bytes -= len(left.line)

    def _add(self, record: Record, on_landed: OnLanded) -> _Waiting:
        waiting = _Waiting(record, written(record), on_landed)
        self._waiting[waiting] = None
        self._waiting_bytes += len(waiting.line)
        return waiting

    def _start_landing(self) -> None:
        if not self._is_landing:
            self._is_landing = True
            self._tasks.start(self._land_all(), name="land settlements")

    async def _land_all(self) -> None:
        pause_s = _FIRST_PAUSE_S if self._lanes == 1 else 0.0
        try:
            while self._waiting:
                await asyncio.sleep(pause_s)
                pause_s = min(_longer(pause_s), _LONGEST_PAUSE_S)
                await self._write()
                try:
                    if await self.land():
                        pause_s = _FIRST_PAUSE_S
                except LedgerUnavailable as failure:
                    self._outage.began(str(failure))
            if self.is_idle:
                self._outage.ended()
        finally:
            self._is_landing = False

    def _due(self) -> list[_Waiting]:
        """The next records to tell: none of them before the ledger wants to be asked again."""
        if not self._waiting or self._clock.now_ms() < self._not_before_ms:
            return []
        now_s = asyncio.get_running_loop().time()
        due = (waiting for waiting in self._waiting if waiting.not_before_s <= now_s)
        return list(islice(due, self._lanes))

    async def _land_one(self, waiting: _Waiting) -> None:
        """Tell one record. Of one that makes no sense to us, try others meanwhile."""
        if not waiting.is_kept:
            await self._write()
        try:
            settlement = await self._tell(waiting)
        except NotUnderstood as failure:
            self._outage.began(str(failure))
            waiting.not_before_s = asyncio.get_running_loop().time() + _NOT_UNDERSTOOD_PAUSE_S
            return
        except LedgerThrottled as pause:
            await self._wait_before_asking_again(waiting, pause.retry_after_ms)
            raise
        del self._waiting[waiting]
        self._waiting_bytes -= len(waiting.line)
        self._untidy += 1
        self._outage.landed()
        waiting.on_landed(settlement)

    async def _wait_before_asking_again(
        self, waiting: _Waiting, retry_after_ms: int | None
    ) -> None:
        """The pause is written down with the record: whoever comes next keeps it as well."""
        pause_ms = min(retry_after_ms or _THROTTLED_MS, _THROTTLED_MS_MAX)
        self._not_before_ms = self._clock.now_ms() + pause_ms
        if isinstance(waiting.record, Settle) and waiting.record.event is not None:
            record = replace(waiting.record, not_before_ms=self._not_before_ms)
            await self._amend(waiting, record)

    async def _amend(self, waiting: _Waiting, record: Settle) -> None:
        line = written(record)
        self._waiting_bytes += len(line) - len(waiting.line)
        waiting.record, waiting.line, waiting.is_kept = record, line, False
        self._untidy += 1
        await self._write()

    async def _tell(self, waiting: _Waiting) -> Settlement | None:
        """Nothing may stand in the way of what comes after it but a ledger that is away."""
        try:
            return await self._land(waiting.record)
        except LedgerUnavailable:
            raise
        except Amended as amended:
            await self._amend(waiting, amended.record)
            if not waiting.is_kept:
                raise LedgerUnavailable("the disk does not take what has to be told") from None
            return await self._tell(waiting)
        except (LedgerError, Refused) as error:
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


def _longer(pause_s: float) -> float:
    return 2 * pause_s or _FIRST_PAUSE_S


def _ignore(settlement: Settlement | None) -> None:
    """Whoever would have wanted to know is dead."""
