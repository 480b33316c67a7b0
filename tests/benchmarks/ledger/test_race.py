from pathlib import Path

import pytest

from tests.benchmarks.instruments.generator import Spread
from tests.benchmarks.ledger.callers import Tally
from tests.benchmarks.ledger.player import Kind
from tests.benchmarks.ledger.race import FILES, Home, Pace, Race, read
from tests.servers.binaries import FINDERS

SHORTEST = Pace(repeats=2, warm_up_s=0.01, duration_s=0.03)
NOWHERE = Home("gone", "gone", Kind.STORE, Kind.PIPELINE, url="redis://127.0.0.1:1")


def test_a_course_measures_every_home_and_leaves_out_who_fails(tmp_path: Path) -> None:
    told: list[str] = []
    race = Race(
        SHORTEST,
        tmp_path,
        told.append,
        files=(*FILES[1:], NOWHERE),
        servers=("valkey",),
        callers=(1, 3),
    )
    course = race.run()
    assert len(told) == race.turns() == 2 * 2 * (2 + 2 + 3)
    found = {(entrant.home.name, entrant.kind): entrant for entrant in course.entrants}
    assert {name for name, _ in found} == {"sqlite_power", "gone", "valkey"}

    ledger, probe = found["sqlite_power", Kind.FILE], found["sqlite_power", Kind.ROWS]
    assert len(ledger.samples["operations_per_s_3"]) == 2
    shared = [[round(n) for n in e.samples["operations_a_transaction_3"]] for e in (ledger, probe)]
    assert shared[0] == shared[1]
    assert max(shared[0]) > 1
    assert "store_cpu_us_1" in found["valkey", Kind.PIPELINE].samples
    for entrant in course.entrants:
        if entrant.home is not NOWHERE:
            assert entrant.failure is None
            assert all(v > 0 for values in entrant.samples.values() for v in values)

    assert found["gone", Kind.STORE].samples == {}
    assert "1 callers: " in str(found["gone", Kind.STORE].failure)
    assert len(course.fixed_work_us) == 2
    assert course.absent == ()


def test_a_store_that_this_machine_has_not_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FINDERS, "redis", lambda: None)
    race = Race(
        Pace(0, 0.0, 0.0), tmp_path, lambda what: None, files=(), servers=("redis",), callers=(1,)
    )
    assert race.turns() == 0
    assert race.run().absent == ("Redis",)


def test_what_is_kept_of_a_turn_is_of_one_operation() -> None:
    spread = Spread(p50_us=1_500.0, p90_us=2_000.0, p99_us=3_000.0, max_us=9_000.0)
    tally = Tally(
        operations=200, elapsed_s=0.5, cpu_s=0.01, reserve=spread, store_cpu_s=0.02, transactions=50
    )
    assert read(tally, 64) == pytest.approx(
        {
            "operations_per_s_64": 400.0,
            "reserve_p50_ms_64": 1.5,
            "reserve_p99_ms_64": 3.0,
            "cpu_us_64": 50.0,
            "store_cpu_us_64": 100.0,
            "operations_a_transaction_64": 4.0,
        }
    )
