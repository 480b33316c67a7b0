"""What calls of Anthropic's API hold and cost: their caches, thoughts, places, speeds, rounds."""

import json
from fractions import Fraction

import pytest

from pricing.bound import BoundClass
from pricing.catalogue import Catalogue
from pricing.tokens import Tokenizers
from pricing.usage import Usage
from proxy.dialects.dialect import Request
from proxy.dialects.messages import MESSAGES
from proxy.domain.clock import SystemClock
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.charge import Pricer
from proxy.gateway.estimate import Estimator, Plan
from proxy.gateway.routes import Route, Routes
from proxy.policies import Wish
from tests.dialects.messages.examples import ANSWER, SEARCH_TOOL, encoded

NOW_MS = 1_795_000_000_000
USD = Unit.USD_MICROCENTS
MODEL = "claude-haiku-4-5"
"""$1 and $5 a million tokens; $1.25 for a cache of five minutes, $2 for one of an hour."""
CACHED = {"type": "ephemeral"}
CACHED_1H = {"type": "ephemeral", "ttl": "1h"}
COUNTER = Counter(Tokenizers())


def estimator(*, unbounded: int | None = None, multiplier: int = 1) -> Estimator:
    route = Route("claude", "anthropic", ("*",), "anthropic", multiplier=Fraction(multiplier))
    degrade = Degrade(shorten=True, min_output_tokens=256, fallback_models={})
    ceilings = Ceilings(unbounded, None, 60_000)
    return Estimator(Catalogue(), COUNTER, degrade, Routes([route]), ceilings)


def request(**fields: object) -> Request:
    asked = {"model": MODEL, "max_tokens": 1_000, "messages": [{"role": "user", "content": "hi"}]}
    return MESSAGES.read_request(json.dumps(asked | fields).encode())


async def plan(call: Request, rules: Estimator | None = None) -> Plan:
    return await (rules or estimator()).plan(MESSAGES, call, Wish(), at_ms=NOW_MS)


@pytest.mark.parametrize(
    ("fields", "input_microcents", "output_microcents"),
    [
        ({}, 100, 500),
        ({"cache_control": CACHED}, 125, 500),
        ({"cache_control": CACHED_1H}, 200, 500),
        ({"inference_geo": "global"}, 100, 500),
        ({"inference_geo": "us"}, 110, 550),
        ({"inference_geo": "us", "cache_control": CACHED_1H}, 220, 550),
        # $5 and $25, twice that when fast
        ({"model": "claude-opus-5"}, 500, 2_500),
        ({"model": "claude-opus-5", "speed": "fast"}, 1_000, 5_000),
        ({"model": "claude-opus-5", "speed": "standard"}, 500, 2_500),
    ],
)
async def test_a_call_holds_the_dearest_that_it_may_be_billed(
    fields: dict[str, object], input_microcents: int, output_microcents: int
) -> None:
    way = (await plan(request(**fields))).ways[0]
    expected = input_microcents * way.bound.total_tokens + output_microcents * 1_000

    assert way.rung[USD].want == expected


async def test_a_limit_of_zero_holds_the_input_alone() -> None:
    found = await plan(request(max_tokens=0, cache_control=CACHED))

    assert [way.rung[USD].want for way in found.ways] == [125 * found.ways[0].bound.total_tokens]


@pytest.mark.parametrize(
    ("thinking", "least"),
    [
        (None, 256),
        ({"type": "disabled"}, 256),
        ({"type": "adaptive"}, 256 + 1_024),
        ({"type": "enabled", "budget_tokens": 4_000}, 256 + 1_024),
    ],
)
async def test_no_limit_is_shortened_into_a_thought(
    thinking: dict[str, object] | None, least: int
) -> None:
    full, short = (await plan(request(max_tokens=8_000, thinking=thinking))).ways

    saved = full.rung[USD].want - short.rung[USD].minimum
    assert saved == 500 * (8_000 - least)


async def test_with_a_tool_of_the_provider_every_round_is_held_and_every_search() -> None:
    way = (await plan(request(tools=[SEARCH_TOOL]))).ways[0]

    assert way.bound.bound_class is BoundClass.WINDOW
    assert way.bound.total_tokens == 11 * 200_000
    # $0.01 for each of five searches
    assert way.rung[USD].want == 100 * 2_200_000 + 500 * 11_000 + 5 * 1_000_000


async def test_what_nobody_can_bound_leaves_only_for_an_amount_that_was_named() -> None:
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}
    call = request(tools=[advisor])
    with pytest.raises(Refused) as refusal:
        await plan(call)
    assert refusal.value.reason is Reason.UNBOUNDED_COST
    assert "advisor (only the provider can see it)" in str(refusal.value)
    assert "max_completion_tokens" not in str(refusal.value)

    assert (await plan(call, estimator(unbounded=300_000_000))).estimate == 300_000_000


@pytest.mark.parametrize(
    ("asked", "reported", "multiplier", "microcents"),
    [
        # 12 x 100 + 6 x 500
        ({}, {}, 1, 4_200),
        ({}, {}, 2, 8_400),
        # cached tokens are not among the others: 1,000 x 10 more, and 100 x 200
        ({}, {"cache_read_input_tokens": 1_000}, 1, 14_200),
        ({}, {"cache_creation": {"ephemeral_1h_input_tokens": 100}}, 1, 24_200),
        ({"inference_geo": "us"}, {"inference_geo": "us"}, 1, 4_620),
        ({"inference_geo": "us"}, {}, 2, 9_240),
        # a search that was not made has no fee
        ({"tools": [SEARCH_TOOL]}, {"server_tool_use": {"web_search_requests": 0}}, 1, 4_200),
        ({"tools": [SEARCH_TOOL]}, {"server_tool_use": {"web_search_requests": 2}}, 1, 2_004_200),
        ({"tools": [SEARCH_TOOL]}, {}, 1, 4_200),
    ],
)
async def test_a_call_costs_what_its_usage_says_where_it_was_served(
    asked: dict[str, object], reported: dict[str, object], multiplier: int, microcents: int
) -> None:
    way = (await plan(request(**asked), estimator(multiplier=multiplier))).ways[0]
    usage = ANSWER["usage"] | reported
    answer = MESSAGES.read_answer(encoded(ANSWER | {"model": MODEL, "usage": usage}))
    assert isinstance(answer.usage, Usage)

    pricer = Pricer(Catalogue(), COUNTER, SystemClock(), missing_usage="counted")
    cost_usd = pricer.reported_usd(MESSAGES, way, answer)

    assert cost_usd is not None
    assert Fraction(cost_usd) * 10**8 == microcents
