"""A stream between an upstream that is a list and a caller who is one, in virtual time."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec.structs import replace
from multidict import CIMultiDict

from pricing.catalogue import Catalogue
from pricing.profile import Profile
from proxy.dialects.chat import CHAT
from proxy.domain.errors import BudgetRefused, Reason, Refused, Shortage
from proxy.domain.money import Unit
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.charge import Pricer
from proxy.gateway.estimate import Estimator, Way
from proxy.gateway.forward import BrokenOff
from proxy.gateway.meter import Meter
from proxy.gateway.metered import Disconnects, Metered
from proxy.gateway.routes import Route, Routes
from proxy.gateway.runtime.door import ClientGone
from proxy.gateway.stream.hold import GrowingHold
from proxy.gateway.stream.keeper import Keeping
from proxy.ledger.records import Grant
from proxy.observe.logs import Field
from proxy.observe.metrics import Metrics
from proxy.policies import Wish
from tests.dialects.examples import DONE, chunk, events, finished
from tests.e2e.stack import loaded_tokenizers
from tests.ledger.harness import ManualClock
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime

Outcome = TypeVar("Outcome")

LOOKAHEAD = 50
HELD = 200
LIMIT = 20_000
TEXT = " word"
"""One token, five bytes."""

TOKENS, USD = Unit.TOKENS, Unit.USD_MICROCENTS


def token(text: str = TEXT, **fields: Any) -> bytes:
    """One event with one token."""
    return events([chunk({"content": text}, **fields)])


END = events([chunk({}, choices=finished()), DONE])


@dataclass
class Upstream:
    """An `UpstreamAnswer`: what comes, and how long after what came before."""

    pieces: list[tuple[int, bytes]]
    status: int = 200
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"Content-Type": "text/event-stream"}
    )
    aborted_at_ms: int | None = None

    async def read(self) -> bytes:
        if self.aborted_at_ms is not None:
            raise BrokenOff
        if not self.pieces:
            return b""
        wait_ms, piece = self.pieces[0]
        if wait_ms:
            await asyncio.sleep(wait_ms / 1000)
        self.pieces.pop(0)
        return piece

    def abort(self) -> None:
        if self.aborted_at_ms is None:
            self.aborted_at_ms = now_ms()


@dataclass
class Listener:
    """A `Door` with nothing but an answer: each piece with the time at which it came."""

    heard: list[tuple[int, bytes]] = field(default_factory=list)
    is_broken_off: bool = False
    leaves_after: int | None = None
    gone: bool = False
    method: str = "POST"
    path: str = ""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    _react: Callable[[], None] = lambda: None

    @property
    def text(self) -> bytes:
        return b"".join(piece for _, piece in self.heard)

    @property
    def tokens(self) -> int:
        return self.text.count(TEXT.encode())

    def header(self, name: str) -> str | None:
        return None

    async def body(self) -> bytes:
        raise AssertionError("the body was read before there was a stream")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        raise AssertionError("a stream is no answer in one piece")

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        return

    async def write(self, data: bytes) -> None:
        if self.leaves_after is not None and len(self.heard) >= self.leaves_after:
            self.gone = True
            self._react()
        if self.gone:
            raise ClientGone
        self.heard.append((now_ms(), data))

    def break_off(self) -> None:
        self.is_broken_off = True

    def when_gone(self, react: Callable[[], None]) -> None:
        self._react = react


@dataclass
class Room:
    """A ledger of which only `grow` is asked: so many tokens are left, in its one scope."""

    left_tokens: int = 10**9
    answers_after_ms: int = 0
    fails: list[Exception] = field(default_factory=list)
    """What the next questions end with, instead."""
    asked: list[tuple[int, str, Mapping[Unit, int]]] = field(default_factory=list)
    held: dict[Unit, int] = field(default_factory=dict)

    async def grow(self, reservation_id: str, *, by: Mapping[Unit, int], key: str) -> Grant:
        self.asked.append((now_ms(), key, by))
        await asyncio.sleep(self.answers_after_ms / 1000)
        if self.fails:
            raise self.fails.pop(0)
        if by[TOKENS] > self.left_tokens:
            shortage = Shortage("tenant:dev", TOKENS, by[TOKENS], self.left_tokens, None)
            raise BudgetRefused(Reason.BUDGET_EXCEEDED, shortage)
        self.left_tokens -= by[TOKENS]
        self.held = {unit: held + by.get(unit, 0) for unit, held in self.held.items()}
        return grant(self.held)


def refusal(reason: Reason) -> Refused:
    """What a scope says that has room and may not be used."""
    return BudgetRefused(reason, Shortage("tenant:dev", TOKENS, 1, 10**9, None))


@dataclass
class Lines:
    """A log that is a list."""

    lines: list[tuple[str, dict[str, Field]]] = field(default_factory=list)

    def line(self, event: str, **fields: Field) -> None:
        self.lines.append((event, fields))


class Counts(Counter):
    """A `Counter` that remembers when it counted what was delivered."""

    def __init__(self) -> None:
        super().__init__(loaded_tokenizers())
        self.counted_at_ms: list[int] = []

    async def count_texts(self, texts: tuple[str, ...], profile: Profile) -> int:
        self.counted_at_ms.append(now_ms())
        return await super().count_texts(texts, profile)


@dataclass
class Course:
    """One stream from its first piece to its end, with all that it met."""

    upstream: Upstream
    room: Room = field(default_factory=Room)
    door: Listener = field(default_factory=Listener)
    disconnects: Disconnects = Disconnects("abort", 10_000, None)  # noqa: RUF009 - it is frozen
    goes_on: bool = False
    asks_usage: bool = False
    n: int = 1
    counts: Counts = field(default_factory=Counts)
    log: Lines = field(default_factory=Lines)
    metrics: Metrics = field(default_factory=Metrics)
    hold: GrowingHold | None = None

    def run(self, *, grows: bool = True) -> Metered:
        """Let it flow. `grows`: its hold is for HELD tokens; else for all that it may have."""
        return in_virtual_time(lambda: self._flow(grows=grows))

    async def _flow(self, *, grows: bool) -> Metered:
        way = await a_way(self.n)
        if grows:
            way = replace(way, held_tokens=HELD)
            self.room.held = dict(way.amounts_for(HELD))
            self.hold = GrowingHold(self.room, grant(self.room.held), way)  # type: ignore[arg-type]
        pricer = Pricer(Catalogue(), self.counts, ManualClock(), missing_usage="counted")
        keeping = Keeping(
            self.counts, self.metrics, self.log, lookahead_tokens=LOOKAHEAD, goes_on=self.goes_on
        )
        meter = Meter(self.disconnects, pricer, keeping, exposes_cost=False)
        return await meter.read(
            CHAT,
            self.upstream,
            self.door,
            CIMultiDict(),
            way,
            strips_usage=not self.asks_usage,
            on_first_byte=lambda: None,
            growing=self.hold,
        )


def flowing(count: int, *, every_ms: int) -> Upstream:
    """A stream of so many tokens, and its end."""
    return Upstream([(every_ms, token())] * count + [(every_ms, END)])


async def a_way(n: int = 1) -> Way:
    """A call for up to LIMIT tokens, of a model that hides nothing."""
    body = {"model": "gpt-4.1-mini", "max_tokens": LIMIT, "n": n, "stream": True}
    body |= {"messages": [{"role": "user", "content": "Go on."}]}
    rules = Estimator(
        Catalogue(),
        Counter(loaded_tokenizers()),
        Degrade(shorten=False, min_output_tokens=1, fallback_models={}),
        Routes([Route("openai", "openai", ("*",), "openai")]),
        Ceilings(None, None, 60_000),
    )
    request = CHAT.read_request(json.dumps(body).encode())
    return (await rules.plan(CHAT, request, Wish(), at_ms=ManualClock().now_ms())).ways[0]


def grant(amounts: Mapping[Unit, int]) -> Grant:
    return Grant("rsv_1", 0, dict(amounts), 0, 0, (), ())


def now_ms() -> int:
    return round(asyncio.get_running_loop().time() * 1000)


def in_virtual_time(work: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
    """Do it, in no time. Nothing may be left behind."""
    loop = VirtualLoop(VirtualTime())
    try:
        outcome = loop.run_until_complete(work())
        assert not [task for task in asyncio.all_tasks(loop) if not task.done()]
        assert not loop.failures()
        assert not loop.complaints
        return outcome
    finally:
        loop.dispose()
