"""Whatever the bytes: no failure that nobody caught, no hang, no hold that nobody ends."""

from asyncio import Event
from dataclasses import replace
from typing import Final

import pytest

from proxy.gateway.runtime.server import SocketDoor
from tests.fuzz.__main__ import reports
from tests.fuzz.corpus import FREE, METERED
from tests.fuzz.draw import Change, Exchange, Life, draw_life, written_answer, written_call
from tests.fuzz.mutations import OF_CALLS, OF_STREAMS
from tests.fuzz.trial import Trial, first_broken, report, shrink, try_life
from tests.fuzz.world import World, judge_exchange, replay
from tests.ledger.harness import scratch
from tests.simulation.judge.books import Books, Entry, Figures, Row

LIVES: Final = 280
BLOCK: Final = 40
SOAK_LIVES: Final = 20_000
SOAK_BLOCK: Final = 1_000


@pytest.mark.parametrize("first", range(0, LIVES, BLOCK))
def test_no_bytes_break_a_rule(first: int) -> None:
    broken = first_broken(range(first, first + BLOCK))
    assert broken is None, report(broken)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(LIVES, LIVES + SOAK_LIVES, SOAK_BLOCK))
def test_no_bytes_of_very_many_break_a_rule(first: int) -> None:
    found = list(reports(range(first, first + SOAK_BLOCK)))
    assert found == [], found[0]


def plain_life(*exchanges: Exchange) -> Life:
    """One under the configuration of the first seed."""
    return replace(draw_life(0), exchanges=exchanges)


def lived(life: Life) -> World:
    """A life that breaks no rule."""
    trial = try_life(life)
    assert trial.broken == ()
    assert trial.world is not None
    return trial.world


def test_without_a_change_all_goes_as_documented() -> None:
    pairs = (*METERED, *FREE)

    world = lived(plain_life(*map(Exchange, pairs)))

    assert [heard[:13] for heard in world.heard] == [b"HTTP/1.1 200 "] * len(pairs)
    assert [len(sent) for sent in world.sent_upstream] == [1] * len(pairs)
    assert [(row.state, row.estimated) for row in world.books.rows] == [
        ("COMMITTED", bool(pair.sound)) for pair in METERED
    ]


def test_nothing_leaves_for_a_caller_who_is_gone_before_anybody_looks() -> None:
    world = lived(plain_life(*(Exchange(pair, leaves_ms=0) for pair in METERED)))

    assert world.sent_upstream == [[] for _ in METERED]
    assert {row.state for row in world.books.rows} <= {"RELEASED"}


def test_these_lives_meet_all_there_is_to_meet() -> None:
    """A fuzzer that stopped hurting would pass for ever."""
    drawn = [draw_life(seed) for seed in range(LIVES)]
    changes = {
        each.name for life in drawn for exchange in life.exchanges for each in exchange.changes()
    }
    assert changes == {*OF_CALLS, *OF_STREAMS}
    missing = set(EVERYTHING)
    for life in drawn:
        world = lived(life)
        missing -= {heard[:12].decode("latin-1") for heard in world.heard}
        missing -= {row.state for row in world.books.rows}
        if not missing:
            break
    assert missing == set()


EVERYTHING: Final = {
    *(f"HTTP/1.1 {status}" for status in (200, 400, 403, 408, 502, 504)),
    *("COMMITTED", "RELEASED", "UNCERTAIN", ""),
}


def test_a_seed_always_lives_the_same_life() -> None:
    for seed in range(5):
        assert draw_life(seed) == draw_life(seed)
        first, again = (lived(draw_life(seed)) for _ in range(2))
        assert first.sent_upstream == again.sent_upstream
        assert [heard[:12] for heard in first.heard] == [heard[:12] for heard in again.heard]
        assert [row.charged for row in first.books.rows] == [
            row.charged for row in again.books.rows
        ]


def test_a_broken_life_is_cut_down_to_the_change_that_breaks_it() -> None:
    life = next(
        life for life in map(draw_life, range(99)) if any(len(e.call) == 3 for e in life.exchanges)
    )
    guilty = next(exchange for exchange in life.exchanges if len(exchange.call) == 3).call[1]

    def live(life: Life) -> Trial:
        changes = [change for exchange in life.exchanges for change in exchange.changes()]
        return Trial(life, ("a rule",) if guilty in changes else ())

    (left,) = shrink(live(life), live).life.exchanges
    assert left.changes() == (guilty,)
    assert (left.leaves_ms, left.listens_after_bytes) == (None, None)
    assert f"python -m tests.fuzz {life.seed}\na rule\n" in report(live(life), live)


COMMITTED: Final = Row(
    "rsv_1", "1", "COMMITTED", {"USD": 9}, {"USD": 3}, {}, 0, 1, (1,), "tenant:dev", None, "key"
)
SENT: Final = ["POST /v1/chat/completions HTTP/1.1"]
WELL: Final = b"HTTP/1.1 200 OK\r\n\r\n{}"


def judged(rows: list[Row], sent: list[str], heard: bytes = WELL) -> list[str]:
    """What a documented call that went like this breaks."""
    exchange = Exchange(METERED[0])
    call, answer = written_call(exchange), written_answer(exchange)
    return list(judge_exchange(exchange, call, answer, rows, sent, heard))


def test_the_rules_bite() -> None:
    assert judged([COMMITTED], SENT) == []
    assert judged([], SENT) == ["1 calls left with 0 holds"]
    assert judged([COMMITTED], SENT * 2) == ["2 calls left with 1 holds"]
    assert judged([COMMITTED], SENT, b"")[0].startswith("what is as documented went wrong")
    assert judged([COMMITTED], SENT, b"{}")[0].startswith("the caller hears")
    for changes in (
        {"state": "ACTIVE"},
        {"state": "UNCERTAIN", "dispatched": 0},
        {"dispatched": 0},
        {"charged": {"USD": -1}},
        {"state": "RELEASED"},
        {"estimated": 1},
    ):
        assert judged([COMMITTED._replace(**changes)], SENT) != [], changes


def test_a_journal_that_goes_below_zero_is_seen() -> None:
    entry = Entry("dev", 1, 0, "reserve", "rsv_1", ((1, Figures(reserved=5)),), "")
    books = Books({}, {1: Figures(reserved=5)}, (), (entry,))
    assert len(list(replay(books))) == 1
    funded = Entry("dev", 1, 0, "declare", None, ((1, Figures(allocated=5)),), "")
    whole = Books({}, {1: Figures(allocated=5, reserved=5)}, (), (funded, entry))
    assert list(replay(whole)) == []


@pytest.mark.parametrize("rule", ["nobody caught", "never ends"])
def test_what_a_proxy_leaves_behind_is_seen(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a call fails in its middle, or waits for ever."""
    life = plain_life(Exchange(METERED[0], call=(Change("divide", 1),)))
    with scratch() as directory:
        world = World(life, directory)
        hurt(monkeypatch, rule)
        world.live()
    assert any(rule in each for each in world.broken)


def hurt(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    """Break the reading of bodies so that this rule is broken."""

    async def body(_: SocketDoor) -> bytes:
        if rule == "never ends":
            await Event().wait()
        raise KeyError

    monkeypatch.setattr(SocketDoor, "body", body)
