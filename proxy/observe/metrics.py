"""The figures of `/metrics`, by name as docs/operating.md lists them.

Labels have a bounded set of values: models and tenants beyond the first hundred are
counted as `other`. Never a prompt, an answer or a credential.
"""

from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.samples import Sample

from proxy.domain.money import MICROCENTS_PER_USD, Unit
from proxy.domain.scope import carve_of
from proxy.ledger.records import Balance

_LABEL_VALUES_MAX: Final = 100
_SCOPES_MAX: Final = 50
_OTHER: Final = "other"
_ADDED_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
_FIRST_BYTE_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_QUEUE_SECONDS: Final = (0.01, 0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_LEDGER_SECONDS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1.0)
_RATIOS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 2.0)


class BoundedLabels:
    """Keeps the first hundred values of a label; the rest is `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= _LABEL_VALUES_MAX:
            return _OTHER
        self._known.add(value)
        return value


class Spread(Histogram):
    """A histogram that only counts where it stands, and is brought up to date when it is read.

    The library's takes two locks and a search from bound to bound for each value, which was
    a thirtieth of a call's work outside the ledger. One thread moves and reads our figures.
    """

    def _metric_init(self) -> None:
        super()._metric_init()
        self._counts = [0] * len(self._upper_bounds)
        self._total = 0.0

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count `amount` in the first bucket whose bound is not below it."""
        self._counts[bisect_left(self._upper_bounds, amount)] += 1
        self._total += amount

    def _child_samples(self) -> Iterable[Sample]:
        self._sum.inc(self._total)
        for bucket, count in zip(self._buckets, self._counts, strict=True):
            bucket.inc(count)
        self._counts = [0] * len(self._counts)
        self._total = 0.0
        return super()._child_samples()


class Metrics:
    """One registry and its figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.model_label = BoundedLabels()
        self.tenant_label = BoundedLabels()
        self.calls = Counter(
            "spendgate_calls",
            "Calls by decision and by the status the caller saw.",
            ("decision", "api", "model", "status"),
            registry=self.registry,
        )
        self.cost_usd = Counter(
            "spendgate_cost_usd",
            "Dollars charged.",
            ("tenant", "model"),
            registry=self.registry,
        )
        self.attempts = Counter(
            "spendgate_attempts",
            "Requests to upstreams, and what came of each.",
            ("upstream", "outcome"),
            registry=self.registry,
        )
        self.uncovered_usd = Counter(
            "spendgate_uncovered_usd",
            "Dollars billed that no budget could fund.",
            registry=self.registry,
        )
        self.estimate_ratio = Spread(
            "spendgate_estimate_ratio",
            "Actual cost over estimate.",
            buckets=_RATIOS,
            registry=self.registry,
        )
        self.estimate_exceeded = Counter(
            "spendgate_estimate_exceeded",
            "Calls that cost more than their estimate.",
            ("model", "api", "bound"),
            registry=self.registry,
        )
        self.holds_grown = Counter(
            "spendgate_holds_grown",
            "Times that the hold of a stream grew.",
            registry=self.registry,
        )
        self.streams_cut = Counter(
            "spendgate_streams_cut",
            "Streams that were ended because no budget had room for more of them.",
            registry=self.registry,
        )
        self.unheld = Counter(
            "spendgate_calls_unheld",
            "Calls that left without a hold while the ledger was away.",
            registry=self.registry,
        )
        self._add_times()
        # `labels` takes a lock and spells every value: remembering what it found is a tenth
        # of its work, and the values are bounded.
        self.calls_of = cache(self.calls.labels)
        self.cost_usd_of = cache(self.cost_usd.labels)
        self.attempts_of = cache(self.attempts.labels)
        self.ledger_of = cache(self.ledger.labels)
        self.queue_of = cache(self.queue.labels)
        self.authority_of = cache(self.authority.labels)
        self._add_gauges()

    def _add_times(self) -> None:
        self.added_latency = Spread(
            "spendgate_added_latency_seconds",
            "Our own time in a call, without the upstream's.",
            buckets=_ADDED_SECONDS,
            registry=self.registry,
        )
        self.first_byte = Spread(
            "spendgate_time_to_first_byte_seconds",
            "From the request to the first byte of the answer.",
            buckets=_FIRST_BYTE_SECONDS,
            registry=self.registry,
        )
        self.ledger = Spread(
            "spendgate_ledger_seconds",
            "Time of a ledger operation, waiting included.",
            ("operation",),
            buckets=_LEDGER_SECONDS,
            registry=self.registry,
        )
        self.queue = Histogram(
            "spendgate_queue_seconds",
            "Time in line for a busy budget, of calls that stood there, by their decision.",
            ("decision",),
            buckets=_QUEUE_SECONDS,
            registry=self.registry,
        )
        self.authority = Spread(
            "spendgate_authority_seconds",
            "Time of a request to the authority, by operation and by the status it got.",
            ("operation", "status"),
            buckets=_ADDED_SECONDS,
            registry=self.registry,
        )

    def _add_gauges(self) -> None:
        """What stands at the moment somebody asks."""
        self.open_holds = Gauge(
            "spendgate_reservations_open",
            "Holds of calls in flight.",
            registry=self.registry,
        )
        self.uncertain_holds = Gauge(
            "spendgate_reservations_uncertain",
            "Holds of calls whose outcome nobody knows.",
            registry=self.registry,
        )
        self.queue_length = Gauge(
            "spendgate_queue_length",
            "Calls that stand in line for a busy budget.",
            registry=self.registry,
        )
        self.budget_remaining_usd = Gauge(
            "spendgate_budget_remaining_usd",
            "Dollars left, of declared scopes and the 50 tightest.",
            ("scope", "period"),
            registry=self.registry,
        )
        self.budget_remaining_tokens = Gauge(
            "spendgate_budget_remaining_tokens",
            "Tokens left, of declared scopes and the 50 tightest.",
            ("scope", "period"),
            registry=self.registry,
        )
        self.settlements_pending = Gauge(
            "spendgate_settlements_pending",
            "Settlements that wait for the ledger.",
            registry=self.registry,
        )

    def show_ledger(
        self, balances: Iterable[Balance], *, declared: frozenset[str], uncertain: int
    ) -> None:
        """Take in what stands in the ledger: read when somebody asks for the figures.

        `declared` are the scopes that the configuration spells out.
        """
        standing = list(balances)
        for gauge, unit, one in (
            (self.budget_remaining_usd, Unit.USD_MICROCENTS, MICROCENTS_PER_USD),
            (self.budget_remaining_tokens, Unit.TOKENS, 1),
        ):
            gauge.clear()
            for balance in _worth_showing(standing, unit, declared):
                gauge.labels(balance.scope, str(balance.period)).set(balance.remaining / one)
        self.uncertain_holds.set(uncertain)

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


def _worth_showing(
    balances: Iterable[Balance], unit: Unit, declared: frozenset[str]
) -> list[Balance]:
    # Purses come and go, and their parents' budgets show what they hold.
    own = [b for b in balances if b.unit is unit and carve_of(b.scope) is None]
    others = sorted((b for b in own if b.scope not in declared), key=lambda b: b.remaining)
    return [b for b in own if b.scope in declared] + others[:_SCOPES_MAX]
