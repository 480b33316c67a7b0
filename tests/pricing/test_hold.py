"""A hold is an upper bound of every bill, and what is affordable is its exact inverse."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pricing.bound import InputBound
from pricing.card import RateCard, Unpriced
from pricing.catalogue import Override
from pricing.cost import Terms, affordable_output, cost, hold
from pricing.published.quote import RATES, Quote, card_of
from pricing.usage import Usage
from tests.pricing.make import (
    BOUNDS,
    CARDS,
    STANDARD,
    bound_of,
    listed_card,
    served_within,
    simple_card,
    terms,
    unhurried,
)

OUTPUTS = st.integers(0, 400_000)


def hold_or_reject(card: RateCard, bound: InputBound, output_tokens: int, terms: Terms) -> int:
    try:
        return hold(card, bound, output_tokens=output_tokens, **terms)
    except Unpriced:
        assume(False)
        raise


@unhurried
@given(st.data(), CARDS, BOUNDS, OUTPUTS, terms())
def test_no_bill_within_the_bound_exceeds_the_hold(
    data: st.DataObject, card: RateCard, bound: InputBound, output_tokens: int, terms: Terms
) -> None:
    held = hold_or_reject(card, bound, output_tokens, terms)
    served = data.draw(served_within(card, bound, terms, output_tokens))

    try:
        billed = cost(
            card,
            served.usage,
            cached_in_input=served.cached_in_input,
            service_tier=served.service_tier,
            multiplier=terms["multiplier"],
        )
    except Unpriced:
        # It says only what this card does not bill by: then the hold is charged.
        assert not card.standard or not (served.usage.input_tokens or served.usage.output_tokens)
        billed = held

    assert 0 <= billed <= held


@unhurried
@given(CARDS, BOUNDS, terms(), st.integers(0, 10**13))
def test_the_affordable_length_is_the_longest_that_fits(
    card: RateCard, bound: InputBound, terms: Terms, amount: int
) -> None:
    hold_or_reject(card, bound, 1, terms)
    nothing = hold_or_reject(card, bound, 0, terms)
    most = 10**9

    length = affordable_output(card, bound, amount=amount, at_most=most, **terms)

    if length is None:
        assert nothing > amount
    else:
        assert hold(card, bound, output_tokens=length, **terms) <= amount
        assert length == most or hold(card, bound, output_tokens=length + 1, **terms) > amount


@unhurried
@given(CARDS, BOUNDS, terms(), OUTPUTS)
def test_a_hold_affords_the_length_it_was_made_for(
    card: RateCard, bound: InputBound, terms: Terms, output_tokens: int
) -> None:
    hold_or_reject(card, bound, 1, terms)
    held = hold(card, bound, output_tokens=output_tokens, **terms)
    length = affordable_output(card, bound, amount=held, **terms)

    assert length is not None
    assert length >= output_tokens


DEAR_KINDS = [
    # the one dear rate, what bounds the call, and a bill that is all of that kind
    ("cache_read", bound_of(10), Usage(10, 0, 10)),
    ("cache_write", bound_of(10), Usage(10, 0, cache_write_tokens=10)),
    ("cache_write_1h", bound_of(10), Usage(10, 0, 0, 10, cache_write_1h_tokens=10)),
    ("input_image", bound_of(image=10), Usage(10, 0, input_image_tokens=10)),
    ("input_image", bound_of(unseen=10), Usage(10, 0, input_image_tokens=10)),
    (
        "cache_read_image",
        bound_of(image=10),
        Usage(10, 0, 10, input_image_tokens=10, cache_read_image_tokens=10),
    ),
    ("cache_write", bound_of(image=10), Usage(10, 0, cache_write_tokens=10)),
    ("input_audio", bound_of(audio=10), Usage(10, 0, input_audio_tokens=10)),
    ("input_audio", bound_of(unseen=10), Usage(10, 0, input_audio_tokens=10)),
    (
        "cache_read_audio",
        bound_of(audio=10),
        Usage(10, 0, 10, input_audio_tokens=10, cache_read_audio_tokens=10),
    ),
    ("reasoning", bound_of(), Usage(0, 10, reasoning_tokens=10)),
    ("output_audio", bound_of(), Usage(0, 10, output_audio_tokens=10)),
    ("output_image", bound_of(), Usage(0, 10, output_image_tokens=10)),
]


@pytest.mark.parametrize(("dear", "bound", "usage"), DEAR_KINDS)
def test_a_hold_covers_a_bill_of_nothing_but_the_dearest_kind(
    dear: str, bound: InputBound, usage: Usage
) -> None:
    usd = {name: "900" if name == dear else "1" for name in RATES}
    card = simple_card(usd.pop("input"), usd.pop("output"), **usd)
    everything: Terms = {**STANDARD, "cache_write_1h": True, "audio_output": True}

    held = hold(card, bound, output_tokens=usage.output_tokens, **everything)

    assert held == cost(card, usage, cached_in_input=True, service_tier=None) == 900_000


GPT_4O = "gpt-4o"  # 2.50 in, 1.25 cached, 10 out; priority 4.25 and 17
GPT_6 = "gpt-6-sol"  # 2 in, 2.50 written, 10 out; above 272,000: 4, 5 and 15; priority 2 x
FLEX, PRIORITY = frozenset([None, "flex"]), frozenset([None, "priority"])

HOLDS = [
    pytest.param(GPT_4O, bound_of(1_000), 500, STANDARD, 750_000, id="input and output"),
    pytest.param(GPT_4O, bound_of(1_000), 500, {**STANDARD, "n": 3}, 1_750_000, id="times n"),
    pytest.param(
        GPT_4O,
        bound_of(1_000),
        500,
        {**STANDARD, "n": 2, "prediction_tokens": 100},
        1_450_000,
        id="rejected prediction bills as output",
    ),
    pytest.param(
        GPT_4O,
        bound_of(1_000),
        500,
        {**STANDARD, "service_tiers": PRIORITY},
        1_275_000,
        id="dearest tier",
    ),
    pytest.param(
        "gpt-5", bound_of(1_000), 500, {**STANDARD, "service_tiers": FLEX}, 625_000, id="not flex"
    ),
    pytest.param(
        GPT_4O,
        bound_of(1_000),
        500,
        {**STANDARD, "tool_calls": {"web_search": 2}},
        2_750_000,
        id="tool fees",
    ),
    pytest.param(
        GPT_4O,
        bound_of(1_000),
        500,
        {**STANDARD, "multiplier": Fraction(11, 10)},
        825_000,
        id="multiplier",
    ),
    pytest.param(GPT_6, bound_of(1_000), 0, STANDARD, 250_000, id="dearest is a cache write"),
    pytest.param(
        GPT_6,
        bound_of(1_000),
        0,
        {**STANDARD, "cache_write": False},
        200_000,
        id="no cache to write",
    ),
    pytest.param(GPT_6, bound_of(272_000), 0, STANDARD, 68_000_000, id="below the long context"),
    pytest.param(GPT_6, bound_of(272_001), 0, STANDARD, 136_000_500, id="in the long context"),
    pytest.param(
        GPT_6, bound_of(1_000, unseen=271_001), 1_000, STANDARD, 137_500_500, id="unseen reaches it"
    ),
    pytest.param(
        "gpt-audio",
        bound_of(1_000, audio=100),
        100,
        {**STANDARD, "audio_output": True},
        1_210_000,
        id="audio in and out",
    ),
    pytest.param(
        "gpt-audio", bound_of(1_000, unseen=100), 0, STANDARD, 570_000, id="unseen may be audio"
    ),
    pytest.param(
        "claude-sonnet-4-5",
        bound_of(1_000),
        0,
        {**STANDARD, "cache_write_1h": True},
        600_000,
        id="longest cache lifetime",
    ),
    pytest.param("sonar", bound_of(1), 1, STANDARD, 1_200_200, id="request fee"),
]

PROVIDERS = {"claude-sonnet-4-5": "anthropic", "sonar": "perplexity"}


@pytest.mark.parametrize(("model", "bound", "output_tokens", "terms", "microcents"), HOLDS)
def test_a_hold_takes_the_dearest_that_may_be_billed(
    model: str, bound: InputBound, output_tokens: int, terms: Terms, microcents: int
) -> None:
    card = listed_card(model, PROVIDERS.get(model, "openai"))

    assert hold(card, bound, output_tokens=output_tokens, **terms) == microcents


def test_cache_reads_never_lower_a_hold() -> None:
    """askalf/dario PR#1378: a hold priced at the cached rate is no bound (field report 24)."""
    with_cache = simple_card("2", "1", cache_read="0.2")

    assert hold(with_cache, bound_of(1_000), output_tokens=0, **STANDARD) == 200_000


def test_a_bracket_that_is_cheaper_for_long_input_does_not_lower_a_hold() -> None:
    steps = {
        "input": ((-1, Decimal(4)), (100, Decimal(1))),
        "output": ((-1, Decimal(9)), (100, Decimal(1))),
    }
    card = card_of("m", "test", [Quote(steps)], audio_as_text=False)

    assert hold(card, bound_of(200), output_tokens=10, **STANDARD) == 89_000


UNPRICED = [
    (GPT_4O, bound_of(1, audio=1), STANDARD, "audio input"),
    (GPT_4O, bound_of(1), {**STANDARD, "audio_output": True}, "audio output"),
    ("gpt-audio", bound_of(1), {**STANDARD, "tool_calls": {"web_search": 1}}, "web_search"),
    ("gpt-4-turbo", bound_of(1), {**STANDARD, "service_tiers": PRIORITY}, "priority"),
    (GPT_6, bound_of(1), {**STANDARD, "cache_write_1h": True}, "long-lived cache"),
]


@pytest.mark.parametrize(("model", "bound", "terms", "what"), UNPRICED)
def test_a_call_that_may_use_what_has_no_price_is_refused(
    model: str, bound: InputBound, terms: Terms, what: str
) -> None:
    card = listed_card(model)

    with pytest.raises(Unpriced, match=what):
        hold(card, bound, output_tokens=1, **terms)
    with pytest.raises(Unpriced, match=what):
        affordable_output(card, bound, amount=10**9, **terms)


def test_a_tool_that_cannot_be_called_needs_no_fee() -> None:
    none_called: Terms = {**STANDARD, "tool_calls": {"web_search": 0}}

    assert hold(listed_card("gpt-audio"), bound_of(0), output_tokens=0, **none_called) == 0


AFFORDABLE = [
    (750_000, 500),
    (750_999, 500),
    (749_999, 499),
    (250_000, 0),
    (249_999, None),
    (0, None),
]


@pytest.mark.parametrize(("amount", "length"), AFFORDABLE)
def test_what_a_budget_affords_is_exact_to_the_token(amount: int, length: int | None) -> None:
    card = listed_card(GPT_4O)

    assert affordable_output(card, bound_of(1_000), amount=amount, **STANDARD) == length


def test_an_answer_without_a_price_is_affordable_up_to_the_wish() -> None:
    card = simple_card("1", "0")
    bound = bound_of(10)

    assert affordable_output(card, bound, amount=1_000, at_most=77, **STANDARD) == 77
    assert affordable_output(card, bound, amount=999, at_most=77, **STANDARD) is None


def test_a_free_model_is_held_at_nothing_and_always_affordable() -> None:
    """Free local models must still work when the budget is gone (field report 53)."""
    card = Override("m", free=True).card("m")
    everything: Terms = {**STANDARD, "audio_output": True, "tool_calls": {"web_search": 9}}

    assert hold(card, bound_of(9, 9, 9, 9), output_tokens=10**6, **everything) == 0
    assert affordable_output(card, bound_of(9), amount=0, at_most=5, **STANDARD) == 5


def test_a_model_that_writes_nothing_is_held_for_what_it_reads() -> None:
    embeds = listed_card("text-embedding-3-large")

    assert hold(embeds, bound_of(text=1_000), output_tokens=0, **STANDARD) == 13_000
    with pytest.raises(Unpriced, match="output"):
        hold(embeds, bound_of(text=1_000), output_tokens=1, **STANDARD)
    with pytest.raises(Unpriced, match="output"):
        affordable_output(embeds, bound_of(text=1_000), amount=10**9, **STANDARD)
