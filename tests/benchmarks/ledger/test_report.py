import pytest

from tests.benchmarks.course import Course
from tests.benchmarks.instruments.processes import Cores
from tests.benchmarks.ledger.player import Kind
from tests.benchmarks.ledger.race import FILES, Contestant, Home
from tests.benchmarks.ledger.report import LedgerReport
from tests.benchmarks.shown import MACHINE, rows, shown

STORE = Home("valkey", "Valkey 9", Kind.STORE, Kind.PIPELINE, Kind.POOL, url="redis://somewhere")
FILE = FILES[0]


def entrant(home: Home, kind: Kind, rate: float, **others: float) -> Contestant:
    values = {"operations_per_s": rate, "reserve_p50_ms": 2.0, "reserve_p99_ms": 5.5, **others}
    return Contestant(home, kind, samples={f"{name}_64": [each] for name, each in values.items()})


def report(absent: tuple[str, ...] = ()) -> LedgerReport:
    entrants = (
        entrant(FILE, Kind.FILE, 30_000.0, cpu_us=33.0, operations_a_transaction=32.0),
        entrant(FILE, Kind.ROWS, 40_000.0, cpu_us=24.0),
        entrant(STORE, Kind.STORE, 8_000.0, cpu_us=22.0, store_cpu_us=115.0),
        entrant(STORE, Kind.PIPELINE, 10_000.0, cpu_us=3.0, store_cpu_us=110.0),
        entrant(STORE, Kind.POOL, 5_000.0, cpu_us=50.0, store_cpu_us=120.0),
    )
    return LedgerReport(MACHINE, Course(entrants, (100.0, 110.0), 1.0, Cores(0, 1), absent))


def test_each_home_stands_beside_its_probe() -> None:
    text = shown(report())
    assert "fsync p50 49 us on xfs" in text
    file = ["30,000 (30,000)", "2 / 5.5", "33", "32", "40,000 (40,000)", "0.75", "-", "-"]
    store = ["8,000 (8,000)", "2 / 5.5", "22 + 115", "-", "10,000 (10,000)", "0.80"]
    assert ["", "64", *file] in rows(text)
    assert ["", "64", *store, "5,000 (5,000)", "1.60"] in rows(text)
    assert ["SQLite, process", "1", *["-"] * 8] in rows(text), "nobody measured a single caller"


def test_the_goals_are_told_beside_what_came_of_them() -> None:
    text = shown(report())
    assert "SQLite, process, 64 callers: 0.75 of its probe; the goal is 0.6" in text
    assert "Valkey 9, 64 callers: 0.80 of its probe; the goal is 0.6" in text
    assert "Valkey 9, 64 callers: 1.60 of a redis-py pool; the goal is 2.0" in text
    assert "too " not in text


def test_the_latency_of_probes_is_kept_for_programs() -> None:
    told = report().as_json()
    file, store = told["homes"]["sqlite_process"], told["homes"]["valkey"]
    assert file["file"]["figures"]["operations_per_s_64"]["ratio"] == 0.75
    assert file["rows"]["figures"]["operations_per_s_64"]["ratio"] is None
    assert file["rows"]["figures"]["reserve_p99_ms_64"]["best"] == 5.5
    assert store["pool"]["figures"]["cpu_us_64"]["best"] == 50
    assert store["store"]["samples"]["operations_per_s_64"] == [8_000.0]
    assert told["machine"]["filesystem"] == "xfs"


@pytest.mark.parametrize("place", [0, 1])
def test_nothing_is_compared_where_one_of_two_failed(place: int) -> None:
    failed = report()
    failed.course.entrants[place].failure = "64 callers: the disk is full"
    text = shown(failed)
    assert failed.failed
    kind = failed.course.entrants[place].kind
    assert f"SQLite, process: {kind} could not be measured: 64 callers: the disk is full" in text
    assert "SQLite, process, 64 callers" not in text
    assert "Valkey 9, 64 callers: 0.80" in text


def test_a_store_that_is_not_there_is_named_and_no_failure() -> None:
    absent = report(("Redis",))
    assert "Redis is not on this machine" in shown(absent)
    assert not absent.failed
