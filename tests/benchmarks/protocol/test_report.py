from tests.benchmarks.course import Course
from tests.benchmarks.instruments.processes import Cores
from tests.benchmarks.protocol.planes import FILE, Home
from tests.benchmarks.protocol.race import Contestant
from tests.benchmarks.protocol.report import ProtocolReport
from tests.benchmarks.shown import MACHINE, rows, shown

STORE = Home("valkey", "Valkey 9", "redis://somewhere")


def entrant(home: Home, *rates: float) -> Contestant:
    values = {"p50_ms": [2.0], "p99_ms": [5.5], "cpu_us": [160.0]}
    samples = {f"{name}_reserve_50": value for name, value in values.items()}
    samples["requests_per_s_reserve_50"] = [*rates]
    return Contestant(home, samples=samples, books_checked=12)


def report(absent: tuple[str, ...] = ()) -> ProtocolReport:
    entrants = (entrant(FILE, 6_000.0, 4_000.0), entrant(STORE, 3_000.0))
    return ProtocolReport(MACHINE, Course(entrants, (100.0, 110.0), 1.0, Cores(0, 1), absent))


def test_reserves_stand_beside_what_the_reference_publishes() -> None:
    text = shown(report())
    assert "fsync p50 49 us on xfs" in text
    measured = ["6,000 (5,000)", "2 / 5.5", "160", "1,000/s, p99 114 ms"]
    assert ["", "", "50", *measured] in rows(text)
    assert ["SQLite, process", "decide", "1", "-", "-", "-", ""] in rows(text)
    assert ["", "reserve", "1", "-", "-", "-", "50/s, p99 32 ms"] in rows(text)
    assert "on another machine" in text


def test_the_goal_and_the_state_of_the_books_are_told() -> None:
    text = shown(report())
    assert "SQLite, process, 50 clients: 6,000 reserves/s; the goal is 2,000" in text
    assert "Valkey 9: no ledger mismatch after each of 12 windows" in text
    assert "FAILED" not in text
    assert "Valkey 9, 50 clients" not in text, "the goal is for SQLite"


def test_a_mismatch_fails_the_course_and_is_told() -> None:
    failed = report()
    failed.course.entrants[0].failure = "reserve, clients: 50: LEDGER MISMATCH: a microcent"
    assert failed.failed
    assert not report().failed
    text = shown(failed)
    told = "FAILED after 12 windows: reserve, clients: 50: LEDGER MISMATCH: a microcent"
    assert f"SQLite, process: {told}" in text
    assert "the goal is" not in text
    assert "SQLite, process: no ledger mismatch" not in text


def test_every_sample_is_kept_for_programs() -> None:
    told = report(("Valkey",)).as_json()
    home = told["homes"]["sqlite_process"]
    assert home["samples"]["requests_per_s_reserve_50"] == [6_000.0, 4_000.0]
    assert home["figures"]["requests_per_s_reserve_50"]["best"] == 6_000.0
    assert home["figures"]["p99_ms_reserve_50"]["unit"] == "ms"
    assert (home["failure"], home["books_checked"]) == (None, 12)
    assert told["absent"] == ["Valkey"]
    assert "Valkey is not on this machine" in shown(report(("Valkey",)))
