import sys
from pathlib import Path

from tests.benchmarks.contenders import DIRECT, PASSTHROUGH, Contender, Launch
from tests.benchmarks.course import Course
from tests.benchmarks.figures import METRICS
from tests.benchmarks.instruments.exchange import StreamScript
from tests.benchmarks.proxy.rounds import Pace, Race, Runner

SHORTEST = Pace(
    repeats=2,
    starts=2,
    json_s=0.05,
    stream_s=0.05,
    first_byte_s=0.05,
    stream=StreamScript(chunks=5, pace_us=1_000),
)


def launch_nothing(directory: Path, upstream_port: int) -> Launch:
    return Launch([sys.executable, "-c", "raise SystemExit('not today')"], 1, "http://127.0.0.1:1/")


def run_course(directory: Path) -> tuple[Course[Runner], int, int]:
    told: list[str] = []
    broken = Contender("broken", "broken", "never starts", launch_nothing)
    race = Race((DIRECT, PASSTHROUGH, broken), SHORTEST, directory, told.append)
    return race.run(), race.turns(), len(told)


def test_a_course_measures_everything_and_leaves_out_who_fails(tmp_path: Path) -> None:
    course, turns, told = run_course(tmp_path)
    direct, passthrough, broken = course.entrants

    assert (direct.failure, passthrough.failure) == (None, None)
    assert set(passthrough.samples) == {metric.name for metric in METRICS}
    once = {"rss_idle_mb", "rss_loaded_mb"}
    assert {name for name, values in passthrough.samples.items() if len(values) == 1} == once
    assert all(value > 0 for values in passthrough.samples.values() for value in values)
    own = {"cpu_us_per_request", "cpu_us_per_chunk", "ready_s", *once}
    assert set(direct.samples) == set(passthrough.samples) - own

    assert broken.failure == "ended with 1: not today"
    assert broken.samples == {}
    assert told == turns - 1, "the second start of who failed the first"
    assert len(course.fixed_work_us) == 2
    assert 0 <= course.foreign_pct <= 100


def test_a_contender_keeps_every_value() -> None:
    runner = Runner(DIRECT)
    runner.add({"ready_s": 1.0})
    runner.add({"ready_s": 2.0, "rss_idle_mb": 3.0})
    assert runner.samples == {"ready_s": [1.0, 2.0], "rss_idle_mb": [3.0]}
