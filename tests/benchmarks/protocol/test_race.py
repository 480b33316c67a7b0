from pathlib import Path

import pytest

from tests.benchmarks.instruments.generator import Spread, Tally
from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.protocol.books import Expected, check_books
from tests.benchmarks.protocol.race import Pace, Race, read
from tests.benchmarks.protocol.requests import Operation
from tests.servers.binaries import FINDERS

SHORTEST = Pace(repeats=1, warm_up_s=0.02, window_s=0.05)


def test_each_home_does_every_operation_and_its_books_are_right(tmp_path: Path) -> None:
    told: list[str] = []
    checked: list[Expected] = []

    def check(url: str, expected: Expected) -> None:
        check_books(url, expected)
        checked.append(Expected(expected.holds, expected.reserved, expected.spent))

    race = Race(SHORTEST, tmp_path, told.append, clients=(1, 3), check=check)
    course = race.run()
    assert len(told) == race.turns()
    for entrant in course.entrants:
        assert entrant.failure is None
        assert entrant.books_checked == 2 * len(Operation)
        assert {name.rpartition("_")[2] for name in entrant.samples} == {"1", "3"}
        assert len(entrant.samples) == 4 * 2 * len(Operation)
        assert all(value > 0 for values in entrant.samples.values() for value in values)
    windows = 2 + 2 * len(Operation)
    assert len(checked) == windows * len(course.entrants)
    assert checked[0].reserved > 0
    assert checked[windows - 1].reserved == 0 < checked[windows - 1].spent
    assert len(course.fixed_work_us) == 1


def test_a_home_whose_books_are_wrong_is_out_of_the_race_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FINDERS, "valkey", lambda: None)
    checks: list[str] = []

    def check(url: str, expected: Expected) -> None:
        checks.append(url)
        if len(checks) == 4:
            raise CannotMeasure("LEDGER MISMATCH: a microcent")

    told: list[str] = []
    race = Race(Pace(2, 0.02, 0.02), tmp_path, told.append, clients=(1,), check=check)
    course = race.run()
    (entrant,) = course.entrants
    assert entrant.failure == "reserve, clients: 1: LEDGER MISMATCH: a microcent"
    assert entrant.books_checked == 1
    assert "requests_per_s_reserve_1" not in entrant.samples
    assert len(told) == 3, "no second repeat"
    assert course.absent == ("Valkey",)


def test_what_is_kept_of_a_window_is_of_one_request() -> None:
    spread = Spread(p50_us=1_500.0, p90_us=2_000.0, p99_us=3_000.0, max_us=9_000.0)
    tally = Tally(200, 0.5, 0, spread, spread, None, None)
    assert dict(read(tally, 0.01, Operation.COMMIT, 50)) == pytest.approx(
        {
            "requests_per_s_commit_50": 400.0,
            "p50_ms_commit_50": 1.5,
            "p99_ms_commit_50": 3.0,
            "cpu_us_commit_50": 50.0,
        }
    )
