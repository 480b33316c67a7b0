"""Our histogram shows what the library's shows, however it counts."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetStatus
from proxy.observe.metrics import Metrics, Spread

BOUNDS = (0.001, 0.25, 1.0)
VALUES = st.integers(0, 4_096).map(lambda number: number / 1_024) | st.sampled_from(
    (0.25, 0.0, 1e9, float("inf"))
)
"""Sums of these are exact in any order."""


def samples(kind: type[Histogram], rounds: list[list[float]]) -> list[object]:
    """Everything that readers saw who came after each round, but for the time of birth."""
    registry = CollectorRegistry()
    plain = kind("plain", "Without labels.", buckets=BOUNDS, registry=registry)
    labelled = kind("labelled", "By colour.", ("colour",), buckets=BOUNDS, registry=registry)
    seen: list[object] = []
    for values in rounds:
        for value in values:
            plain.observe(value)
            labelled.labels("red").observe(value)
        seen += [
            sample
            for metric in registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        ]
    return seen


@given(st.lists(st.lists(VALUES, max_size=6), max_size=4))
def test_every_reader_sees_what_the_library_would_show(rounds: list[list[float]]) -> None:
    assert samples(Spread, rounds) == samples(Histogram, rounds)


def test_purses_of_sub_budgets_take_no_place_among_the_tightest() -> None:
    scopes = [f"tenant:dev/purse:rsv_{number}" for number in range(60)]
    metrics = Metrics()
    metrics.show_ledger(
        [_with_nothing_left(scope) for scope in [*scopes, "tenant:dev/agent:bot"]],
        declared=frozenset(),
        uncertain=0,
    )
    (gauge,) = metrics.budget_remaining_usd.collect()
    assert [sample.labels["scope"] for sample in gauge.samples] == ["tenant:dev/agent:bot"]


def _with_nothing_left(scope: str) -> Balance:
    return Balance(
        Scope(scope), Unit.USD_MICROCENTS, Period.LIFETIME, 0, None,
        0, 0, 0, 0, 0, 0, 0, False, BudgetStatus.ACTIVE,
    )  # fmt: skip
