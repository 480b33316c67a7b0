"""The bill, as literals worked out by hand from the provider's price page."""

from decimal import Decimal
from typing import Any

import pytest

from simulator import Behaviour, Input, Output, Report, Simulator
from simulator.bill import amount_microcents
from simulator.models import MODELS
from simulator.rates import PRICES
from tests.simulator.calls import HELLO, call


@pytest.mark.parametrize(
    ("model", "tier", "microcents"),
    [
        # 1,000 tokens in, of which 400 cached, and 100 out; microcents a token = 100 x USD/M.
        ("gpt-4o", "default", 600 * 250 + 400 * 125 + 100 * 1000),
        ("gpt-4o", "priority", 600 * 425 + 85_000 + 100 * 1700),
        ("gpt-4o-mini", "default", 600 * 15 + 3_000 + 100 * 60),
        ("gpt-4o-mini", "priority", 600 * 25 + 5_000 + 100 * 100),
        ("gpt-4.1", "default", 600 * 200 + 400 * 50 + 100 * 800),
        ("gpt-4.1", "priority", 600 * 350 + 35_000 + 100 * 1400),
        ("gpt-4.1-mini", "default", 600 * 40 + 400 * 10 + 100 * 160),
        ("gpt-4.1-mini", "priority", 600 * 70 + 7_000 + 100 * 280),
        ("gpt-4.1-nano", "default", 600 * 10 + 1_000 + 100 * 40),
        ("gpt-4.1-nano", "priority", 600 * 20 + 400 * 5 + 100 * 80),
        ("gpt-5", "default", 600 * 125 + 5_000 + 100 * 1000),
        ("gpt-5", "priority", 600 * 250 + 400 * 25 + 100 * 2000),
        ("gpt-5", "flex", 37_500 + 2_500 + 100 * 500),
        ("gpt-5-mini", "default", 600 * 25 + 1_000 + 100 * 200),
        ("gpt-5-mini", "priority", 600 * 45 + 1_800 + 100 * 360),
        ("gpt-5-mini", "flex", 7_500 + 500 + 100 * 100),
        ("gpt-5-nano", "default", 600 * 5 + 200 + 100 * 40),
        ("gpt-5-nano", "flex", 1_500 + 100 + 100 * 20),
        ("gpt-5.4", "default", 600 * 250 + 400 * 25 + 100 * 1500),
        ("gpt-5.4", "priority", 600 * 500 + 400 * 50 + 100 * 3000),
        ("gpt-5.4", "flex", 600 * 125 + 400 * 13 + 100 * 750),
        ("gpt-5.6-terra", "default", 600 * 200 + 400 * 20 + 100 * 1200),
        ("gpt-5.6-terra", "flex", 600 * 100 + 400 * 10 + 100 * 600),
        ("o3", "default", 600 * 200 + 400 * 50 + 100 * 800),
        ("o3", "flex", 600 * 100 + 400 * 25 + 100 * 400),
        ("o4-mini", "default", 600 * 110 + 11_000 + 100 * 440),
        ("o4-mini", "flex", 600 * 55 + 5_520 + 100 * 220),
        ("gpt-3.5-turbo", "default", 1000 * 50 + 100 * 150),
        ("gpt-4", "default", 1000 * 3000 + 100 * 6000),
        # No cheaper rate is published for cached input of this one.
        ("gpt-4o-audio-preview", "default", 1000 * 250 + 100 * 1000),
    ],
)
def test_a_call_costs_what_the_price_page_says(model: str, tier: str, microcents: int) -> None:
    consumed = Input(prompt_tokens=1000, cached_tokens=400)
    produced = Output(text_tokens=60, reasoning_tokens=40)

    assert amount_microcents(PRICES[model], tier, consumed, produced) == microcents


@pytest.mark.parametrize(
    ("model", "microcents"),
    [
        ("gpt-4o-audio-preview", 70 * 250 + 30 * 4000 + 20 * 1000 + 80 * 8000),
        ("gpt-audio", 70 * 250 + 30 * 3200 + 20 * 1000 + 80 * 6400),
    ],
)
def test_what_is_heard_and_spoken_has_rates_of_its_own(model: str, microcents: int) -> None:
    consumed = Input(prompt_tokens=100, audio_tokens=30)
    produced = Output(text_tokens=20, audio_tokens=80)

    assert amount_microcents(PRICES[model], "default", consumed, produced) == microcents


@pytest.mark.parametrize(
    ("prompt_tokens", "microcents"),
    [
        (272_000, 272_000 * 250 + 10 * 1500),
        (272_001, 272_001 * 500 + 10 * 2250),
    ],
)
def test_one_token_past_the_edge_makes_the_whole_call_dearer(
    prompt_tokens: int, microcents: int
) -> None:
    consumed, produced = Input(prompt_tokens=prompt_tokens), Output(text_tokens=10)

    assert amount_microcents(PRICES["gpt-5.4"], "default", consumed, produced) == microcents


def test_a_long_prompt_in_flex_is_dearer_too() -> None:
    consumed = Input(prompt_tokens=300_000, cached_tokens=100_000)

    amount = amount_microcents(PRICES["gpt-5.4"], "flex", consumed, Output(text_tokens=10))

    assert amount == 200_000 * 250 + 100_000 * 25 + 10 * 1125


def test_priority_is_not_sold_for_long_prompts() -> None:
    with pytest.raises(KeyError):
        PRICES["gpt-5.4"].rates_for("priority", 272_001)


@pytest.mark.parametrize(
    ("model", "microcents"),
    [
        ("gpt-5.6-terra", 100 * 200 + 300 * 20 + 600 * 250),
        # Before that family, what is written to the cache is ordinary input.
        ("gpt-4o", 700 * 250 + 300 * 125),
    ],
)
def test_a_cache_write_costs_extra_where_it_is_sold(model: str, microcents: int) -> None:
    consumed = Input(prompt_tokens=1000, cached_tokens=300, cache_write_tokens=600)

    assert amount_microcents(PRICES[model], "default", consumed, Output()) == microcents


@pytest.mark.parametrize(("tokens", "microcents"), [(0, 0), (1, 3), (2, 5), (3, 8), (4, 10)])
def test_a_fraction_of_a_microcent_is_rounded_up_once(tokens: int, microcents: int) -> None:
    """gpt-4.1-nano: a cached token is 2.5 microcents."""
    consumed = Input(prompt_tokens=tokens, cached_tokens=tokens)

    assert amount_microcents(PRICES["gpt-4.1-nano"], "default", consumed, Output()) == microcents


def test_wrong_predictions_are_paid_for_and_right_ones_are_part_of_the_text() -> None:
    produced = Output(text_tokens=10, accepted_prediction_tokens=6, rejected_prediction_tokens=4)

    assert amount_microcents(PRICES["gpt-4o"], "default", Input(), produced) == 14 * 1000


def test_every_model_on_offer_has_a_price_and_no_price_is_zero() -> None:
    assert set(MODELS) == set(PRICES)
    for name, prices in PRICES.items():
        assert all(fee > Decimal(0) for fee in prices.image_fees.values())
        if prices.image_fees or prices.audio_hour or prices.characters:
            continue
        for tier in prices.tiers(0).values():
            assert tier.input > Decimal(0)
            assert tier.output >= tier.input or MODELS[name].kind == "embedding"


async def test_the_prompt_of_several_choices_is_billed_once(simulator: Simulator) -> None:
    await call(simulator, HELLO | {"n": 4}, Behaviour(output_tokens=10))

    assert simulator.total_microcents == 9 * 15 + 40 * 60


async def test_choices_nobody_asked_for_are_billed(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO, Behaviour(output_tokens=10, extra_choices=2))

    assert len(answer.json()["choices"]) == 3
    assert simulator.total_microcents == 9 * 15 + 30 * 60


async def test_a_limit_can_be_ignored(simulator: Simulator) -> None:
    behaviour = Behaviour(output_tokens=200, ignore_limit=True)
    answer = await call(simulator, HELLO | {"max_tokens": 3}, behaviour)

    assert answer.json()["usage"]["completion_tokens"] == 200
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert simulator.total_microcents == 9 * 15 + 200 * 60


async def test_input_can_be_counted_above_ours(simulator: Simulator) -> None:
    behaviour = Behaviour(extra_prompt_tokens=91, cached_tokens=40, output_tokens=0)
    answer = await call(simulator, HELLO, behaviour)

    assert answer.json()["usage"]["prompt_tokens"] == 100
    assert answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 40
    assert simulator.total_microcents == 60 * 15 + 300


async def test_no_more_is_cached_or_written_than_there_is(simulator: Simulator) -> None:
    greedy = Behaviour(cached_tokens=7, cache_write_tokens=1000, output_tokens=0)
    await call(simulator, HELLO, greedy)

    assert simulator.bills[0].input == Input(prompt_tokens=9, cached_tokens=7, cache_write_tokens=2)


@pytest.mark.parametrize(
    ("model", "words", "written"),
    [("gpt-5.6-terra", 1100, 1024), ("gpt-5.6-terra", 900, 0), ("gpt-5.4", 1100, 0)],
)
async def test_a_model_that_charges_for_writes_caches_long_prompts(
    simulator: Simulator, model: str, words: int, written: int
) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "a " * words}]}

    answer = await call(simulator, body)

    details = answer.json()["usage"]["prompt_tokens_details"]
    assert details.get("cache_write_tokens", 0) == written
    assert simulator.bills[0].input.cache_write_tokens == written


async def test_another_model_can_serve_and_is_the_one_billed(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO, Behaviour(model="gpt-4o", output_tokens=10))

    assert answer.json()["model"] == "gpt-4o"
    assert simulator.bills[0].model == "gpt-4o"
    assert simulator.total_microcents == 9 * 250 + 10 * 1000


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        (None, "default"),
        ("auto", "default"),
        ("default", "default"),
        ("scale", "default"),
        ("priority", "priority"),
        ("fast", "priority"),
        ("flex", "flex"),
    ],
)
async def test_the_tier_asked_for_is_served_and_named(
    simulator: Simulator, asked: str | None, served: str
) -> None:
    body: dict[str, Any] = HELLO | {"model": "gpt-5"}
    answer = await call(simulator, body | ({"service_tier": asked} if asked else {}))

    assert answer.json()["service_tier"] == served
    assert simulator.bills[0].service_tier == served


async def test_a_tier_that_is_not_sold_is_served_as_default(simulator: Simulator) -> None:
    body = HELLO | {"model": "gpt-5-nano", "service_tier": "priority"}

    assert (await call(simulator, body)).json()["service_tier"] == "default"


async def test_a_long_prompt_with_priority_is_served_as_usual(simulator: Simulator) -> None:
    words = [{"role": "user", "content": "a" + " a" * 272_000}]
    body = {"model": "gpt-5.4", "messages": words, "service_tier": "priority"}
    honest = Behaviour(output_tokens=10, reasoning_tokens=0)

    assert (await call(simulator, body, honest)).json()["service_tier"] == "default"
    assert simulator.total_microcents == 272_008 * 500 + 10 * 2250


async def test_another_tier_can_serve(simulator: Simulator) -> None:
    behaviour = Behaviour(service_tier="priority", output_tokens=10)
    answer = await call(simulator, HELLO, behaviour)

    assert answer.json()["service_tier"] == "priority"
    assert simulator.total_microcents == 9 * 25 + 10 * 100


async def test_a_usage_of_zero_is_a_free_call_and_an_odd_one_is_not(
    simulator: Simulator,
) -> None:
    await call(simulator, HELLO, Behaviour(report=Report(shape="zero")))
    assert simulator.total_microcents == 0

    await call(simulator, HELLO, Behaviour(output_tokens=1, report=Report(shape="negative")))
    assert simulator.total_microcents == 9 * 15 + 60


async def test_the_bill_is_shown_without_a_word_of_the_prompt(simulator: Simulator) -> None:
    await call(simulator, HELLO, Behaviour(output_tokens=10))

    shown = await call(simulator, b"", method="GET", path="/simulator/bill")

    assert b"hello" not in shown.body
    assert shown.json()["total_microcents"] == 735
    assert shown.json()["lines"] == [
        {
            "request_id": "req_00000000000000000000000000000001",
            "completion_id": "chatcmpl-000000000000000000000001",
            "model": "gpt-4o-mini-2024-07-18",
            "service_tier": "default",
            "input": {
                "prompt_tokens": 9,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "cache_write_1h_tokens": 0,
                "audio_tokens": 0,
                "audio_seconds": 0,
                "characters": 0,
                "image_tokens": 0,
            },
            "output": {
                "text_tokens": 10,
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "image_tokens": 0,
                "images": [],
                "rejected_prediction_tokens": 0,
                "accepted_prediction_tokens": 0,
                "web_searches": 0,
            },
            "amount_microcents": 735,
            "outcome": "completed",
        }
    ]
