"""Stand-ins, by fallback or by policy, are asked only for what they can do."""

from decimal import Decimal
from typing import Any

import pytest

from pricing.override import Override
from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.policies import Wish
from tests.gateway.candidates.calls import HELLO, estimator, plan, request

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
SMALL = Override(model="gpt-4o-mini", context_window=20)


def call(**fields: Any) -> Any:
    return request("chat", **{"model": "gpt-4o", "messages": HELLO} | fields)


@pytest.mark.parametrize(
    ("model", "fields", "missing"),
    [
        ("gpt-3.5-turbo", {"tools": [TOOL]}, None),
        ("gpt-3.5-turbo", {"response_format": SCHEMA}, "json schema"),
        ("gpt-3.5-turbo", {"messages": [{"role": "user", "content": [IMAGE]}]}, "images"),
        ("gpt-4o-mini", {"model": "o3", "reasoning_effort": "high"}, "reasoning"),
        ("gpt-4o-mini", {"model": "o3", "reasoning_effort": "none"}, None),
        ("gpt-4o-mini", {"model": "o3"}, None),
    ],
)
async def test_a_stand_in_that_cannot_serve_a_call_is_left_out(
    model: str, fields: dict[str, Any], missing: str | None
) -> None:
    asked = call(**fields)
    rules = estimator(fallback_models={asked.model: (model,)})

    made = await plan("chat", asked, None, rules)

    assert (model in {way.model.name for way in made.ways}) is (missing is None)
    assert made.skipped == (() if missing is None else ((model, missing),))


@pytest.mark.parametrize("stand_in", ["gpt-4o", "o3"])
async def test_a_model_that_draws_nothing_stands_in_for_none_that_does(stand_in: str) -> None:
    asked = request("images", model="gpt-image-2", prompt="an otter")
    priced = Override("dall-e-3", image_fees={"": Decimal("0.04")})
    rules = estimator(
        fallback_models={"gpt-image-2": (stand_in, "gpt-image-1-mini", "dall-e-3")},
        overrides=(priced,),
    )

    made = await plan("images", asked, None, rules)

    assert made.skipped == ((stand_in, "image output"),)
    assert [way.model.name for way in made.ways] == ["gpt-image-2", "gpt-image-1-mini", "dall-e-3"]
    assert [way.rung[Unit.USD_MICROCENTS].want for way in made.ways][-1] == 4_000_000


async def test_an_image_is_never_shortened() -> None:
    asked = request("images", model="gpt-image-2", prompt="an otter", quality="low")

    (way,) = (await plan("images", asked, Wish(caps=Caps(max_tokens=10)))).ways

    assert (way.output_tokens, way.writes_limit) == (659, False)


async def test_a_stand_in_needs_room_for_what_was_said() -> None:
    long = call(messages=[{"role": "user", "content": "word " * 50}])
    rules = estimator(fallback_models={"gpt-4o": ("gpt-4o-mini",)}, overrides=(SMALL,))

    assert (await plan("chat", long, None, rules)).skipped == (("gpt-4o-mini", "context window"),)


async def test_a_policy_swaps_for_no_model_that_cannot_serve_the_call() -> None:
    """Rather the caller's own model than an answer that is an error."""
    wish = Wish("p", model="gpt-3.5-turbo")

    made = await plan("chat", call(response_format=SCHEMA), wish)

    assert {way.model.name for way in made.ways} == {"gpt-4o"}
    assert made.skipped == (("gpt-3.5-turbo", "json schema"),)
