"""The plan: what a call can cost, dearest way first, and the limits that stand in its body."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.catalogue import Catalogue, Override
from pricing.cost import hold
from pricing.tokens import Tokenizers
from proxy.dialects.chat_request import ChatRequest, read_request
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.gateway.estimate import Counter, Degrade, Estimator, Plan, Rates
from proxy.gateway.policy import Wish
from proxy.gateway.shape import shape

NOW_MS = 1_795_000_000_000
MESSAGES = [{"role": "user", "content": "hi"}]
ONE, TWO = Decimal(1), Decimal(2)
PRICED = Override(model="local", input_per_mtok=ONE, output_per_mtok=TWO)
WINDOWED = Override(
    model="windowed",
    input_per_mtok=ONE,
    output_per_mtok=TWO,
    context_window=1_000,
    tokenizer="o200k_base",
)
TOKENIZERS = Tokenizers()
TOKENIZERS.load(["o200k_base"])


def estimator(
    *,
    shorten: bool = True,
    min_output_tokens: int = 10,
    fallback_models: dict[str, tuple[str, ...]] | None = None,
    unbounded: int | None = None,
    ceiling: int | None = None,
    auto_tier: str = "default",
) -> Estimator:
    return Estimator(
        Catalogue([PRICED, WINDOWED]),
        Counter(TOKENIZERS),
        Degrade(shorten, min_output_tokens, fallback_models or {}),
        Rates("openai", Fraction(1), auto_tier, unbounded, ceiling, 60_000),
    )


def request(**fields: object) -> ChatRequest:
    return read_request(json.dumps({"model": "gpt-4o", "messages": MESSAGES} | fields).encode())


async def plan(call: ChatRequest, rules: Estimator | None = None, wish: Wish | None = None) -> Plan:
    return await (rules or estimator()).plan(call, wish or Wish(), at_ms=NOW_MS)


async def refusal(call: ChatRequest, rules: Estimator | None = None) -> Reason:
    with pytest.raises(Refused) as refused:
        await plan(call, rules)
    return refused.value.reason


async def test_a_call_is_held_at_its_own_limit_times_its_answers() -> None:
    """gpt-4o: 8 tokens in at $2.50, 3 x 100 out at $10 per million."""
    made = await plan(request(max_tokens=100, n=3))
    assert made.estimate == 8 * 250 + 3 * 100 * 1_000
    assert made.ways[0].output_tokens == 100


async def test_without_a_limit_the_models_own_counts_and_is_not_written() -> None:
    way = (await plan(request())).ways[0]
    assert way.output_tokens == 16_384
    assert not way.writes_limit


async def test_the_wish_comes_first_then_shortened_then_each_stand_in() -> None:
    rules = estimator(fallback_models={"gpt-4o": ("gpt-4.1-mini", "gpt-4o-mini")})
    ways = (await plan(request(max_tokens=100), rules)).ways
    assert [(way.model.name, way.rung.minimum == way.rung.want) for way in ways] == [
        ("gpt-4o", True),
        ("gpt-4o", False),
        ("gpt-4.1-mini", True),
        ("gpt-4.1-mini", False),
        ("gpt-4o-mini", True),
        ("gpt-4o-mini", False),
    ]


async def test_without_shortening_the_plan_is_the_wish_alone() -> None:
    rules = estimator(shorten=False, fallback_models={"gpt-4o": ("gpt-4o-mini",)})
    assert len((await plan(request(max_tokens=100), rules)).ways) == 1


async def test_an_answer_that_is_short_already_is_not_shortened() -> None:
    assert len((await plan(request(max_tokens=10))).ways) == 1


async def test_a_call_with_a_prediction_takes_no_limit() -> None:
    """The API refuses a limit beside `prediction`; its rejected tokens bill as output."""
    prediction = {"type": "content", "content": "x" * 40}
    wish = Wish("thrift", None, Caps(max_tokens=5))
    made = await plan(request(prediction=prediction), wish=wish)
    assert len(made.ways) == 1
    assert not made.ways[0].writes_limit
    assert made.estimate > (await plan(request())).estimate


@pytest.mark.parametrize(
    ("body", "stand_in", "serves"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "gpt-4o-mini", True),
        ({"messages": [{"role": "user", "content": "x " * 12_000}]}, "gpt-4", False),
        ({"response_format": {"type": "json_schema"}}, "gpt-4", False),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}],
                    }
                ]
            },
            "gpt-3.5-turbo",
            False,
        ),
    ],
)
async def test_a_stand_in_must_understand_the_call(
    body: dict[str, object], stand_in: str, serves: bool
) -> None:
    rules = estimator(fallback_models={"gpt-4o": (stand_in,)})
    ways = (await plan(request(max_tokens=100, **body), rules)).ways
    assert (ways[-1].model.name == stand_in) == serves


async def test_a_policys_model_that_cannot_serve_leaves_the_callers_own() -> None:
    wish = Wish("thrift", "gpt-4", Caps())
    call = request(max_tokens=100, response_format={"type": "json_schema"})
    assert {way.model.name for way in (await plan(call, wish=wish)).ways} == {"gpt-4o"}


async def test_a_policys_ceiling_never_raises_a_limit() -> None:
    lower = await plan(request(max_tokens=100), wish=Wish("p", None, Caps(max_tokens=50)))
    higher = await plan(request(max_tokens=100), wish=Wish("p", None, Caps(max_tokens=500)))
    assert lower.ways[0].output_tokens == 50
    assert higher.ways[0].output_tokens == 100


async def test_an_unknown_model_is_refused_with_its_neighbours() -> None:
    with pytest.raises(Refused, match="gpt-4o") as refused:
        await plan(request(model="gpt-4oo"))
    assert refused.value.reason is Reason.MODEL_NOT_PRICED


async def test_a_window_bounds_a_model_without_a_limit() -> None:
    way = (await plan(request(model="windowed"))).ways[0]
    assert way.output_tokens + way.bound.total_tokens == 1_000
    assert way.writes_limit


async def test_what_nothing_bounds_is_refused_unless_an_amount_is_named() -> None:
    assert await refusal(request(model="local")) is Reason.UNBOUNDED_COST
    bounded = await plan(request(model="local"), estimator(unbounded=10_000_000))
    assert bounded.ways[0].rung.want <= 10_000_000
    assert bounded.ways[0].writes_limit


async def test_input_that_nothing_bounds_holds_the_amount_that_was_named() -> None:
    file = {"type": "file", "file": {"file_id": "file-1"}}
    call = request(model="local", max_tokens=5, messages=[{"role": "user", "content": [file]}])
    assert await refusal(call) is Reason.UNBOUNDED_COST
    made = await plan(call, estimator(unbounded=10_000_000))
    assert [way.rung.want for way in made.ways] == [10_000_000]


async def test_a_call_may_cost_no_more_than_its_ceiling() -> None:
    call = request(max_tokens=100)
    full = (await plan(call)).estimate
    assert (await plan(call, estimator(ceiling=full))).estimate == full
    assert await refusal(call, estimator(ceiling=1)) is Reason.CALL_TOO_EXPENSIVE


@pytest.mark.parametrize(
    ("asked", "auto_tier", "microcents_per_token"),
    [
        (None, "default", 1_000),
        ("auto", "default", 1_000),
        ("default", "default", 1_000),
        (None, "priority", 1_700),
        ("priority", "default", 1_700),
    ],
)
async def test_the_dearest_tier_that_may_serve_counts(
    asked: str | None, auto_tier: str, microcents_per_token: int
) -> None:
    call = request(max_tokens=1_000, service_tier=asked)
    way = (await plan(call, estimator(auto_tier=auto_tier))).ways[0]
    more = hold(way.model.card, way.bound, output_tokens=2_000, **way.terms)
    assert more - way.rung.want == 1_000 * microcents_per_token


@given(
    max_tokens=st.integers(1, 5_000) | st.none(),
    cap=st.integers(1, 5_000) | st.none(),
    n=st.integers(1, 8),
    share=st.integers(0, 100),
    place=st.integers(0, 3),
    words=st.integers(1, 50),
)
async def test_a_shaped_call_costs_at_most_its_grant(
    max_tokens: int | None, cap: int | None, n: int, share: int, place: int, words: int
) -> None:
    """What leaves, read again, holds no more than what was granted for it."""
    rules = estimator(fallback_models={"gpt-4o": ("gpt-4o-mini",)})
    fields: dict[str, object] = {"n": n, "messages": [{"role": "user", "content": "w " * words}]}
    if max_tokens is not None:
        fields["max_tokens"] = max_tokens
    call = request(**fields)
    wish = Wish("p", None, Caps(max_tokens=cap))
    made = await plan(call, rules, wish)
    rung = min(place, len(made.ways) - 1)
    way = made.ways[rung]
    amount = way.rung.minimum + (way.rung.want - way.rung.minimum) * share // 100

    shaped = shape(call, wish, way, rung=rung, amount=amount)

    again = read_request(shaped.body)
    limit = again.max_output_tokens or way.model.profile.max_output_tokens
    assert limit is not None
    assert again.model == way.model.name
    assert limit <= (max_tokens or limit)
    assert limit <= (cap or limit)
    assert hold(way.model.card, way.bound, output_tokens=limit, **way.terms) <= amount
