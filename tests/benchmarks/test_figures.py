import pytest

from tests.benchmarks.figures import METRICS, Metric, figure

RATE = Metric("rate", "rate", "/s", more_is_better=True)
COST = Metric("cost", "cost", "us")
DELAY = Metric("delay", "delay", "us", added=True)

DIRECT = {"rate": [900.0, 1_000.0], "delay": [10.0, 12.0]}
YARDSTICK = {"rate": [100.0, 80.0, 60.0], "cost": [40.0, 50.0, 90.0], "delay": [110.0, 130.0]}
OWN = {"rate": [40.0, 50.0, 30.0], "cost": [80.0, 120.0, 100.0], "delay": [60.0, 80.0, 100.0]}


def test_the_best_rate_is_the_highest() -> None:
    found = figure(RATE, OWN, direct=DIRECT, yardstick=YARDSTICK)
    assert found is not None
    assert (found.best, found.median, found.lowest, found.highest) == (50, 40, 30, 50)
    assert (found.shown, found.shown_median, found.ratio) == (50, 40, 0.5)


def test_the_best_cost_is_the_lowest() -> None:
    found = figure(COST, OWN, direct=DIRECT, yardstick=YARDSTICK)
    assert found is not None
    assert (found.best, found.median, found.lowest, found.highest) == (80, 100, 80, 120)
    assert found.added is None
    assert found.ratio == 2


def test_a_delay_is_what_is_added_to_the_direct_way() -> None:
    found = figure(DELAY, OWN, direct=DIRECT, yardstick=YARDSTICK)
    assert found is not None
    assert (found.best, found.added, found.added_median) == (60, 50, 69)
    assert (found.shown, found.shown_median, found.ratio) == (50, 69, 0.5)


@pytest.mark.parametrize("metric", [RATE, COST, DELAY])
def test_nothing_is_compared_with_a_yardstick_that_failed(metric: Metric) -> None:
    found = figure(metric, OWN, direct=DIRECT, yardstick=None)
    assert found is not None
    assert found.ratio is None


def test_a_delay_without_the_direct_way_is_no_excess() -> None:
    found = figure(DELAY, OWN, direct=None, yardstick=YARDSTICK)
    assert found is not None
    assert (found.added, found.ratio, found.shown) == (None, None, 60)


def test_an_excess_below_nothing_has_no_ratio() -> None:
    found = figure(DELAY, {"delay": [9.0]}, direct=DIRECT, yardstick=YARDSTICK)
    assert found is not None
    assert (found.added, found.ratio) == (-1, None)


def test_what_was_not_measured_has_no_figure() -> None:
    assert figure(COST, DIRECT, direct=None, yardstick=YARDSTICK) is None


def test_metrics_have_names_of_their_own() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
