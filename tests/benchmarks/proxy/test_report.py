from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS, DIRECT, PASSTHROUGH, WITH_BUDGETS
from tests.benchmarks.course import Course
from tests.benchmarks.instruments.processes import Cores
from tests.benchmarks.proxy.report import Report
from tests.benchmarks.proxy.rounds import QUICK, Race, Runner
from tests.benchmarks.shown import MACHINE, rows, shown
from tests.benchmarks.steps.measure import StepTime, StepTimes
from tests.benchmarks.steps.targets import REST


def report(
    *runners: Runner, fixed_work_us: tuple[float, ...] = (100.0, 110.0), foreign_pct: float = 1.0
) -> Report:
    steps = StepTimes(
        call=(StepTime("identify", 2.5, 1.0), StepTime(REST, 40.0, 1.0)),
        chunk=(StepTime("identify", 0.04, 0.005), StepTime(REST, 7.0, 1.0)),
    )
    return Report(MACHINE, Course(runners, fixed_work_us, foreign_pct, Cores(0, 1)), steps)


def runner_of_three() -> tuple[Runner, Runner, Runner]:
    return (
        Runner(DIRECT, samples={"latency_p50_us": [10.0]}),
        Runner(
            PASSTHROUGH,
            samples={
                "latency_p50_us": [110.0],
                "requests_per_s_64": [1_000.0],
                "cpu_us_per_request": [20.0],
            },
        ),
        Runner(
            WITH_BUDGETS,
            samples={
                "latency_p50_us": [160.0],
                "requests_per_s_64": [430.0],
                "cpu_us_per_request": [50.0],
            },
        ),
    )


def test_json_carries_figures_ratios_and_samples() -> None:
    contenders = report(*runner_of_three()).as_json()["contenders"]
    figures = contenders["with_budgets"]["figures"]
    assert figures["requests_per_s_64"]["ratio"] == 0.43
    assert figures["latency_p50_us"]["added"] == 150
    assert figures["latency_p50_us"]["ratio"] == 1.5
    assert contenders["with_budgets"]["samples"]["latency_p50_us"] == [160.0]
    assert "ratio" in contenders["passthrough"]["figures"]["requests_per_s_64"]
    assert contenders["passthrough"]["figures"]["requests_per_s_64"]["ratio"] is None


def test_the_table_says_how_far_the_first_target_is() -> None:
    text = shown(report(*runner_of_three()))
    told = "with budgets: 0.43 of A's requests/s, 0.40 by the CPU time of a request"
    assert f"{told}; the first target is 0.5" in text
    assert "too " not in text


def test_steps_are_listed_and_add_up() -> None:
    runners = runner_of_three()
    runners[2].add({"cpu_us_per_request": 39.0})
    table = rows(shown(report(*runners)))
    assert ["identify", "2.5", "0.0"] in table
    assert ["ledger: commit", "-", "-"] in table
    assert ["all", "42.5", "7.0"] in table
    assert ["all, without the stopwatch", "39.0", "-"] in table


def test_steps_that_could_not_be_timed_are_said_so() -> None:
    course = report(*runner_of_three()).course
    failed = Report(MACHINE, course, StepTimes(failure="status 503: not ready"))
    text = shown(failed)
    assert "the steps could not be timed: status 503: not ready" in text
    assert "by step" not in text
    assert failed.as_json()["steps"]["failure"] == "status 503: not ready"


def test_a_contender_that_failed_is_named_with_the_reason_and_is_no_yardstick() -> None:
    direct, passthrough, proxy = runner_of_three()
    passthrough.failure = "64 connections: status 502: nobody there"
    failed = report(direct, passthrough, proxy)
    text = shown(failed)
    assert "A could not be measured: 64 connections: status 502: nobody there" in text
    assert "first target" not in text
    figures = failed.as_json()["contenders"]["with_budgets"]["figures"]
    assert figures["requests_per_s_64"]["ratio"] is None


def test_a_restless_machine_is_called_one() -> None:
    text = shown(report(*runner_of_three(), fixed_work_us=(100.0, 150.0)))
    assert "1.50 times as slow" in text
    assert "too restless" in text


def test_neighbours_who_take_the_cores_are_told_of() -> None:
    text = shown(report(*runner_of_three(), foreign_pct=30.0))
    assert "others had 30% of our cores' time: too much" in text


def test_the_progress_bar_knows_how_long_a_run_is(tmp_path: Path) -> None:
    race = Race(CONTENDERS, QUICK, tmp_path, lambda what: None)
    assert race.turns() == 3 + 4 + 2 * 5 * 4
