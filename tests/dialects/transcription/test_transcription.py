"""What a transcription is held for, and what its answers say of themselves."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pricing.prompt import Audio, Text, Unseen
from pricing.usage import Usage
from proxy.dialects.dialect import Changes, Request
from proxy.dialects.stream import AnswerStream
from proxy.dialects.transcription import TRANSCRIPTION
from proxy.dialects.transcription.events import TranscriptionEvents
from proxy.dialects.transcription.request import LATE, PIECES
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.form import form_of
from proxy.dialects.wire.multipart import MultipartReader
from proxy.domain.errors import Reason, Refused
from tests.dialects.transcription.test_length import wav
from tests.dialects.wire.forms import BOUNDARY, field, file, form

SOUND = wav(80_000)


def read(parts: list[bytes]) -> Request:
    assert TRANSCRIPTION.form is not None
    reader, body = MultipartReader(BOUNDARY), form(parts)
    reader.feed(body)
    return TRANSCRIPTION.form.read(form_of(reader, body, max_bytes=len(body)))


def call(**fields: str) -> list[bytes]:
    return [*(field(name, value) for name, value in fields.items()), file("file", SOUND)]


MODEL = "gpt-4o-transcribe"


def test_a_call_is_held_for_its_sound_and_for_as_much_text() -> None:
    request = read(call(model=MODEL))

    assert request.model == MODEL
    assert request.audio_ms == 10_000
    assert request.known_usage == Usage(0, 0, audio_ms=10_000)
    assert request.max_output_tokens == 256 + 10 * 20
    assert (request.n, request.stream, request.may_be_limited) == (1, False, False)


@pytest.mark.parametrize(("said", "stream"), [("true", True), ("True", True), ("0", False)])
def test_a_stream_is_asked_for_in_words(said: str, *, stream: bool) -> None:
    assert read(call(model=MODEL, stream=said)).stream is stream


def test_all_that_is_read_beside_the_sound_is_counted() -> None:
    request = read(call(model=MODEL, prompt="Names.", **{"keywords[]": "Ada"}, language="en"))

    parts = TRANSCRIPTION.prompt_of(request).parts
    assert parts == (Audio("", 0, 10_000), Text("Names."), Text("Ada"))


def test_what_cannot_be_counted_is_bounded_by_the_window() -> None:
    cut_up = read(call(model=MODEL, chunking_strategy="auto"))
    speakers = read(call(model=MODEL, **{"known_speaker_references[]": "data:audio/wav;base64,"}))

    assert cut_up.n == PIECES
    for request in (cut_up, speakers):
        assert any(isinstance(part, Unseen) for part in TRANSCRIPTION.prompt_of(request).parts)


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        (call(), "model"),
        (call(model=""), "model"),
        ([*call(model=MODEL), field("model", "whisper-1")], "model"),
        ([*call(model=MODEL), file("model", b"whisper-1")], "model"),
        ([*call(model=MODEL), file("file", b"")], "file"),
        ([*call(model=MODEL), file("image", b"")], "file"),
        ([field("model", MODEL)], "file"),
        ([field("model", MODEL), field("file", "https://example.com/a.wav")], "file"),
        (call(model=MODEL, stream="maybe"), "stream"),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(parts: list[bytes], param: str) -> None:
    with pytest.raises(Refused) as caught:
        read(parts)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


def test_nothing_that_costs_may_come_late() -> None:
    assert LATE.isdisjoint({"model", "file", "prompt", "chunking_strategy", "keywords[]"})


def test_another_model_is_the_only_change() -> None:
    request = read(call(model=MODEL))

    assert TRANSCRIPTION.apply(request, Changes(n=1, max_output_tokens=3)) is request.body
    changed = TRANSCRIPTION.apply(request, Changes(model="whisper-1"))
    assert changed == request.body.replace(MODEL.encode(), b"whisper-1")
    named = TRANSCRIPTION.apply(request, Changes(model="whisper-1", name="my-deployment"))
    assert named == request.body.replace(MODEL.encode(), b"my-deployment")


TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
    "output_tokens": 45,
    "total_tokens": 59,
}


def whole(fields: Mapping[str, Any]) -> tuple[Usage | None, UsageFault | None]:
    answer = TRANSCRIPTION.read_answer(json.dumps(fields).encode())
    assert answer.complete
    return answer.usage, answer.usage_fault


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({"usage": TOKENS}, Usage(14, 45, input_audio_tokens=10)),
        (
            {"usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45}},
            Usage(14, 45, input_audio_tokens=14),
        ),
        ({"usage": {"type": "duration", "seconds": 9}}, Usage(0, 0, audio_ms=9_000)),
        ({"usage": {"type": "duration", "seconds": 8.47}}, Usage(0, 0, audio_ms=9_000)),
        ({"usage": {"type": "duration", "seconds": 0}}, Usage(0, 0)),
        ({"duration": 8.470000267028809}, Usage(0, 0, audio_ms=9_000)),
        ({"duration": 8.47, "usage": TOKENS}, Usage(14, 45, input_audio_tokens=10)),
        ({}, None),
    ],
)
def test_usage_is_tokens_or_begun_seconds(fields: dict[str, Any], usage: Usage | None) -> None:
    assert whole({"text": "Hello."} | fields) == (usage, None)


@pytest.mark.parametrize(
    ("usage", "fault"),
    [
        ({"type": "duration"}, UsageFault.NOT_A_COUNT),
        ({"type": "duration", "seconds": "9"}, UsageFault.NOT_A_COUNT),
        ({"type": "duration", "seconds": True}, UsageFault.NOT_A_COUNT),
        ({"type": "duration", "seconds": -1}, UsageFault.NOT_A_COUNT),
        ({"type": "duration", "seconds": 1e9}, UsageFault.IMPLAUSIBLE),
        (TOKENS | {"output_tokens": None}, UsageFault.INCOMPLETE),
        (TOKENS | {"total_tokens": 1}, UsageFault.CONTRADICTORY),
        (TOKENS | {"input_token_details": {"text_tokens": 15}}, UsageFault.CONTRADICTORY),
        (TOKENS | {"input_tokens": -1}, UsageFault.NOT_A_COUNT),
        ([], UsageFault.NOT_A_COUNT),
    ],
)
def test_usage_that_cannot_be_is_none(usage: Any, fault: UsageFault) -> None:
    assert whole({"text": "Hello.", "usage": usage}) == (None, fault)


def test_infinite_seconds_are_none() -> None:
    body = b'{"text": "", "usage": {"type": "duration", "seconds": Infinity}}'
    assert TRANSCRIPTION.read_answer(body).usage_fault is UsageFault.NOT_A_COUNT


@pytest.mark.parametrize(
    "body", [b"Hello there.\n", b"1\n00:00:00,000 --> 00:00:02,000\nHello.\n", b"WEBVTT\n\n\xff"]
)
def test_plain_text_is_whole_and_says_nothing_of_usage(body: bytes) -> None:
    answer = TRANSCRIPTION.read_answer(body)

    assert (answer.usage, answer.complete) == (None, True)
    assert answer.delivered_texts() == (body.decode("utf-8", "replace"),)


JSON = json.dumps({"text": "Hello there.", "usage": TOKENS}).encode()


@pytest.mark.parametrize("place", range(1, len(JSON)))
def test_json_that_is_cut_is_never_whole_and_loses_no_text(place: int) -> None:
    answer = TRANSCRIPTION.read_answer(JSON[:place])

    assert (answer.usage, answer.complete) == (None, False)
    begun = max(0, min(place - 10, len("Hello there.")))
    assert "".join(answer.delivered_texts()) == "Hello there."[:begun]


EVENTS: list[dict[str, Any]] = [
    {"type": "transcript.text.delta", "delta": "Hello"},
    {"type": "transcript.text.segment", "id": "seg_1", "text": "Hello there."},
    {"type": "transcript.text.delta", "delta": " there."},
    {"type": "transcript.text.done", "text": "Hello there.", "usage": TOKENS},
]
STREAM = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in EVENTS)


def stream(*pieces: bytes) -> AnswerStream:
    told = AnswerStream(TranscriptionEvents(1), strip_usage=False)
    for piece in pieces:
        assert told.feed(piece) == piece
    told.finish()
    return told


@pytest.mark.parametrize("place", range(len(STREAM)))
def test_events_say_the_same_on_any_split(place: int) -> None:
    answer = stream(STREAM[:place], STREAM[place:]).answer

    assert (answer.usage, answer.complete) == (Usage(14, 45, input_audio_tokens=10), True)
    assert answer.delivered_texts() == ("Hello there.",)


@pytest.mark.parametrize("place", range(len(STREAM) - 2))
def test_events_that_are_cut_are_never_whole(place: int) -> None:
    answer = stream(STREAM[:place]).answer

    assert (answer.usage, answer.complete) == (None, False)
    assert "Hello there.".startswith("".join(answer.delivered_texts()))
    pieces = [b"Hello", b" there."]
    come = b"".join(piece for piece in pieces if b'"delta": "%b"' % piece in STREAM[:place])
    assert len("".join(answer.delivered_texts())) >= len(come)


def test_a_text_that_comes_only_at_the_end_is_delivered() -> None:
    last = b"data: " + json.dumps(EVENTS[-1]).encode() + b"\n\n"
    assert stream(last).answer.delivered_texts() == ("Hello there.",)


def test_a_text_that_speaks_of_the_end_is_not_the_end() -> None:
    said = {"type": "transcript.text.delta", "delta": "transcript.text.done"}
    answer = stream(b"data: " + json.dumps(said).encode() + b"\n\n").answer

    assert not answer.complete
