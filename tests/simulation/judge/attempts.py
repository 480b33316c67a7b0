"""What must be true of the attempts at one call, by the configuration that it was made under."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.simulation.rig.upstream import Sighting
from tests.simulation.world import CallRun, World

ONCE: Final = {"max_attempts": 1}
"""What holds of an upstream whose configuration says nothing."""


def judge_attempts(world: World, run: CallRun) -> Iterator[str]:
    """The broken rules, in words."""
    upstreams = world.plan.config["upstreams"]
    rules = [upstream.get("retries", ONCE) for upstream in upstreams]
    first, *stand_ins = rules
    asked = [first, *stand_ins] if upstreams[0].get("fallback") else [first]
    attempts_max = sum(each["max_attempts"] for each in asked)
    if len(run.sightings) > attempts_max:
        yield f"{len(run.sightings)} attempts, of {attempts_max}"
    for sighting, following in zip(run.sightings, run.sightings[1:], strict=False):
        if not may_follow(sighting, first):
            yield f"sent again after {sighting}"
        if following.sent and following.sent_at_s < sighting.ended_at_s:
            yield f"sent again before it was over: {sighting}"


def may_follow(sighting: Sighting, rules: Mapping[str, Any]) -> bool:
    """Whether another attempt may follow one of which this was seen."""
    if not sighting.sent:
        return True
    if sighting.status is None:
        return bool(rules.get("after_no_status"))
    return sighting.status in rules["statuses"] and sighting.end == "whole"
