"""Keeps the hold of a stream ahead of what comes.

What `growth` says is to be done is done beside the stream, which goes on meanwhile as far as
the hold reaches; then it waits. Per chunk nothing is counted, decoded or asked.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from pricing.profile import Profile
from proxy.dialects.closing import Counted
from proxy.dialects.stream import AnswerStream
from proxy.domain.errors import BudgetRefused, LedgerError, LedgerUnavailable, Reason, Refused
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.estimate import Way
from proxy.gateway.runtime.tasks import TaskSet
from proxy.gateway.stream.growth import Growth, Step
from proxy.gateway.stream.hold import GrowingHold
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics

_LACKING: Final = frozenset({Reason.BUDGET_EXCEEDED, Reason.BUDGET_BUSY})
"""The refusals after which a smaller growth may be granted."""


class DeliveredCount:
    """The tokens of a stream so far: of each text, only what is new is counted."""

    def __init__(self, stream: AnswerStream, counter: Counter, profile: Profile) -> None:
        self._stream = stream
        self._counter = counter
        self._profile = profile
        self._seen_characters: list[int] = []
        self._tokens = 0

    async def count(self) -> int | None:
        """How many there are; None where not all that came could be kept to be counted."""
        answer = self._stream.answer
        texts = answer.delivered_texts()
        seen = [*self._seen_characters, *[0] * (len(texts) - len(self._seen_characters))]
        new = tuple(text[start:] for text, start in zip(texts, seen, strict=True))
        self._seen_characters = [len(text) for text in texts]
        self._tokens += await self._counter.count_texts(new, self._profile)
        return self._tokens if answer.countable else None


class Keeper:
    """Lets a stream pass as long as its hold covers it.

    `goes_on`: while the ledger cannot be asked, the stream goes on beyond its hold.
    """

    def __init__(
        self,
        hold: GrowingHold,
        stream: AnswerStream,
        delivered: DeliveredCount,
        growth: Growth,
        metrics: Metrics,
        log: Log,
        *,
        goes_on: bool,
    ) -> None:
        self._hold = hold
        self._stream = stream
        self._delivered = delivered
        self._growth = growth
        self._metrics = metrics
        self._log = log
        self._goes_on = goes_on
        self._tasks = TaskSet()
        self._work: asyncio.Task[None] | None = None
        self._arrived_bytes = 0

    async def let_pass(self) -> bool:
        """Whether what came may go on, as soon as it may; False: the stream ends here."""
        growth = self._growth
        growth.arrived(self._stream.text_bytes - self._arrived_bytes)
        self._arrived_bytes = self._stream.text_bytes
        while (step := growth.next_step(now_ms())) is not Step.PASS:
            if self._work is None and step is Step.CUT:
                return False
            if self._work is None and step is Step.WAIT:
                await asyncio.sleep(growth.pause_ms(now_ms()) / 1000)
                continue
            if self._work is None:
                self._work = self._tasks.start(self._attend(step), name="grow a hold")
            if not growth.is_over:
                break
            await self._finish_work()
        return True

    async def cut(self) -> Counted:
        """The stream was ended here; what came of it, or may have where nobody can say."""
        hold = self._hold
        await self._finish_work()
        tokens = await self._delivered.count()
        counted = Counted(hold.input_tokens, hold.limit_tokens if tokens is None else tokens)
        self._metrics.streams_cut.inc()
        self._log.line(
            "stream_cut",
            reservation_id=hold.reservation_id,
            model=hold.model,
            output_tokens=counted.output_tokens,
        )
        return counted

    async def close(self) -> None:
        """The stream is over: nothing more is asked for it."""
        await self._finish_work()

    async def _finish_work(self) -> None:
        if (work := self._work) is not None:
            await asyncio.wait({work})
            work.result()

    async def _attend(self, step: Step) -> None:
        try:
            if step is Step.COUNT:
                await self._count()
            else:
                await self._grow()
        finally:
            self._work = None

    async def _count(self) -> None:
        before = self._arrived_bytes
        tokens = await self._delivered.count()
        self._growth.counted(
            self._hold.limit_tokens if tokens is None else tokens,
            text_bytes=self._arrived_bytes - before,
            now_ms=now_ms(),
        )

    async def _grow(self) -> None:
        hold, growth = self._hold, self._growth
        try:
            by_tokens = await hold.grow(growth.wanted_tokens)
        except LedgerUnavailable:
            if self._goes_on:
                growth.lifted()
            else:
                growth.unanswered(now_ms=now_ms())
        except BudgetRefused as refused:
            left_tokens = hold.left_tokens(refused) if refused.reason in _LACKING else 0
            growth.refused(left_tokens=left_tokens, now_ms=now_ms())
        except (Refused, LedgerError):
            growth.refused(left_tokens=0, now_ms=now_ms())
        else:
            growth.grown(by_tokens, now_ms=now_ms())
            self._metrics.holds_grown.inc()


def now_ms() -> int:
    """By the clock of the loop, which never steps."""
    return int(asyncio.get_running_loop().time() * 1000)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Makes keepers. `lookahead_tokens` are those of `Growth`, `goes_on` that of `Keeper`."""

    counter: Counter
    metrics: Metrics
    log: Log
    lookahead_tokens: int
    goes_on: bool

    def keeper(self, hold: GrowingHold, way: Way, stream: AnswerStream) -> Keeper:
        """What keeps this hold ahead of this stream."""
        growth = Growth(
            held_tokens=hold.held_tokens,
            limit_tokens=hold.limit_tokens,
            lookahead_tokens=self.lookahead_tokens,
            started_ms=now_ms(),
        )
        delivered = DeliveredCount(stream, self.counter, way.model.profile)
        return Keeper(hold, stream, delivered, growth, self.metrics, self.log, goes_on=self.goes_on)
