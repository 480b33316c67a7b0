"""Sound written down through the proxy: what the upstream bills is charged (field-report 64)."""

import json
from typing import Any

import pytest

from simulator.behaviour import Behaviour, Report, Wire
from tests.e2e.audio.calls import FORM, TRANSCRIPTIONS, TRANSLATIONS, run, upload, wav
from tests.e2e.stack import Stack, held, paid
from tests.e2e.wire import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = wav(4.47)
LONG = wav(40)
"""More than is read before the call leaves."""

TOKENS, MINI, TIME = "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "whisper-1"


@pytest.mark.parametrize("sound", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "fields",
    [
        {"model": TOKENS},
        {"model": MINI, "language": "en", "prompt": "Words that are often said."},
        {"model": TOKENS, "stream": "true"},
        {"model": TOKENS, "chunking_strategy": "auto"},
    ],
)
async def test_models_that_read_sound_as_tokens_are_charged_by_them(
    stack: Stack, sound: bytes, fields: dict[str, str]
) -> None:
    outcome = await run(stack, TRANSCRIPTIONS, upload(sound, fields), FORM)

    outcome.assert_within_the_hold()
    assert (outcome.through.status, outcome.through.body) == (200, outcome.direct.body)


@pytest.mark.parametrize("is_first", [False, True], ids=["file last", "file first"])
@pytest.mark.parametrize("sound", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("shown", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_by_the_second_every_format_costs_the_same(
    stack: Stack, shown: str, sound: bytes, is_first: bool
) -> None:
    """$0.006 a minute: 10,000 microcents a second."""
    body = upload(sound, {"model": TIME, "response_format": shown}, is_first=is_first)
    outcome = await run(stack, TRANSCRIPTIONS, body, FORM)

    seconds = 5 if sound is SHORT else 40
    assert paid(outcome.row) == outcome.bill.amount_microcents == seconds * 10_000
    assert paid(outcome.row) <= held(outcome.row) <= (seconds + 1) * 10_000
    assert not outcome.row.estimated
    assert outcome.through.body == outcome.direct.body


@pytest.mark.parametrize("shown", ["json", "verbose_json", "text"])
async def test_a_translation_tells_no_usage_and_is_charged_all_the_same(
    stack: Stack, shown: str
) -> None:
    body = upload(LONG, {"model": TIME, "response_format": shown})
    outcome = await run(stack, TRANSLATIONS, body, FORM)

    assert paid(outcome.row) == outcome.bill.amount_microcents == 400_000
    assert not outcome.row.estimated


async def test_what_cannot_be_known_of_other_formats_charges_the_hold(stack: Stack) -> None:
    sound = b"ID3" + bytes(300_000)
    body = upload(sound, {"model": TIME, "response_format": "text"})
    outcome = await run(stack, TRANSCRIPTIONS, body, FORM)

    assert outcome.row.estimated
    assert paid(outcome.row) == held(outcome.row) == 301 * 10_000
    assert outcome.bill.amount_microcents == 76 * 10_000


async def test_what_is_reported_of_other_formats_is_charged(stack: Stack) -> None:
    outcome = await run(
        stack, TRANSCRIPTIONS, upload(b"ID3" + bytes(300_000), {"model": TIME}), FORM
    )

    assert paid(outcome.row) == outcome.bill.amount_microcents == 76 * 10_000
    assert not outcome.row.estimated


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(extra_prompt_tokens=500),
        Behaviour(output_tokens=3_000, ignore_limit=True),
        Behaviour(model=MINI),
        Behaviour(report=Report(shape="zero")),
        Behaviour(report=Report(shape="no_total")),
        Behaviour(report=Report(shape="strings")),
        Behaviour(wire=Wire(compression="br", write_bytes=(7,))),
        Behaviour(wire=Wire(framing="close", compression="gzip")),
    ],
)
async def test_whatever_the_upstream_consumes_is_charged(
    stack: Stack, behaviour: Behaviour
) -> None:
    body = upload(LONG, {"model": TOKENS})
    outcome = await run(stack, TRANSCRIPTIONS, body, FORM, behaviour=behaviour)

    assert paid(outcome.row) == outcome.bill.amount_microcents or behaviour.model == MINI
    assert paid(outcome.row) >= outcome.bill.amount_microcents
    assert outcome.through.body == outcome.direct.body


@pytest.mark.parametrize("shape", ["negative", "fractions", "no_counts", "empty", "booleans"])
async def test_nonsense_is_never_trusted_downward(stack: Stack, shape: Any) -> None:
    behaviour = Behaviour(report=Report(shape=shape))
    body = upload(SHORT, {"model": TOKENS})
    outcome = await run(stack, TRANSCRIPTIONS, body, FORM, behaviour=behaviour)

    assert outcome.row.estimated
    assert paid(outcome.row) >= outcome.bill.amount_microcents


async def refused(stack: Stack, body: bytes, *headers: str) -> dict[str, Any]:
    """The error of a call that does not leave."""
    stack.simulator.reset()
    rows = len(await stack.rows())
    answer = await answered(stack.base_url, body, *headers, path=TRANSCRIPTIONS)
    assert stack.simulator.requests_seen == []
    assert len(await stack.rows()) == rows
    assert answer.status == 400
    return answer.error()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (upload(SHORT, {}), "model"),
        (upload(SHORT, {"model": TIME})[:-20], "ends before"),
        (upload(SHORT, {"model": TIME, "stream": "perhaps"}), "stream"),
        (upload(SHORT, {"model": TIME}).replace(b'name="file"', b'name="fil"'), "file"),
        (upload(b"", {"model": TIME}) + b"more", "goes on"),
        (upload(SHORT, {"model": "a-model-nobody-knows"}), "No price"),
        (b"{}", "does not begin"),
    ],
)
async def test_what_is_wrong_with_a_form_is_told_before_anything_leaves(
    stack: Stack, body: bytes, message: str
) -> None:
    assert message in (await refused(stack, body, FORM))["message"]


async def test_json_is_no_form(stack: Stack) -> None:
    body = json.dumps({"model": TIME}).encode()
    assert "multipart/form-data" in (await refused(stack, body))["message"]
    assert (
        "multipart/form-data" in (await refused(stack, upload(SHORT, {"model": TIME})))["message"]
    )
