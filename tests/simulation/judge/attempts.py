"""What must be true of the attempts at one call, by the configuration that it was made under."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.simulation.rig.upstream import Sighting
from tests.simulation.world import CallRun, World

ONCE: Final[Mapping[str, Any]] = {"max_attempts": 1}
"""What holds of an upstream whose configuration says nothing."""

HTTP_SERVER_ERROR: Final = 500


def judge_attempts(world: World, run: CallRun) -> Iterator[str]:
    """The broken rules, in words."""
    allowed = _rules_of_each(world.plan.config["upstreams"])
    if len(run.sightings) > len(allowed):
        yield f"{len(run.sightings)} attempts, of {len(allowed)}"
    following = zip(run.sightings, run.sightings[1:], allowed, strict=False)
    for sighting, following_one, rules in following:
        if not may_follow(sighting, rules):
            yield f"sent again after {sighting}"
        if following_one.sent and following_one.sent_at_s < sighting.ended_at_s:
            yield f"sent again before it was over: {sighting}"


def _rules_of_each(upstreams: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What holds after each attempt that may be: those at the first upstream, then elsewhere."""
    asked = upstreams if upstreams[0].get("fallback") else upstreams[:1]
    rules = [upstream.get("retries", ONCE) for upstream in asked]
    return [each for each in rules for _ in range(each["max_attempts"])]


def may_follow(sighting: Sighting, rules: Mapping[str, Any]) -> bool:
    """Whether another attempt may follow one of which this was seen.

    What says 429 costs nothing, also where the rest of it was lost.
    """
    if not sighting.sent:
        return True
    if sighting.status is None:
        return bool(rules.get("after_no_status"))
    is_error = sighting.end == "whole" or sighting.status < HTTP_SERVER_ERROR
    return sighting.status in rules["statuses"] and is_error
