"""What an operator changes in calls, by scope, by the state of budgets and by time.

Source: docs/semantics.md, "Policy, plan, caps" and "Tools as actions";
cycles-governance-admin-v0.1.25.yaml, schema Policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.domain.scope import ScopePattern

UNSET: Final = "unset"
"""In a map of efforts or tiers: a call that names none."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an amount has to be; None is no bound. All that are given hold."""

    gte: int | None = None
    gt: int | None = None
    lt: int | None = None
    lte: int | None = None

    def hold(self, amount: int) -> bool:
        """Whether the amount is within them."""
        return (
            (self.gte is None or amount >= self.gte)
            and (self.gt is None or amount > self.gt)
            and (self.lt is None or amount < self.lt)
            and (self.lte is None or amount <= self.lte)
        )

    @property
    def are_open(self) -> bool:
        """Whether an amount without end is within them."""
        return self.lt is None and self.lte is None


@dataclass(frozen=True, slots=True)
class Remainder:
    """What has to be left of a budget in one unit."""

    unit: Unit
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the day in a time zone (IANA), from one to before the other, over midnight too."""

    from_minute: int
    to_minute: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Condition:
    """When a policy or a band holds: when all that is given does.

    `window_elapsed_pct` says which budgets count, by how far their window has gone; the others
    look at the worst of these. `exhausted_within_ms`: at its rate a budget is empty by then.
    """

    used_pct: Bounds | None = None
    reserved_pct: Bounds | None = None
    remaining: Remainder | None = None
    exhausted_within_ms: int | None = None
    window_elapsed_pct: Bounds | None = None
    hours: Hours | None = None


ALWAYS: Final = Condition()


@dataclass(frozen=True, slots=True)
class Band:
    """What is changed in a call from `used_pct` percent of a budget on, while `when` holds.

    `models` maps model names, or wildcards (`*`, `?`), to the models that stand in;
    `reasoning_effort` and `service_tier` map what a call asks for in the same way, and
    `UNSET` there is a call that names none. `n` is a ceiling on the answers of one call.
    `deny` refuses the call, with this text; empty for the usual one. `steps` names the count
    of calls that its caps want, where they do.
    """

    used_pct: int
    caps: Caps = field(default_factory=Caps)
    models: Mapping[str, str] = field(default_factory=dict)
    reasoning_effort: Mapping[str, str] = field(default_factory=dict)
    service_tier: Mapping[str, str] = field(default_factory=dict)
    n: int | None = None
    deny: str | None = None
    when: Condition = ALWAYS
    steps: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Bands for the scopes of a pattern. Higher priorities go first; nothing is merged."""

    name: str
    pattern: ScopePattern
    priority: int
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What the use of tools counts for whose name matches `pattern` (`*`, `?`).

    `fee_microcents` and `risk_points` are of one call of the tool. In a run it may be called
    `max_calls_per_run` times; None is as often as anybody likes.
    """

    pattern: str
    fee_microcents: int = 0
    risk_points: int = 0
    max_calls_per_run: int | None = None
