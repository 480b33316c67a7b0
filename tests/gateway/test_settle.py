"""Holds end exactly once, also while the ledger is away."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.domain.clock import SystemClock
from proxy.domain.errors import (
    ActorRequired,
    LedgerError,
    LedgerUnavailable,
    Reason,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.ending import Charged, GivenBack, LeftUncertain, Sentence
from proxy.gateway.outbox import outbox
from proxy.gateway.outbox.landing import Landing
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.shelf import Shelf
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.runtime.tasks import TaskSet
from proxy.gateway.settle import Settler
from proxy.ledger.records import Balance, Settlement
from tests.e2e.stack import ListLog
from tests.ledger.rules.balances import balance

USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS
ACTUAL = {USD: 700, TOKENS: 20}
CHARGED = Charged(ACTUAL, estimated=False, model="m")


def settlement(uncovered: int = 0, uncovered_tokens: int = 0) -> Settlement:
    return Settlement(
        State.COMMITTED,
        charged=ACTUAL,
        released={USD: 300, TOKENS: 5},
        uncovered={USD: uncovered, TOKENS: uncovered_tokens},
        balances=(balance(),),
    )


@dataclass
class Recorded:
    """A ledger that says what the test tells it to, and keeps what it was asked."""

    failures: list[LedgerError] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    answer: Settlement = field(default_factory=settlement)
    actuals: list[Mapping[Unit, int]] = field(default_factory=list)

    def _answer(self, operation: str, key: str) -> Settlement:
        self.calls.append((operation, key))
        if self.failures:
            raise self.failures.pop(0)
        return self.answer

    async def commit(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        metadata: Mapping[str, str] | None = None,
        **_: object,
    ) -> Settlement:
        assert metadata in (None, {"served_model": "m"})
        self.actuals.append(actual)
        return self._answer("commit", key)

    async def release(self, reservation_id: str, *, key: str) -> Settlement:
        return self._answer("release", key)

    async def charge_late(self, reservation_id: str, *, key: str, **_: object) -> Settlement:
        return self._answer("charge_late", key)

    async def mark_uncertain(self, reservation_id: str) -> None:
        self._answer("mark_uncertain", "")


class Listening(Queue):
    """A queue that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms: list[tuple[Balance, ...]] = []

    def made_room(self, balances: Iterable[Balance]) -> None:
        self.rooms.append(tuple(balances))


@dataclass
class Room:
    ledger: Recorded
    directory: Path
    log: ListLog = field(default_factory=ListLog)
    tasks: TaskSet = field(default_factory=TaskSet)
    queue: Listening = field(default_factory=Listening)

    def __post_init__(self) -> None:
        self.leases = Leases(self.ledger, self.log, ttl_ms=60_000)  # type: ignore[arg-type]
        self.leases.keep("r")
        landing = Landing(self.ledger)  # type: ignore[arg-type]
        self.outbox = Outbox(
            Shelf(self.directory, ledger="ledger", owner="1"),
            landing.land,
            Outage(self.log),
            self.tasks,
            self.log,
            max_bytes=200,
        )
        self.settler = Settler(
            landing, self.outbox, self.leases, Denials(SystemClock()), self.queue, self.log
        )


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Room:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0)
    monkeypatch.setattr(outbox, "_LONGEST_PAUSE_S", 0)
    return Room(Recorded(), tmp_path)


@pytest.mark.parametrize(
    ("sentence", "calls"),
    [
        (CHARGED, [("commit", "r/settle")]),
        (GivenBack(), [("release", "r/settle")]),
        (LeftUncertain(), [("mark_uncertain", "")]),
    ],
)
async def test_each_sentence_is_one_operation(
    room: Room, sentence: Sentence, calls: list[tuple[str, str]]
) -> None:
    await room.settler.settle("r", sentence)
    assert room.ledger.calls == calls
    assert len(room.leases) == 0


async def test_a_call_is_charged_in_each_of_its_units(room: Room) -> None:
    await room.settler.settle("r", CHARGED)
    assert room.ledger.actuals == [ACTUAL]


async def test_what_cost_nothing_and_is_uncertain_by_now_is_charged_nothing(room: Room) -> None:
    """Only a person gives it up; and a hold is charged in its own units."""
    room.ledger.failures = [ActorRequired()]
    await room.settler.settle("r", GivenBack())
    assert room.ledger.calls == [("release", "r/settle"), ("commit", "r/settle")]
    assert room.ledger.actuals == [{USD: 0, TOKENS: 0}]


async def test_while_the_ledger_is_away_the_same_key_is_tried_until_it_lands(room: Room) -> None:
    """And the hold is kept alive meanwhile: it is not ours to give up."""
    room.ledger.failures = [LedgerUnavailable()] * 3
    assert await room.settler.settle("r", CHARGED) is None
    assert len(room.leases) == 1
    await room.tasks.wait(5_000)
    assert room.ledger.calls == [("commit", "r/settle")] * 4
    assert len(room.leases) == 0
    assert [line["event"] for line in room.log.lines] == ["ledger_away", "ledger_back"]


@pytest.mark.parametrize("sentence", [CHARGED, GivenBack()])
async def test_those_who_wait_for_room_hear_of_it_when_it_is_there(
    room: Room, sentence: Sentence
) -> None:
    room.ledger.failures = [LedgerUnavailable()]
    await room.settler.settle("r", sentence)
    assert room.queue.rooms == []
    await room.tasks.wait(5_000)
    assert room.queue.rooms == [(balance(),)]


async def test_a_hold_that_becomes_uncertain_makes_no_room(room: Room) -> None:
    await room.settler.settle("r", LeftUncertain())
    assert room.queue.rooms == []


@pytest.mark.parametrize("error", [ReservationFinalized("RELEASED"), ReservationExpired()])
async def test_the_cost_of_a_hold_that_has_ended_lands_all_the_same(
    room: Room, error: LedgerError
) -> None:
    room.ledger.failures = [error]
    assert await room.settler.settle("r", CHARGED) == settlement()
    assert room.ledger.calls == [("commit", "r/settle"), ("charge_late", "r/settle")]


async def test_a_late_charge_waits_for_the_ledger_too(room: Room) -> None:
    room.ledger.failures = [ReservationExpired(), LedgerUnavailable(), ReservationExpired()]
    await room.settler.settle("r", CHARGED)
    await room.tasks.wait(5_000)
    assert [operation for operation, _ in room.ledger.calls] == [
        "commit",
        "charge_late",
        "commit",
        "charge_late",
    ]


async def test_what_cannot_be_settled_is_said_and_does_not_fail_the_call(room: Room) -> None:
    room.ledger.failures = [ReservationNotFound()]
    assert await room.settler.settle("r", GivenBack()) is None
    assert room.log.events("settlement_refused") == [
        {"event": "settlement_refused", "reservation_id": "r", "error": "ReservationNotFound"}
    ]


@pytest.mark.parametrize(("microcents", "tokens"), [(5, 0), (0, 3)])
async def test_what_no_budget_could_fund_is_an_event(
    room: Room, microcents: int, tokens: int
) -> None:
    room.ledger.answer = settlement(microcents, tokens)
    await room.settler.settle("r", CHARGED)
    assert room.log.events("uncovered") == [
        {
            "event": "uncovered",
            "reservation_id": "r",
            "uncovered_microcents": microcents,
            "uncovered_tokens": tokens,
            "uncovered_risk_points": 0,
        }
    ]


async def test_a_process_that_stops_lets_go_of_what_still_waits(room: Room) -> None:
    """The hold stays in the ledger: `recover` finds it, dispatched, and keeps it."""
    room.ledger.failures = [LedgerUnavailable()] * 10_000
    await room.settler.settle("r", CHARGED)
    await asyncio.sleep(0)
    await room.tasks.drain(0)
    assert len(room.tasks) == 0


async def test_what_waits_is_on_the_disk_when_the_answer_goes_on(room: Room) -> None:
    room.ledger.failures = [LedgerUnavailable()] * 10_000
    await room.settler.settle("r", CHARGED)
    room.outbox.close()
    (file,) = room.directory.glob("*.jsonl")
    (line,) = file.read_bytes().splitlines()
    assert b'"reservation_id":"r"' in line
    await room.tasks.drain(0)


async def test_no_call_begins_while_too_much_waits(room: Room) -> None:
    """What is under way is still taken in."""
    room.ledger.failures = [LedgerUnavailable()] * 10_000
    room.settler.check_ready()
    for name in "ab":
        await room.settler.settle(name, CHARGED)
    with pytest.raises(Refused) as refused:
        room.settler.check_ready()
    assert refused.value.reason is Reason.AUTHORITY_UNAVAILABLE
    await room.settler.settle("c", CHARGED)
    assert len(room.outbox) == 3
    room.ledger.failures = []
    await room.tasks.wait(5_000)
    room.settler.check_ready()
    assert room.log.events("ledger_back") == [{"event": "ledger_back", "landed": 3}]
