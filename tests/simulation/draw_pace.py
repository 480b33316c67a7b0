"""Lives in which calls are counted, and policies that change more of a call than its length."""

from random import Random
from typing import Final

from tests.simulation.plan import Document

PACED_SHARE: Final = 0.2

COUNTS: Final = (
    {"scope": "tenant:dev"},
    {"scope": "tenant:dev", "per": "run", "idle_ttl": "1m"},
    {"scope": "tenant:dev/agent:*", "idle_ttl": "1m"},
    {"scope": "tenant:dev", "rolling": "1m"},
)

EFFECTS: Final = (
    {"n": 1},
    {"reasoning_effort": {"high": "low", "unset": "minimal"}},
    {"service_tier": {"*": "default"}},
    {"caps": {"max_steps_remaining": 2}},
    {"caps": {"max_steps_remaining": 1, "cooldown_ms": 400}},
    {"caps": {"cooldown_ms": 30}},
    {"deny": True},
)


def draw_pace(random: Random, config: Document) -> Document:
    """The configuration as it is, or in some lives one that counts and changes more."""
    if random.random() >= PACED_SHARE or config.get("hold") == "learned":
        return config
    counts = random.sample(COUNTS, random.choice((0, 1, 1, 2)))
    budgets = [
        *config["budgets"],
        *({**line, "unit": "CALLS", "allocated": random.choice((1, 2, 3, 50))} for line in counts),
    ]
    when = random.choice(({}, {"when": {"reserved_pct": {"gte": 1}}}))
    policy = {"name": "pace", "scope": random.choice(("*", "tenant:dev/agent:*")), "priority": 5}
    return {
        **config,
        "budgets": budgets,
        "policies": [*config["policies"], {**policy, **when, **random.choice(EFFECTS)}],
        "degrade": {**config["degrade"], "note": random.random() < 0.5},
    }
