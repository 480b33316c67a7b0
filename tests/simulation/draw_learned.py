"""Lives in which holds are learned: agents who ask for streams again and again.

Their answers come in small pieces. What comes faster than it can be counted is billed whatever
is held for it, so for that there is no promise that could be kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from msgspec.structs import replace as replace_in_struct

from simulator import Behaviour, Report
from tests.simulation.plan import Call, Document, Route
from tests.simulation.rig.provider import FREE_MODEL

LEARNED_SHARE: Final = 0.2
SEEN_MODELS: Final = (*("gpt-4o-mini",) * 3, "gpt-4.1-nano", "gpt-4o", FREE_MODEL)
"""Those that bill nothing hidden."""

LOOKAHEAD_TOKENS: Final = 60
"""More than two pieces have, and what a model is ahead of them in a life."""

TIGHT: Final = {
    "scope": "tenant:dev",
    "unit": "TOKENS",
    "period": "year",
    "timezone": "Asia/Tokyo",
}
"""A budget that no other life has, for some streams to outgrow."""

PIECES: Final = 400

KNOWN_MS: Final = 200
"""When the first answer is known, and the other calls begin."""


def draw_learned(
    random: Random, config: Document, calls: Sequence[Call]
) -> tuple[Document, tuple[Call, ...]]:
    """The life as it is, or in some lives another one."""
    if random.random() >= LEARNED_SHARE:
        return config, tuple(calls)
    learning = {
        "quantile_pct": random.choice((50, 95, 100)),
        "margin_pct": random.choice((0, 25)),
        "answers_min": random.choice((1, 1, 2)),
        "lookahead_tokens": LOOKAHEAD_TOKENS,
    }
    first = calls[0]
    model = random.choice(SEEN_MODELS)
    asked = [_streamed(random, call, model, first.caller.levels) for call in calls[1:]]
    known = _answered_shortly(random, _streamed(random, first, model, first.caller.levels))
    tight = {**TIGHT, "allocated": random.choice((500, 700, 1_500, 10**7))}
    others: list[Document] = random.choice(([], config["budgets"]))
    learned = {"hold": "learned", "learning": learning, "budgets": [*others, tight]}
    return {**config, **learned}, (known, *asked)


def _streamed(random: Random, call: Call, model: str, levels: Mapping[str, str]) -> Call:
    """The call as a stream, mostly of the same model for the same agent."""
    dropped = ("prediction", "max_tokens", "max_completion_tokens", "tools", "tool_choice")
    body = {name: value for name, value in call.body.items() if name not in dropped}
    body |= {"model": model, "stream": True}
    if random.random() < 0.8:
        body["max_tokens"] = random.choice((300, 1_000, 1_000))
    again = tuple(
        replace(each, route=_flowing(random, each.route), behaviour=_said(random, each.behaviour))
        for each in call.again
    )
    caller = replace(call.caller, levels=levels) if random.random() < 0.8 else call.caller
    at_ms = KNOWN_MS + call.at_ms
    return replace(
        call,
        at_ms=at_ms,
        body=body,
        caller=caller,
        route=_flowing(random, call.route),
        behaviour=_said(random, call.behaviour),
        again=again,
    )


def _flowing(random: Random, route: Route) -> Route:
    return replace(route, pieces=PIECES, pace_ms=random.choice((1, 2, 5)), as_json=False)


def _said(random: Random, behaviour: Behaviour) -> Behaviour:
    return replace_in_struct(
        behaviour,
        output_tokens=random.choice((0, 7, 90, 250, 600, 900)),
        tokens_per_event=random.choice((1, 4)),
    )


def _answered_shortly(random: Random, call: Call) -> Call:
    """The call whose answer is soon known to be short."""
    behaviour = replace_in_struct(
        call.behaviour, output_tokens=7, refusal=None, report=Report(), billed="as_generated"
    )
    caller = replace(call.caller, leaves_ms=None, leaves_at_write=None, write_ms=0, body_ms=0)
    route = Route(pieces=7, pace_ms=1)
    body = dict(call.body) | {"max_tokens": random.choice((20, 150))}
    return replace(call, at_ms=0, body=body, caller=caller, route=route, behaviour=behaviour)
