"""What comes of further attempts: who allows them, and how they end."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from tests.simulation.draw_call import draw_behaviour, draw_route
from tests.simulation.plan import Again, Call, Document

ALLOWING_SHARE: Final = 0.4
"""Of runs in which a call may be sent more than once."""

USUAL: Final = [429, 500, 502, 503, 504, 529]


def draw_upstreams(random: Random) -> list[Document]:
    """One upstream, or one with another that stands in for it."""
    only = {
        "name": "openai",
        "base_url": "https://api.openai.com/v1",
        "api_key": "sk-of-the-upstream",
    }
    if random.random() >= ALLOWING_SHARE:
        return [only]
    asked_first = {**only, "retries": _retries(random)}
    if random.random() < 0.5:
        return [asked_first]
    stand_in = {**only, "name": "spare", "retries": _retries(random)}
    return [{**asked_first, "fallback": ["spare"]}, stand_in]


def _retries(random: Random) -> dict[str, Any]:
    return {
        "max_attempts": random.choice((1, 2, 2, 3)),
        "statuses": random.choice((USUAL, USUAL, [503])),
        "after_no_status": random.random() < 0.4,
        "backoff_ms": random.choice((1, 30, 900)),
        "max_wait_ms": random.choice((20, 2_000)),
    }


def draw_attempts(random: Random, calls: Sequence[Call], *, hostile: bool) -> tuple[Call, ...]:
    """The calls, each with what comes of its attempts after the first."""
    return tuple(
        replace(call, again=tuple(_again(random, hostile) for _ in range(random.randint(0, 2))))
        for call in calls
    )


def _again(random: Random, hostile: bool) -> Again:
    route, behaviour = draw_route(random), draw_behaviour(random, hostile=hostile)
    if behaviour.report.place not in ("as_asked", "nowhere", "extra_event"):
        route = replace(route, in_turn=True)  # usage that counts up does so in turn
    return Again(route=route, behaviour=behaviour)
