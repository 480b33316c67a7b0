"""Whatever policy and grant make of a call: what leaves costs at most what was held for it."""

from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from proxy.domain.decision import Caps
from proxy.domain.errors import Refused
from proxy.domain.money import Unit
from proxy.gateway.shape import CHANGES, shape
from proxy.ledger.records import Rung
from proxy.policies import Wish
from tests.gateway.candidates.calls import DIALECTS, estimator, plan, request

EFFORTS = ("none", "minimal", "low", "medium", "high")
MODELS = {
    "chat": ("gpt-4o", "o3", "gpt-4o-mini", "gpt-5-mini"),
    "responses": ("gpt-4o", "o3", "gpt-4o-mini", "gpt-5-mini"),
    "messages": ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1"),
    "completions": ("gpt-3.5-turbo-instruct", "davinci-002"),
    "embeddings": ("text-embedding-3-large", "text-embedding-3-small"),
    "speech": ("gpt-4o-mini-tts", "tts-1-hd", "tts-1"),
    "images": ("gpt-image-2", "gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini"),
}
FALLBACKS: dict[str, tuple[str, ...]] = {
    name: (names[-1],) for names in MODELS.values() for name in names[:-1]
}

words = st.integers(1, 400).map(lambda count: "word " * count)
tokens = st.integers(1, 20_000)
efforts = st.sampled_from(EFFORTS)
tiers = st.sampled_from(("auto", "default", "flex", "priority"))


def some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def tool(api: str, name: str) -> dict[str, Any]:
    if api == "chat":
        return {"type": "function", "function": {"name": name, "parameters": {}}}
    if api == "messages":
        return {"name": name, "input_schema": {"type": "object"}}
    return {"type": "function", "name": name, "parameters": {}}


@st.composite
def bodies(draw: st.DrawFn, api: str) -> dict[str, Any]:
    """A body of this API, of which any part that policy may touch can be there or not."""
    said = draw(words)
    messages = [{"role": "user", "content": said}]
    named = draw(st.lists(st.sampled_from(("read", "write", "web_search")), unique=True))
    tools = [tool(api, name) for name in named]
    fields: dict[str, Any] = {"model": draw(st.sampled_from(MODELS[api]))}
    match api:
        case "chat":
            limits = draw(some({"max_completion_tokens": tokens, "reasoning_effort": efforts}))
            more = draw(some({"n": st.integers(1, 8), "service_tier": tiers}))
            return fields | {"messages": messages, "tools": tools} | limits | more
        case "responses":
            effort = some({"effort": efforts})
            more = draw(
                some({"max_output_tokens": tokens, "service_tier": tiers, "reasoning": effort})
            )
            return (
                fields | {"input": draw(st.sampled_from((said, messages))), "tools": tools} | more
            )
        case "messages":
            limit = draw(st.integers(1_100, 20_000))
            thinking = st.fixed_dictionaries(
                {"type": st.just("enabled"), "budget_tokens": st.integers(1_024, limit - 1)}
            )
            more = draw(some({"thinking": thinking, "output_config": some({"effort": efforts})}))
            return fields | {"messages": messages, "max_tokens": limit, "tools": tools} | more
        case "completions":
            answers = draw(some({"n": st.integers(1, 4), "best_of": st.integers(4, 8)}))
            return fields | {"prompt": said} | answers | draw(some({"max_tokens": tokens}))
        case "speech":
            return fields | {"voice": "alloy"} | {"input": said}
        case "images":
            drawn = some(
                {
                    "n": st.integers(1, 10),
                    "size": st.sampled_from(("auto", "1024x1024", "1536x1024")),
                    "quality": st.sampled_from(("auto", "low", "high")),
                    "partial_images": st.integers(0, 3),
                }
            )
            return fields | {"prompt": said} | draw(drawn)
    return fields | {"input": said}


@st.composite
def wishes(draw: st.DrawFn, api: str) -> Wish:
    """What a policy may say, of all that it can say."""
    names = st.sampled_from(("read", "write", "web_search"))
    wildcards = st.sampled_from(("*", "unset", *EFFORTS))
    return Wish(
        policy="p",
        model=draw(st.none() | st.sampled_from(MODELS[api])),
        caps=Caps(
            max_tokens=draw(st.none() | tokens),
            tool_denylist=tuple(draw(st.lists(names, unique=True))),
            max_steps_remaining=draw(st.none() | st.integers(0, 9)),
        ),
        reasoning_effort=draw(st.dictionaries(wildcards, efforts)),
        service_tier=draw(st.dictionaries(st.sampled_from(("*", "unset", "priority")), tiers)),
        n=draw(st.none() | st.integers(1, 4)),
    )


def granted(rung: Rung, share_pct: int) -> dict[Unit, int]:
    """Something between what is wanted and the least, in each unit alike."""
    return {
        unit: span.minimum + (span.want - span.minimum) * share_pct // 100
        for unit, span in rung.items()
    }


@settings(max_examples=300)
@given(st.data())
async def test_a_shaped_call_costs_at_most_its_hold_in_every_dialect(data: st.DataObject) -> None:
    """What leaves, read anew by somebody who knows of no policy, holds no more in any unit."""
    api = data.draw(st.sampled_from(sorted(DIALECTS)))
    call = request(api, **data.draw(bodies(api)))
    wish = data.draw(wishes(api))
    rules = estimator(fallback_models=FALLBACKS, gives_notes=data.draw(st.booleans()))
    try:
        made = await plan(api, call, wish, rules)
    except Refused:
        reject()  # a tier that the model has no price for
    place = data.draw(st.integers(0, len(made.ways) - 1))
    way = made.ways[place]
    amounts = granted(way.rung, data.draw(st.integers(0, 100)))

    try:
        left = shape(DIALECTS[api], wish, way, rung=place, amounts=amounts)
    except Refused:
        reject()  # a call that insists on a tool

    again = DIALECTS[api].read_request(left.body)
    bare = await plan(api, again, None, estimator(shorten=False))
    assert again.model == way.model.name
    for unit, span in bare.ways[0].rung.items():
        assert span.want <= amounts[unit], unit
    assert set(left.caps) <= set(CHANGES)
