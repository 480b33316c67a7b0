"""One call of a plan: what is asked, how it travels, how it is answered."""

from dataclasses import replace
from random import Random
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from simulator import Behaviour, Refusal, Report, Wire
from simulator.models import MODELS
from tests.simulation.plan import PROMPT, Call, Caller, Fate, Route
from tests.simulation.rig.provider import FREE_MODEL

MODEL_NAMES: Final = (
    *("gpt-4o-mini",) * 4,
    *("gpt-4.1-nano",) * 2,
    *("gpt-4o",) * 3,
    *("gpt-5-nano",) * 2,
    "o4-mini",
    "gpt-5.6-terra",
    "gpt-3.5-turbo",
    FREE_MODEL,
    "no-such-model",
)
WORDS: Final = ("able", "about", "above", "action", "active", "address", "after", "again")
AS_LONG_AS_ALLOWED: Final = 400
"""More tokens than most calls allow: the answer then ends at its limit."""

PLACES: Final = ("as_asked", "nowhere", "extra_event", "last_content_event", "every_event")
SHAPES: Final = (
    *("plain",) * 6,
    *("zero", "floats", "strings", "no_total", "no_details", "null_details"),
    *("fractions", "booleans", "negative", "no_counts", "empty"),
)
"""Of usage reports. With those of the last line nobody can know what was used."""

TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Looks something up",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
            },
        },
    }
    for name in ("look_up", "book")
]


def draw_call(random: Random, number: int, *, at_ms: int, hostile: bool) -> Call:
    """A call, with everything that will befall it."""
    route, behaviour = draw_route(random), draw_behaviour(random, hostile=hostile)
    if behaviour.report.place not in ("as_asked", "nowhere", "extra_event"):
        route = replace(route, in_turn=True)  # usage that counts up does so in turn
    return Call(
        number=number,
        at_ms=at_ms,
        body=draw_body(random),
        caller=draw_caller(random),
        route=route,
        behaviour=behaviour,
    )


def draw_body(random: Random) -> dict[str, Any]:
    """A chat completion."""
    model = random.choice(MODEL_NAMES)
    words = random.choices(WORDS, k=random.choice((1, 10, 60, 60, 1_100)))
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": f"{PROMPT} {' '.join(words)}"}],
    }
    if random.random() < 0.5:
        body["messages"].insert(0, {"role": "system", "content": "Be brief."})
    if random.random() < 0.04:
        body["prediction"] = {"type": "content", "content": " ".join(words)}
    else:
        _add_limits(random, body)
    if random.random() < 0.6:
        body["stream"] = True
        if random.random() < 0.5:
            body["stream_options"] = {"include_usage": random.random() < 0.9}
    if random.random() < 0.25:
        body["tools"] = TOOLS[: random.randint(1, 2)]
        if random.random() < 0.2:
            body["tool_choice"] = {"type": "function", "function": {"name": "look_up"}}
    if random.random() < 0.12:
        body["service_tier"] = random.choice(("auto", "default", "flex", "priority"))
    return body


def _add_limits(random: Random, body: dict[str, Any]) -> None:
    reasons = body["model"] in MODELS and MODELS[body["model"]].reasons
    limit = random.choice((1, 4, 16, 16, 50, 50, 200, None))
    if limit is not None:
        field = "max_completion_tokens" if reasons else random.choice(("max_tokens", "max_tokens"))
        body[field] = limit
    if random.random() < 0.3:
        body["n"] = random.choice((1, 2, 3))


def draw_caller(random: Random) -> Caller:
    """Who asks, how patient they are."""
    levels = {
        level: name
        for level, name, share in (("app", "web", 0.6), ("agent", "a", 0.7), ("toolset", "t", 0.2))
        if random.random() < share
    }
    if "agent" in levels:
        levels["agent"] = random.choice("aab")
    if random.random() < 0.4:
        levels["run"] = random.choice("778")
    leaves = random.random()
    return Caller(
        levels=levels,
        accepts=random.choice(("", "gzip", "br, gzip;q=0.5")),
        leaves_ms=random.choice((0, 1, 2, 3, 10, 40, 2_000)) if leaves < 0.15 else None,
        leaves_at_write=random.randint(1, 8) if 0.15 <= leaves < 0.25 else None,
        body_ms=random.choice((0, 0, 2)),
        write_ms=random.choice((0, 0, 1, 50)),
    )


def draw_route(random: Random) -> Route:
    """The network."""
    fates = [*[Fate.ANSWERED] * 30, Fate.UNREACHABLE, Fate.RESET, Fate.RESET, Fate.SILENT]
    return Route(
        fate=random.choice(fates),
        connect_ms=random.choice((0, 0, 2, 1_500)),
        status_ms=random.choice((0, 1, 3, 40, 400, 400, 1_700, 1_700, 4_500)),
        pieces=random.choice((1, 2, 7, 40)),
        pace_ms=random.choice((0, 0, 1, 20, 60)),
        cut_permille=random.choice((0, 1, 300, 700, 930, 999)) if random.random() < 0.2 else None,
        cut_by=random.choice(("break", "silence", "end")),
        lookahead=random.choice((0, 1, 5)),
        as_json=random.random() < 0.03,
        in_turn=random.random() < 0.8,
    )


def draw_behaviour(random: Random, *, hostile: bool) -> Behaviour:
    """How the upstream answers: within the limits that it publishes, unless it is hostile."""
    report = _report(random)
    loses_details = report.shape.endswith("_details")
    honest = Behaviour(
        output_tokens=random.choice((None, 0, 1, 7, AS_LONG_AS_ALLOWED, AS_LONG_AS_ALLOWED)),
        reasoning_tokens=random.choice((None, None, 0, 30)),
        tokens_per_event=random.choice((1, 4, 30)),
        cached_tokens=0 if loses_details else random.choice((0, 0, 5, 10**6)),
        cache_write_tokens=0 if loses_details else None,
        billed=random.choice(("as_generated", "as_generated", "nothing", "in_full")),
        report=report,
        refusal=_refusal(random),
        wire=_wire(random),
    )
    return _break_limits(random, honest) if hostile else honest


def _report(random: Random) -> Report:
    if random.random() < 0.6:
        return Report()
    drawn = {
        "place": random.choice(PLACES),
        "shape": random.choice(SHAPES),
        "nulls": random.choice(("as_asked", "always", "never")),
    }
    return msgspec.convert(drawn, Report)


def _refusal(random: Random) -> Refusal | None:
    if random.random() > 0.12:
        return None
    return Refusal(
        status=random.choice((302, 400, 404, 408, 408, 429, 500, 503, 503)),
        body=random.choice(("json", "html", "empty")),
    )


def _wire(random: Random) -> Wire:
    return Wire(
        line_end=random.choice(("\n", "\n", "\r\n", "\r")),
        byte_order_mark=random.random() < 0.05,
        comments=random.random() < 0.2,
        unknown_events=random.random() < 0.2,
        done=random.random() < 0.9,
        compression=random.choice(("negotiate", "identity")),
    )


def _break_limits(random: Random, honest: Behaviour) -> Behaviour:
    """Some limit that holds rely on, or some other, is not kept."""
    changed = asdict(honest)
    if random.random() < 0.4:
        changed["extra_prompt_tokens"] = random.choice((1, 500, 20_000, 300_000))
    if random.random() < 0.4:
        changed |= {"ignore_limit": True, "output_tokens": random.choice((60, 300))}
    if random.random() < 0.3:
        changed["extra_choices"] = random.choice((1, 4))
    if random.random() < 0.3:
        changed["model"] = random.choice(("gpt-4o", "gpt-4.1-nano", "o4-mini", "gpt-3.5-turbo"))
    if random.random() < 0.3:
        changed["service_tier"] = random.choice(("priority", "flex"))
    if random.random() < 0.2 and not honest.report.shape.endswith("_details"):
        changed["cache_write_tokens"] = 10**6
    return Behaviour(**changed)
