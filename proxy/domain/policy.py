"""What an operator changes in calls, by scope and by how much of a budget is used up.

Source: docs/semantics.md, "Policy, plan, caps"; cycles-governance-admin-v0.1.25.yaml,
schema Policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.domain.decision import Caps
from proxy.domain.scope import ScopePattern


@dataclass(frozen=True, slots=True)
class Band:
    """What happens from `used_pct` percent of a budget on.

    `models` maps model names, or wildcards (`*`, `?`), to the models that stand in.
    """

    used_pct: int
    caps: Caps = field(default_factory=Caps)
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """Bands for the scopes of a pattern. Higher priorities go first; nothing is merged."""

    name: str
    pattern: ScopePattern
    priority: int
    bands: tuple[Band, ...]
