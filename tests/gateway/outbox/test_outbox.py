"""What waits for the ledger lands: all of it, in order, once, whoever dies meanwhile."""

import asyncio
from pathlib import Path

import pytest

from proxy.domain.errors import AmountOutOfRange
from proxy.gateway.ending import GivenBack
from proxy.gateway.outbox import outbox
from proxy.gateway.outbox.record import Settle, read, written
from tests.gateway.outbox.rooms import SETTLED, Ledger, Room, name_of, settle
from tests.simulation.rig.virtual import Killed

FOR_EVER = 10**9


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def ids(*numbers: int) -> list[str]:
    return [f"rsv_{number}" for number in numbers]


def kept(lines: bytes) -> list[str]:
    return [name_of(read(line)) for line in lines.splitlines()]


def test_what_waits_lands_in_order_once_the_ledger_is_back(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=3)) as room:
        room.keep(1, 2)
        room.keep(3)
        assert (room.ledger.heard, len(room.outbox)) == ([], 3)
        assert kept(room.files()) == ids(1, 2, 3)
        room.wait()
        assert (room.ledger.heard, len(room.outbox)) == (ids(1, 2, 3), 0)
        assert room.landed == [SETTLED] * 3
        assert room.files() == b""
    assert list(directory.iterdir()) == []


def test_an_outage_is_a_line_at_its_start_and_one_at_its_end(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=7)) as room:
        room.keep(*range(20))
        room.wait()
        assert room.log.lines == [
            {"event": "ledger_away", "why": "away"},
            {"event": "ledger_back", "landed": 20},
        ]
        room.keep(20)
        room.wait()
        assert room.log.lines[3:] == [{"event": "ledger_back", "landed": 1}]


def test_the_ledger_is_asked_less_and_less_often(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=20)) as room:
        room.keep(1)
        room.wait()
        assert room.ledger.heard == ids(1)
        assert 60 < room.time.elapsed_s < 5 * 21


async def test_all_that_wait_for_the_disk_share_a_flush(directory: Path) -> None:
    """In a thread, as it is: the first begins it, the others come meanwhile."""
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as room:
        keeping = [room.outbox.keep(settle(each), _ignore, why="away") for each in range(500)]
        await asyncio.gather(*keeping)
        assert room.disk.flushes <= 2
        assert kept(room.files()) == ids(*range(500))
        await room.tasks.drain(0)


def _ignore(settlement: object) -> None:
    """Nobody wants to know."""


def test_the_next_process_lands_what_a_dead_one_left(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as dead:
        dead.keep(1, 2, 3)
        left = dead.crash()
    with Room(left, "2") as room:
        room.do(room.outbox.start())
        assert room.ledger.heard == ids(1, 2, 3)
        assert room.log.lines == [{"event": "settlements_adopted", "records": 3}]
    assert list(left.iterdir()) == []


def test_what_is_left_of_an_outage_waits_on_in_the_next_process(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as first:
        first.keep(1)
    with Room(directory, "2", Ledger(away=4)) as room:
        room.do(room.outbox.start())
        assert (room.ledger.heard, len(room.outbox)) == ([], 1)
        assert kept(room.files()) == ids(1)
        room.wait()
        assert room.ledger.heard == ids(1)
        assert room.events() == ["settlements_adopted", "ledger_away", "ledger_back"]


def test_a_process_beside_takes_over_what_a_dead_one_left(directory: Path) -> None:
    with Room(directory, "2") as room:
        room.do(room.outbox.adopt_and_land())
        assert room.events() == []
        with Room(directory, ledger=Ledger(away=FOR_EVER)) as dead:
            dead.keep(1)
            room.do(room.outbox.adopt_and_land())
            assert room.ledger.heard == []
        room.do(room.outbox.adopt_and_land())
        room.wait()
        assert room.ledger.heard == ids(1)


@pytest.mark.parametrize("dies_after", range(4))
def test_a_crash_between_landing_and_rewriting_lands_again(
    directory: Path, dies_after: int
) -> None:
    """Under the same keys: the ledger takes it for a replay."""

    def die(settlement: object) -> None:
        if len(dead.ledger.heard) > dies_after:
            raise Killed

    with Room(directory, ledger=Ledger(away=1)) as dead:
        dead.do(*[dead.outbox.keep(settle(each), die, why="away") for each in range(4)])
        with pytest.raises(Killed):
            dead.wait()
        left = dead.crash()
    with Room(left, "2") as room:
        room.do(room.outbox.start())
        assert room.ledger.heard == ids(0, 1, 2, 3)


def test_what_has_landed_leaves_the_file_also_while_more_waits(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_TIDY_AFTER", 10)
    sizes: list[int] = []
    with Room(directory, ledger=Ledger(away=1)) as room:
        room.do(
            *[
                room.outbox.keep(
                    settle(each), lambda _: sizes.append(len(kept(room.files()))), why="away"
                )
                for each in range(35)
            ]
        )
        room.wait()
    assert sizes == [35] * 10 + [25] * 10 + [15] * 10 + [5] * 5


def test_what_the_disk_does_not_take_stays_in_memory_and_is_said_once(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=8)) as room:
        room.disk.is_full = True
        room.keep(1)
        room.keep(2)
        assert room.log.events("settlements_in_memory") == [
            {"event": "settlements_in_memory", "why": "No space left on device"}
        ]
        assert room.files() == b""
        room.disk.is_full = False
        room.keep(3)
        assert kept(room.files()) == ids(1, 2, 3)
        room.wait()
        assert room.ledger.heard == ids(1, 2, 3)


def test_the_disk_is_asked_again_though_nothing_new_comes(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as room:
        room.disk.is_full = True
        room.keep(1)
        room.disk.is_full = False
        room.do(room.tasks.wait(1_000))
        assert kept(room.files()) == ids(1)


def test_a_full_disk_keeps_nobody_from_landing(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=2)) as room:
        room.disk.is_full = True
        room.keep(1, 2)
        room.wait()
        assert room.ledger.heard == ids(1, 2)


def test_what_only_memory_knew_is_told_at_the_end(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as room:
        room.keep(1)
        room.disk.is_full = True
        room.keep(2, 3)
    assert room.log.events("settlements_lost") == [{"event": "settlements_lost", "records": 2}]


def test_what_cannot_be_taken_over_now_is_later(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as dead:
        dead.keep(1)
    with Room(directory, "2") as room:
        room.disk.is_full = True
        room.do(room.outbox.start())
        assert (room.ledger.heard, room.events()) == ([], ["settlements_in_memory"])
        room.disk.is_full = False
        room.do(room.outbox.adopt_and_land())
        room.wait()
        assert room.ledger.heard == ids(1)


def test_damaged_lines_are_set_aside_and_the_others_land(directory: Path) -> None:
    directory.mkdir()
    with Room(directory, ledger=Ledger(away=FOR_EVER)) as dead:
        dead.keep(1, 2, 3)
        (file,) = directory.glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    torn = written(settle(4))[:-7]
    damaged = lines[1].replace(b"700", b"000")
    file.write_bytes(lines[0] + damaged + lines[2] + torn)
    with Room(directory, "2") as room:
        room.do(room.outbox.start())
        assert room.ledger.heard == ids(1, 3)
        quarantine = directory / "quarantine"
        assert quarantine.read_bytes() == damaged + torn + b"\n"
        assert room.log.events("settlements_set_aside") == [
            {"event": "settlements_set_aside", "records": 2, "file": str(quarantine)}
        ]


@pytest.mark.parametrize("error", [AmountOutOfRange(), RuntimeError("a mistake of ours")])
def test_a_charge_that_the_ledger_refuses_is_set_aside_and_stops_no_other(
    directory: Path, error: Exception
) -> None:
    with Room(directory, ledger=Ledger(away=1, breaks={"rsv_1": error})) as room:
        room.keep(1, 2)
        room.wait()
        assert (room.ledger.heard, room.landed) == (ids(1, 2), [None, SETTLED])
        assert room.log.events("settlement_refused") == [
            {
                "event": "settlement_refused",
                "reservation_id": "rsv_1",
                "key": None,
                "error": type(error).__name__,
            }
        ]
    assert kept((directory / "quarantine").read_bytes()) == ids(1)


def test_what_ended_another_way_and_cost_nothing_is_not_set_aside(directory: Path) -> None:
    with Room(directory, ledger=Ledger(away=1, breaks={"rsv_1": AmountOutOfRange()})) as room:
        room.do(room.outbox.keep(Settle("rsv_1", GivenBack()), room.landed.append, why="away"))
        room.wait()
        assert room.log.events("settlement_refused") != []
    assert not (directory / "quarantine").exists()


def test_a_settlement_whose_caller_is_cancelled_meanwhile_is_kept(directory: Path) -> None:
    async def begin_and_give_up() -> None:
        keeping = room.outbox.keep(settle(1), room.landed.append, why="away")
        task = room.tasks.start(keeping, name="keep")
        await asyncio.sleep(0)
        task.cancel()

    with Room(directory, ledger=Ledger(away=2)) as room:
        room.do(begin_and_give_up())
        room.wait()
        assert room.ledger.heard == ids(1)
