"""Calls that leave without a hold: on the disk before they do, and charged exactly once."""

import asyncio
import threading
from pathlib import Path

import pytest

from proxy.gateway.outbox import outbox
from proxy.gateway.outbox.record import Ended
from tests.gateway.outbox.rooms import SETTLED, Ledger, Room, spent

FOR_EVER = 10**9
PATIENCE_S = 20


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def let_leave(room: Room, key: str) -> bool:
    return room.loop.run_until_complete(room.outbox.let_leave(spent(key), why="away"))


def end(room: Room, key: str, *, costs: bool = True) -> None:
    ended = Ended(key, spent(key) if costs else None)
    room.do(room.outbox.keep(ended, room.landed.append, why=None))


def test_a_call_that_left_is_charged_when_it_has_ended(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=2)) as room:
        assert let_leave(room, "a")
        assert len(room.tasks) == 0
        end(room, "a")
        room.wait()
        assert (room.ledger.heard, room.landed) == (["a ended"], [SETTLED])
        assert room.files() == b""


def test_one_that_cost_nothing_is_not_charged(directory: Path) -> None:
    with Room(directory) as room:
        assert let_leave(room, "a")
        end(room, "a", costs=False)
        room.wait()
        assert room.ledger.heard == ["a for nothing"]


def test_it_leaves_only_when_that_is_on_the_disk(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as room:
        assert let_leave(room, "a")
        left = room.crash()
    with Room(left, "2") as heir:
        heir.do(heir.outbox.start())
        assert heir.ledger.heard == ["a left"]


def test_what_ended_before_a_crash_is_told_by_its_end(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as room:
        for key in "abc":
            assert let_leave(room, key)
        end(room, "b")
        end(room, "c", costs=False)
        left = room.crash()
    with Room(left, "2") as heir:
        heir.do(heir.outbox.start())
        assert heir.ledger.heard == ["a left", "b ended", "c for nothing"]


@pytest.mark.parametrize("has_room", [True, False])
def test_one_that_cannot_be_written_down_does_not_leave(directory: Path, has_room: bool) -> None:
    with Room(directory, ledger=Ledger(away=3)) as room:
        room.disk.is_full = True
        assert not let_leave(room, "a")
        room.disk.is_full = not has_room
        room.wait()
        assert room.ledger.heard == ["a for nothing"]
        assert (room.log.events("settlements_set_aside"), len(room.outbox)) == ([], 0)


def test_none_leaves_while_too_much_waits(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as room:
        keys = map(str, range(10_000))
        left = next(number for number, key in enumerate(keys) if not let_leave(room, key))
        assert left > 1_000
        for number in range(left):
            end(room, str(number), costs=False)
        room.ledger.away = 0
        room.wait()
        assert let_leave(room, "after")
        end(room, "after")
        room.wait()


def test_those_under_way_stay_in_the_file_when_others_have_landed(directory: Path) -> None:
    with Room(directory) as room:
        assert let_leave(room, "a")
        assert let_leave(room, "b")
        end(room, "a")
        room.wait()
        left = room.crash()
        end(room, "b")
        room.wait()
    with Room(left, "2") as heir:
        heir.do(heir.outbox.start())
        assert heir.ledger.heard == ["b left"]


async def test_a_caller_who_is_cancelled_before_it_left_costs_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the disk may have its line by then."""
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0)
    is_writing, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        is_writing.set()
        may_go_on.wait(PATIENCE_S)

    with Room(directory) as room:
        room.disk.before = wait
        leaving = room.tasks.start(room.outbox.let_leave(spent("a"), why="away"), name="leave")
        await asyncio.to_thread(is_writing.wait, PATIENCE_S)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        may_go_on.set()
        await room.tasks.wait(PATIENCE_S * 1000)
        assert (leaving.cancelled(), room.ledger.heard) == (True, ["a for nothing"])
        assert room.files() == b""
