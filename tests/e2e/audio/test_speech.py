"""Texts read out through the proxy: what the upstream bills is charged (field-report 66)."""

import base64
from typing import Any

import pytest

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal, Report, Wire
from tests.e2e.audio.calls import SPEECH, run
from tests.e2e.endpoints.calls import refusal
from tests.e2e.stack import Stack, held, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "The quick brown fox jumps over the lazy dog. " * 4
BY_CHARACTER, BY_TOKEN = "tts-1", "gpt-4o-mini-tts"


def body(model: str = BY_CHARACTER, **asked: Any) -> dict[str, Any]:
    return {"model": model, "input": TEXT, "voice": "coral"} | asked


@pytest.mark.parametrize("form", ["mp3", "wav", "pcm"])
@pytest.mark.parametrize(("model", "microcents"), [("tts-1", 1_500), ("tts-1-hd", 3_000)])
async def test_characters_are_charged_to_the_last(
    stack: Stack, form: str, model: str, microcents: int
) -> None:
    """$15.00 for a million: 1,500 microcents each."""
    outcome = await run(stack, SPEECH, body(model, response_format=form))

    assert paid(outcome.row) == held(outcome.row) == len(TEXT) * microcents
    assert outcome.bill.amount_microcents == len(TEXT) * microcents
    assert not outcome.row.estimated
    assert outcome.through.body == outcome.direct.body
    assert outcome.through.headers["content-type"] == outcome.direct.headers["content-type"]


async def test_a_character_is_a_character_however_many_bytes_it_has(stack: Stack) -> None:
    outcome = await run(stack, SPEECH, body(input="naïve 日本語 👍🏽"))

    assert paid(outcome.row) == outcome.bill.amount_microcents == 12 * 1_500


async def test_events_tell_the_tokens(stack: Stack) -> None:
    outcome = await run(stack, SPEECH, body(BY_TOKEN, stream_format="sse"))

    outcome.assert_within_the_hold()
    assert outcome.through.body == outcome.direct.body


@pytest.mark.parametrize("form", ["mp3", "wav", "pcm"])
async def test_sound_without_usage_is_charged_by_how_long_it_plays(stack: Stack, form: str) -> None:
    asked = body(BY_TOKEN, response_format=form, instructions="Cheerfully.")
    outcome = await run(stack, SPEECH, asked)

    bill = outcome.bill.amount_microcents
    assert outcome.row.estimated
    assert bill <= paid(outcome.row) <= bill * 110 // 100 + 20_000
    assert paid(outcome.row) <= held(outcome.row)
    assert outcome.through.body == outcome.direct.body


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(extra_prompt_tokens=5_000),
        Behaviour(output_tokens=30_000),
        Behaviour(report=Report(shape="no_total")),
        Behaviour(report=Report(shape="zero")),
        Behaviour(wire=Wire(write_bytes=(1_000,), compression="gzip")),
    ],
)
async def test_whatever_the_upstream_consumes_is_charged(
    stack: Stack, behaviour: Behaviour
) -> None:
    asked = body(BY_TOKEN, stream_format="sse")
    outcome = await run(stack, SPEECH, asked, behaviour=behaviour)

    outcome.assert_charged_by_bill()


@pytest.mark.parametrize("model", [BY_CHARACTER, BY_TOKEN])
async def test_sound_that_breaks_off_does_not_look_whole_and_is_not_free(
    stack: Stack, model: str
) -> None:
    asked = body(model, response_format="pcm")
    cut = Behaviour(cut=Cut(at="event", after=3))
    outcome = await run(stack, SPEECH, asked, behaviour=cut)

    assert not outcome.through.whole
    assert len(outcome.through.body) == 3 * 48_000
    assert outcome.row.estimated
    if model == BY_CHARACTER:
        assert paid(outcome.row) == outcome.bill.amount_microcents
    else:
        assert 3 * 20 * 1_200 <= paid(outcome.row) <= held(outcome.row)


async def test_an_upstream_that_refuses_is_paid_nothing(stack: Stack) -> None:
    refuses = Behaviour(refusal=Refusal(status=400))
    outcome = await run(stack, SPEECH, body(), behaviour=refuses)

    assert outcome.row.state is State.RELEASED
    assert outcome.through.body == outcome.direct.body


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": None}, "input"),
        ({"speed": "fast"}, "speed"),
        ({"speed": 0.1}, "speed"),
        ({"speed": True}, "speed"),
        ({"model": ""}, "model"),
        ({"instructions": []}, "instructions"),
    ],
)
async def test_what_is_wrong_with_a_call_is_told(
    stack: Stack, asked: dict[str, Any], param: str
) -> None:
    assert (await refusal(stack, SPEECH, body() | asked))["param"] == param


async def test_slow_speech_is_held_for_longer(stack: Stack) -> None:
    usual = await run(stack, SPEECH, body(BY_TOKEN))
    slow = await run(stack, SPEECH, body(BY_TOKEN, speed=0.5))

    assert held(slow.row) > 1.9 * held(usual.row)


async def test_events_are_sound_in_base64(stack: Stack) -> None:
    """So that what is compared above is known to have any."""
    outcome = await run(stack, SPEECH, body(BY_TOKEN, stream_format="sse"))

    begin = outcome.through.body.partition(b'"audio":"')[2].partition(b'"')[0]
    assert base64.b64decode(begin).startswith(b"\xff\xf3")
