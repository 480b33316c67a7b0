"""Usage that is more than we counted, odd, false or missing: what is charged for it."""

from typing import Any

import pytest

from simulator.behaviour import Behaviour, Report, Wire
from tests.e2e.hostile.outcomes import (
    HIDDEN,
    STREAMS,
    VISIBLE,
    Charge,
    Mode,
    body_of,
    expected_body,
    run,
)
from tests.e2e.stack import Stack, charged, held

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEARER = Behaviour(output_tokens=40, model="gpt-4")

CONSUMED: list[tuple[str, str, Behaviour, dict[str, Any]]] = [
    ("what was asked for", VISIBLE, Behaviour(), {}),
    ("what was asked for, with reasoning", HIDDEN, Behaviour(reasoning_tokens=70), {}),
    ("more input than we counted", VISIBLE, Behaviour(extra_prompt_tokens=5_000), {}),
    ("much that was cached", VISIBLE, Behaviour(extra_prompt_tokens=90, cached_tokens=64), {}),
    ("a cache that was written", "gpt-5.6-terra", Behaviour(cache_write_tokens=9), {}),
    ("a long prompt", "gpt-5.4", Behaviour(extra_prompt_tokens=272_001), {}),
    ("more than the limit", VISIBLE, Behaviour(output_tokens=900, ignore_limit=True), {}),
    ("more answers than n", VISIBLE, Behaviour(extra_choices=3), {"n": 2}),
    ("a dearer model", VISIBLE, DEARER, {}),
    ("a cheaper model", VISIBLE, Behaviour(output_tokens=40, model="gpt-4o-mini"), {}),
    ("a dearer tier", VISIBLE, Behaviour(service_tier="priority"), {}),
    ("a cheaper tier", HIDDEN, Behaviour(service_tier="flex"), {}),
    ("nothing at all", VISIBLE, Behaviour(output_tokens=0), {}),
]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("model", "behaviour", "asked"), [row[1:] for row in CONSUMED], ids=[row[0] for row in CONSUMED]
)
async def test_what_was_consumed_is_charged(
    stack: Stack, model: str, behaviour: Behaviour, asked: dict[str, Any], mode: Mode
) -> None:
    outcome = await run(stack, mode, behaviour, body_of(mode, model, **asked))

    outcome.assert_settled(Charge.BILL)
    assert outcome.direct is not None
    assert outcome.through is not None
    assert outcome.through.whole
    assert outcome.through.body == expected_body(mode, outcome.direct)


TRUE = ["plain", "floats", "strings", "no_total", "no_details", "null_details"]
FALSE = ["fractions", "booleans", "negative", "no_counts", "empty"]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("shape", TRUE)
async def test_usage_in_an_odd_shape_is_usage(stack: Stack, shape: Any, mode: Mode) -> None:
    """Field-report 40."""
    outcome = await run(stack, mode, Behaviour(report=Report(shape=shape)), body_of(mode))

    outcome.assert_settled(Charge.BILL)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("shape", FALSE)
async def test_usage_that_cannot_be_is_as_none(stack: Stack, shape: Any, mode: Mode) -> None:
    behaviour = Behaviour(report=Report(shape=shape))

    counted = await run(stack, mode, behaviour, body_of(mode))
    held = await run(stack, mode, behaviour, body_of(mode, HIDDEN))

    counted.assert_settled(Charge.COUNTED)
    held.assert_settled(Charge.HOLD)


@pytest.mark.parametrize("mode", Mode)
async def test_explicit_zero_is_a_usage_and_costs_nothing(stack: Stack, mode: Mode) -> None:
    """Field-report 38: taken as missing it would be charged by count."""
    outcome = await run(stack, mode, Behaviour(report=Report(shape="zero")), body_of(mode))

    outcome.assert_settled(Charge.BILL)
    assert charged(outcome.row) == 0


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("n", [1, 3])
async def test_without_usage_what_was_delivered_is_counted(
    stack: Stack, mode: Mode, n: int
) -> None:
    """Field-report 39."""
    behaviour = Behaviour(report=Report(place="nowhere"))

    counted = await run(stack, mode, behaviour, body_of(mode, n=n))
    held = await run(stack, mode, behaviour, body_of(mode, HIDDEN, n=n))

    counted.assert_settled(Charge.COUNTED)
    held.assert_settled(Charge.HOLD)


@pytest.mark.parametrize("mode", Mode)
async def test_without_usage_answers_that_nobody_asked_for_are_counted_too(
    stack: Stack, mode: Mode
) -> None:
    behaviour = Behaviour(extra_choices=2, report=Report(place="nowhere"))

    (await run(stack, mode, behaviour, body_of(mode))).assert_settled(Charge.COUNTED)


@pytest.mark.parametrize("mode", Mode)
async def test_without_usage_the_arguments_of_tools_are_counted_too(
    stack: Stack, mode: Mode
) -> None:
    tool = {"name": "save", "parameters": {"properties": {"text": {"type": "string"}}}}
    body = body_of(mode, tools=[{"type": "function", "function": tool}], tool_choice="required")
    behaviour = Behaviour(tool_calls=6, report=Report(place="nowhere"))

    outcome = await run(stack, mode, behaviour, body)

    outcome.assert_settled(Charge.COUNTED)
    assert outcome.bill.output.text_tokens > 6


@pytest.mark.parametrize("mode", STREAMS)
@pytest.mark.parametrize("place", ["extra_event", "last_content_event", "every_event"])
@pytest.mark.parametrize("done", [True, False])
async def test_usage_is_found_wherever_it_stands(
    stack: Stack, place: Any, done: bool, mode: Mode
) -> None:
    """Field-report 40: in the last content chunk, on every chunk, unasked, without an end."""
    behaviour = Behaviour(report=Report(place=place), wire=Wire(done=done))

    outcome = await run(stack, mode, behaviour, body_of(mode))

    outcome.assert_settled(Charge.BILL)
    assert outcome.direct is not None
    assert outcome.through is not None
    assert outcome.through.whole
    assert outcome.through.body == expected_body(mode, outcome.direct)


@pytest.mark.parametrize("mode", STREAMS)
@pytest.mark.parametrize("nulls", ["always", "never"])
async def test_null_usage_on_every_chunk_is_none(stack: Stack, nulls: Any, mode: Mode) -> None:
    reported = await run(stack, mode, Behaviour(report=Report(nulls=nulls)), body_of(mode))
    missing = await run(
        stack, mode, Behaviour(report=Report(nulls=nulls, place="nowhere")), body_of(mode)
    )

    reported.assert_settled(Charge.BILL)
    missing.assert_settled(Charge.COUNTED)


@pytest.mark.parametrize("mode", STREAMS)
async def test_a_stream_without_usage_and_without_an_end_is_counted(
    stack: Stack, mode: Mode
) -> None:
    behaviour = Behaviour(report=Report(place="nowhere"), wire=Wire(done=False))

    outcome = await run(stack, mode, behaviour, body_of(mode))

    outcome.assert_settled(Charge.COUNTED)
    assert outcome.through is not None
    assert outcome.through.whole


async def test_what_was_too_much_to_keep_is_not_charged_less_than_its_hold(stack: Stack) -> None:
    """An event of more than a megabyte is passed on, and not kept to be counted."""
    endless = Behaviour(
        output_tokens=240_000,
        tokens_per_event=240_000,
        ignore_limit=True,
        report=Report(place="nowhere"),
    )

    outcome = await run(
        stack, Mode.STREAM, endless, body_of(Mode.STREAM, "gpt-4.1"), directly=Behaviour()
    )

    assert outcome.through is not None
    assert outcome.through.whole
    assert len(outcome.through.body) > 2**20
    assert outcome.row.estimated
    assert charged(outcome.row) >= held(outcome.row)
