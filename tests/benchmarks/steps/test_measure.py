from pathlib import Path

import pytest

from tests.benchmarks.instruments.exchange import StreamScript
from tests.benchmarks.steps.measure import Load, StepTime, measure, step_times
from tests.benchmarks.steps.stopwatch import WATCH, Total, find
from tests.benchmarks.steps.targets import REST, STEPS


@pytest.mark.parametrize("target", STEPS)
def test_every_step_stands_where_the_table_says(target: str) -> None:
    find(target)


def test_steps_keep_their_order_and_the_rest_comes_last() -> None:
    totals = {step: Total() for step in STEPS.values()}
    totals[WATCH] = Total(own_ns=70_000)
    totals["ledger: commit"] = Total(runs=10, own_ns=400_000)
    totals["identify"] = Total(runs=20, own_ns=100_000)
    assert step_times(totals, units=10, cpu_s=0.001) == (
        StepTime("identify", 10.0, 2.0),
        StepTime("ledger: commit", 40.0, 1.0),
        StepTime(REST, 43.0, 1.0),
    )


ONLY_OF_CALLS = {"meter: gather the answer", "meter: read the answer"}
ONLY_OF_STREAMS = {
    "meter: relay the stream",
    "meter: read along a stream",
    "meter: pass bytes on",
}
ONE_CALL = Load(calls=2, connections=2, blocks=2)
ONE_STREAM = Load(calls=2, connections=2, blocks=2, script=StreamScript(chunks=5, pace_us=1_000))


@pytest.mark.parametrize(
    ("load", "missing"),
    [(ONE_CALL, ONLY_OF_STREAMS), (ONE_STREAM, ONLY_OF_CALLS)],
    ids=["call", "stream"],
)
def test_a_call_takes_every_step_that_is_listed(
    load: Load, missing: set[str], tmp_path: Path
) -> None:
    """A step that is listed and never taken would hide its time in the rest."""
    times = measure(load, tmp_path / "proxy")
    assert {time.step for time in times} == {*STEPS.values(), REST} - missing
    commits = next(time for time in times if time.step == "ledger: commit")
    assert commits.runs * load.units == 2
