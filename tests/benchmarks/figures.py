"""From samples to figures. Pure.

A busy machine only ever makes a contender slower, so the best of the repeats is the
figure and the median beside it says how far to trust it. Ratios and differences are
taken between figures of one run, never between runs.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is measured. `added`: what counts is the excess over the direct way."""

    name: str
    title: str
    unit: str
    more_is_better: bool = False
    added: bool = False


METRICS = (
    Metric("requests_per_s_1", "requests/s, 1 connection", "/s", more_is_better=True),
    Metric("requests_per_s_16", "requests/s, 16 connections", "/s", more_is_better=True),
    Metric("requests_per_s_64", "requests/s, 64 connections", "/s", more_is_better=True),
    Metric("cpu_us_per_request", "CPU a request, 64 connections", "us"),
    Metric("latency_p50_us", "added latency p50, 1 connection", "us", added=True),
    Metric("latency_p99_us", "added latency p99, 1 connection", "us", added=True),
    Metric("first_byte_p50_us", "added first byte of a stream, p50", "us", added=True),
    Metric("cpu_us_per_chunk", "CPU a chunk of a stream", "us"),
    Metric("transit_p50_us", "added transit of a chunk, p50", "us", added=True),
    Metric("transit_p99_us", "added transit of a chunk, p99", "us", added=True),
    Metric("rss_idle_mb", "memory when ready", "MB"),
    Metric("rss_loaded_mb", "memory after the load", "MB"),
    Metric("ready_s", "start to ready", "s"),
)

Samples = Mapping[str, Sequence[float]]
"""Every repeat's value, by the metric's name."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one contender.

    `best`, `median`, `lowest` and `highest` are of the samples as measured. `added` is
    the excess of best over the direct way's best, `added_median` that of the medians;
    None where the metric is not of that kind. `ratio` is to the yardstick, on the
    excess where there is one.
    """

    best: float
    median: float
    lowest: float
    highest: float
    added: float | None
    added_median: float | None
    ratio: float | None

    @property
    def shown(self) -> float:
        """The value that counts."""
        return self.best if self.added is None else self.added

    @property
    def shown_median(self) -> float:
        """Its companion: how far to trust it."""
        return self.median if self.added_median is None else self.added_median


def figure(
    metric: Metric, own: Samples, *, direct: Samples | None, yardstick: Samples | None
) -> Figure | None:
    """The figure of one contender; None when it has no samples of this metric.

    `direct` and `yardstick` are those contenders' samples, None where they failed or
    are the ones looked at.
    """
    values = own.get(metric.name)
    if not values:
        return None
    base = direct.get(metric.name) if direct and metric.added else None
    added = _best(metric, values) - _best(metric, base) if base else None
    added_median = statistics.median(values) - statistics.median(base) if base else None
    yard = figure(metric, yardstick, direct=direct, yardstick=None) if yardstick else None
    best = _best(metric, values)
    mine = best if added is None else added
    # Noise can make an excess negative; a ratio of such a thing would only look like one.
    comparable = mine >= 0 and yard is not None and yard.shown > 0
    comparable = comparable and (added is not None or not metric.added)
    return Figure(
        best=best,
        median=statistics.median(values),
        lowest=min(values),
        highest=max(values),
        added=added,
        added_median=added_median,
        ratio=mine / yard.shown if yard and comparable else None,
    )


def _best(metric: Metric, values: Sequence[float]) -> float:
    return max(values) if metric.more_is_better else min(values)
