"""The plan: what a call can cost, dearest way first, and the limits that stand in its body."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pricing.catalogue import Catalogue, Override
from pricing.cost import hold
from pricing.tokens import Tokenizers
from proxy.dialects.chat import CHAT
from proxy.dialects.chat.request import read_request
from proxy.dialects.dialect import Request
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.estimate import Estimator, Plan, Way
from proxy.gateway.routes import Route, Routes
from proxy.gateway.shape import shape
from proxy.ledger.records import Span
from proxy.policies import Wish

NOW_MS = 1_795_000_000_000
MESSAGES = [{"role": "user", "content": "hi"}]
USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS
ONE, TWO = Decimal(1), Decimal(2)
PRICED = Override(model="local", input_per_mtok=ONE, output_per_mtok=TWO)
WINDOWED = Override(
    model="windowed",
    input_per_mtok=ONE,
    output_per_mtok=TWO,
    context_window=1_000,
    tokenizer="o200k_base",
)
SEARCHING = Override(
    model="finder-search-preview",
    input_per_mtok=ONE,
    output_per_mtok=TWO,
    context_window=1_000,
    tokenizer="o200k_base",
    tool_fees={"web_search": Decimal(25)},
)
FREE = Override(model="free/*", free=True, max_output_tokens=500, tokenizer="o200k_base")
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
        Catalogue([PRICED, WINDOWED, SEARCHING, FREE]),
        Counter(TOKENIZERS),
        Degrade(shorten, min_output_tokens, fallback_models or {}),
        Routes([Route("openai", "openai", ("*",), "openai", auto_tier=auto_tier)]),
        Ceilings(unbounded, ceiling, 60_000),
    )


def request(**fields: object) -> Request:
    return read_request(json.dumps({"model": "gpt-4o", "messages": MESSAGES} | fields).encode())


async def plan(call: Request, rules: Estimator | None = None, wish: Wish | None = None) -> Plan:
    return await (rules or estimator()).plan(CHAT, call, wish or Wish(), at_ms=NOW_MS)


async def refusal(call: Request, rules: Estimator | None = None) -> Reason:
    with pytest.raises(Refused) as refused:
        await plan(call, rules)
    return refused.value.reason


def is_whole(way: Way) -> bool:
    """Whether it is all or nothing, in every unit alike."""
    (found,) = {span.minimum == span.want for span in way.rung.values()}
    return found


async def test_a_call_is_held_at_its_own_limit_times_its_answers() -> None:
    """gpt-4o: 8 tokens in at $2.50, 3 x 100 out at $10 per million."""
    made = await plan(request(max_tokens=100, n=3))
    assert made.estimate == 8 * 250 + 3 * 100 * 1_000
    assert made.ways[0].output_tokens == 100


async def test_tokens_are_held_as_they_can_be_counted_in_and_written_out() -> None:
    """gpt-4o: 8 tokens in, and 100 out in each of the answers."""
    (full, shortened) = (await plan(request(max_tokens=100, n=3))).ways
    assert full.rung[TOKENS] == Span(8 + 3 * 100, 8 + 3 * 100)
    assert shortened.rung[TOKENS] == Span(8 + 3 * 10, 8 + 3 * 100)


@pytest.mark.parametrize(
    ("asked", "wished", "searches"),
    [
        (SEARCHING.model, "gpt-4o", {}),
        (SEARCHING.model, None, {"web_search": 1}),
    ],
)
async def test_a_search_is_held_for_where_the_model_that_is_asked_searches_by_itself(
    asked: str, wished: str | None, searches: dict[str, int]
) -> None:
    (way, *_) = (await plan(request(model=asked), wish=Wish(model=wished))).ways
    assert way.terms["tool_calls"] == searches


async def test_a_model_that_searches_by_itself_stands_in_with_what_it_finds_or_not_at_all() -> None:
    """What it finds may fill its window, which leaves an answer no room."""
    made = await plan(request(), wish=Wish(model=SEARCHING.model))
    assert made.skipped == ((SEARCHING.model, "context window"),)
    assert {way.model.name for way in made.ways} == {"gpt-4o"}


async def test_a_deployment_of_a_model_that_searches_is_held_with_the_search() -> None:
    call = replace(request(model="mine"), model=SEARCHING.model, deployment="mine")
    (way, *_) = (await plan(call)).ways
    assert way.terms["tool_calls"] == {"web_search": 1}


async def test_a_function_that_is_called_a_search_is_none_that_has_a_fee() -> None:
    own = {"type": "function", "function": {"name": "web_search", "parameters": {}}}
    (way, *_) = (await plan(request(tools=[own]))).ways
    assert way.terms["tool_calls"] == {}


async def test_rejected_tokens_of_a_prediction_are_held_in_every_answer() -> None:
    call = request(n=2, prediction={"type": "content", "content": "x" * 40})
    (way,) = (await plan(call)).ways
    predicted = way.terms["prediction_tokens"]
    assert predicted >= 40
    assert way.rung[TOKENS].want == way.bound.total_tokens + 2 * (16_384 + predicted)


async def test_a_model_without_a_price_of_its_own_is_free_in_money_alone() -> None:
    made = await plan(request(model="free/one", max_tokens=100))
    assert made.free == {USD}
    assert [way.rung for way in made.ways] == [
        {USD: Span(0, 0), TOKENS: Span(8 + 100, 8 + 100)},
        {USD: Span(0, 0), TOKENS: Span(8 + 10, 8 + 100)},
    ]
    assert (await plan(request())).free == frozenset()


async def test_a_free_model_with_input_that_nothing_bounds_is_free_all_the_same() -> None:
    file = {"type": "file", "file": {"file_id": "file-1"}}
    body = {"model": "free/one", "messages": [{"role": "user", "content": [file]}]}
    (way,) = (await plan(request(**body), estimator(unbounded=10_000_000))).ways
    assert way.rung[USD] == Span(0, 0)


async def test_the_shortest_answer_that_any_unit_pays_for_is_granted() -> None:
    way = (await plan(request(max_tokens=100, n=2))).ways[1]
    money, tokens = way.rung[USD].want, way.rung[TOKENS].want
    assert way.output_tokens_for({USD: money, TOKENS: tokens}) == 100
    assert way.output_tokens_for({USD: money, TOKENS: 8 + 2 * 40 + 1}) == 40
    assert way.output_tokens_for({USD: 8 * 250 + 2 * 30 * 1_000, TOKENS: 8 + 2 * 40}) == 30
    assert way.output_tokens_for({USD: money, TOKENS: 7}) == 0


async def test_what_is_affordable_is_said_by_the_unit_that_is_short() -> None:
    made = await plan(request(max_tokens=100, n=2))
    assert made.affordable_max_tokens(TOKENS, 8 + 2 * 40 + 1) == 40
    assert made.affordable_max_tokens(USD, 8 * 250 + 2 * 30 * 1_000) == 30
    assert made.affordable_max_tokens(TOKENS, 8) == 0
    assert made.affordable_max_tokens(TOKENS, 10**9) == 100


async def test_without_a_limit_the_models_own_counts_and_is_not_written() -> None:
    way = (await plan(request())).ways[0]
    assert way.output_tokens == 16_384
    assert not way.writes_limit


async def test_the_wish_comes_first_then_shortened_then_each_stand_in() -> None:
    rules = estimator(fallback_models={"gpt-4o": ("gpt-4.1-mini", "gpt-4o-mini")})
    ways = (await plan(request(max_tokens=100), rules)).ways
    assert [(way.model.name, is_whole(way)) for way in ways] == [
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
    assert bounded.ways[0].rung[USD].want <= 10_000_000
    assert bounded.ways[0].writes_limit


async def test_input_that_nothing_bounds_holds_the_amount_that_was_named() -> None:
    file = {"type": "file", "file": {"file_id": "file-1"}}
    call = request(model="local", max_tokens=5, messages=[{"role": "user", "content": [file]}])
    assert await refusal(call) is Reason.UNBOUNDED_COST
    made = await plan(call, estimator(unbounded=10_000_000))
    (way,) = made.ways
    counted = way.bound.total_tokens + 5
    assert way.rung == {USD: Span(10_000_000, 10_000_000), TOKENS: Span(counted, counted)}


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
    assert more - way.rung[USD].want == 1_000 * microcents_per_token


@given(
    max_tokens=st.integers(1, 5_000) | st.none(),
    cap=st.integers(1, 5_000) | st.none(),
    n=st.integers(1, 8),
    shares=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    place=st.integers(0, 3),
    words=st.integers(1, 50),
)
async def test_a_shaped_call_costs_at_most_its_grant(
    max_tokens: int | None,
    cap: int | None,
    n: int,
    shares: tuple[int, int],
    place: int,
    words: int,
) -> None:
    """What leaves, read again, holds no more in any unit than what was granted for it."""
    rules = estimator(fallback_models={"gpt-4o": ("gpt-4o-mini",)})
    fields: dict[str, object] = {"n": n, "messages": [{"role": "user", "content": "w " * words}]}
    if max_tokens is not None:
        fields["max_tokens"] = max_tokens
    call = request(**fields)
    wish = Wish("p", None, Caps(max_tokens=cap))
    made = await plan(call, rules, wish)
    rung = min(place, len(made.ways) - 1)
    way = made.ways[rung]
    amounts = {
        unit: span.minimum + (span.want - span.minimum) * share // 100
        for (unit, span), share in zip(way.rung.items(), shares, strict=True)
    }

    shaped = shape(CHAT, wish, way, rung=rung, amounts=amounts)

    again = read_request(shaped.body)
    limit = again.max_output_tokens or way.model.profile.max_output_tokens
    assert limit is not None
    assert again.model == way.model.name
    assert limit <= (max_tokens or limit)
    assert limit <= (cap or limit)
    assert hold(way.model.card, way.bound, output_tokens=limit, **way.terms) <= amounts[USD]
    assert way.bound.total_tokens + n * limit <= amounts[TOKENS]
