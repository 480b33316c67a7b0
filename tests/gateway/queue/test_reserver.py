"""What the step `reserve` makes of a call that waits: one question, asked again."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

from pricing.bound import BoundClass, InputBound
from proxy.domain.errors import BudgetRefused, LedgerUnavailable, Reason, Refused, Shortage
from proxy.domain.reservation import Overage
from proxy.domain.subject import Subject
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.reserve import HoldRules, Reserver
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Patience, Queue
from proxy.ledger.records import Grant, ReserveRequest, Span
from proxy.observe.metrics import Metrics
from tests.e2e.stack import ListLog
from tests.gateway.queue.world import TENANT, TOKENS, USD
from tests.ledger.rules.balances import balance
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime

MODEL = SimpleNamespace(name="m", card=SimpleNamespace(source="a page"))
BOUND = InputBound(0, 0, 0, 0, BoundClass.EXACT, ())
PLAN = SimpleNamespace(
    api="chat",
    rungs=({USD: Span(5, 5), TOKENS: Span(5, 5)},),
    free=frozenset(),
    ways=[SimpleNamespace(model=MODEL, bound=BOUND, held_tokens=None, for_tools={})],
    policy=None,
)
GRANT = Grant("r", 0, {USD: 5, TOKENS: 5}, 0, 0, (), ())


def refusal(reason: Reason) -> BudgetRefused:
    return BudgetRefused(reason, Shortage(TENANT, USD, 5, 1, None))


@dataclass
class Scripted:
    """A ledger that answers each question with the next of `answers`."""

    answers: list[Grant | Exception]
    asked: list[ReserveRequest] = field(default_factory=list)

    async def reserve(self, request: ReserveRequest) -> Grant:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Door:
    """A caller who stays."""

    def when_gone(self, react: Callable[[], None]) -> None:
        """That never happens."""


class Room:
    """A reserver, in virtual time."""

    def __init__(self, *answers: Grant | Exception, max_wait_ms: int | None = 60_000) -> None:
        time = VirtualTime()
        self._loop = VirtualLoop(time)
        self.ledger = Scripted(list(answers))
        self.metrics = Metrics()
        self.queue = Queue()
        self.waited_ns: list[int] = []
        patience = None if max_wait_ms is None else Patience(max_wait_ms, 100)
        self._reserver = Reserver(
            self.ledger,  # type: ignore[arg-type]
            Leases(self.ledger, ListLog(), ttl_ms=60_000),  # type: ignore[arg-type]
            Denials(time),
            self.queue,
            HoldRules(60_000, 50, Overage.ALLOW_IF_AVAILABLE, patience),
            self.metrics,
            time,
        )
        self._names = iter("abcdef")

    def __enter__(self) -> "Room":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.dispose()

    def settle_after(self, *delays_ms: int) -> None:
        """Holds on the tenant end, here."""
        for delay_ms in delays_ms:
            self._loop.call_later(delay_ms / 1000, self.queue.made_room, [balance(TENANT)])

    def reserve(self, calls: int = 1) -> list[Grant | BaseException]:
        """What calls like each other hear, in their order."""

        async def ask() -> list[Grant | BaseException]:
            calls_made = [self._reserve() for _ in range(calls)]
            return await asyncio.gather(*calls_made, return_exceptions=True)

        return self._loop.run_until_complete(ask())

    async def _reserve(self) -> Grant:
        return await self._reserver.reserve(
            Subject(tenant="dev"),
            PLAN,  # type: ignore[arg-type]
            name=next(self._names),
            trace_id="t",
            door=Door(),  # type: ignore[arg-type]
            on_waited=self.waited_ns.append,
        )


def reasons(heard: Sequence[object]) -> list[Reason | None]:
    return [each.reason if isinstance(each, Refused) else None for each in heard]


def test_a_call_that_waits_asks_the_same_again() -> None:
    """Under its key: should an answer get lost, there is no second hold."""
    with Room(refusal(Reason.BUDGET_BUSY), refusal(Reason.BUDGET_BUSY), GRANT) as room:
        room.settle_after(10, 30)
        assert room.reserve() == [GRANT]
        assert room.ledger.asked == [room.ledger.asked[0]] * 3
        assert room.waited_ns == [30_000_000]


def test_the_time_of_the_ledger_is_that_of_each_question() -> None:
    with Room(refusal(Reason.BUDGET_BUSY), GRANT, max_wait_ms=1_000) as room:
        room.settle_after(900)
        room.reserve()
        text = room.metrics.exposition().decode()
        assert 'spendgate_ledger_seconds_count{operation="reserve"} 2.0' in text
        assert 'spendgate_ledger_seconds_sum{operation="reserve"} 0.0' in text


def test_who_waits_is_not_answered_from_memory() -> None:
    """The first will never fit; the second, just like it, is asked for all the same."""
    with Room(refusal(Reason.BUDGET_BUSY), refusal(Reason.BUDGET_EXCEEDED), GRANT) as room:
        room.settle_after(10)
        first, second = room.reserve(calls=2)
        assert reasons([first]) == [Reason.BUDGET_EXCEEDED]
        assert second == GRANT


def test_who_comes_when_such_a_call_was_just_denied_does_not_wait() -> None:
    with Room(refusal(Reason.BUDGET_EXCEEDED)) as room:
        assert reasons(room.reserve() + room.reserve()) == [Reason.BUDGET_EXCEEDED] * 2
        assert len(room.ledger.asked) == 1


def test_a_ledger_that_is_away_ends_the_wait() -> None:
    with Room(refusal(Reason.BUDGET_BUSY), LedgerUnavailable(), LedgerUnavailable()) as room:
        room.settle_after(10)
        assert reasons(room.reserve(calls=2)) == [Reason.AUTHORITY_UNAVAILABLE] * 2
        assert room.waited_ns == [10_000_000] * 2
        assert len(room.queue) == 0


def test_without_patience_nobody_waits() -> None:
    with Room(refusal(Reason.BUDGET_BUSY), max_wait_ms=None) as room:
        assert reasons(room.reserve()) == [Reason.BUDGET_BUSY]
        assert room.waited_ns == []
