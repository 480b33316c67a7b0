"""What a call for speech is held for, and what its answers say of themselves."""

import base64
import json
from typing import Any

import pytest

from pricing.prompt import Text
from pricing.usage import Usage
from proxy.dialects.dialect import Changes
from proxy.dialects.speech import SPEECH
from proxy.dialects.speech.events import SpeechEvents, read_answer
from proxy.dialects.speech.request import CHARACTERS_PER_SECOND
from proxy.dialects.speech.sound import TOKENS_PER_SECOND, sound_of
from proxy.dialects.stream import AnswerStream
from proxy.dialects.usage import UsageFault
from proxy.domain.errors import Reason, Refused

CALL: dict[str, Any] = {"model": "gpt-4o-mini-tts", "input": "Hello.", "voice": "coral"}


def encode(fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_call_is_held_for_its_characters_and_for_slow_speech() -> None:
    request = SPEECH.read_request(encode(CALL | {"input": "a" * 100}))

    assert request.characters == 100
    assert request.known_usage == Usage(0, 0, characters=100)
    assert request.max_output_tokens == (100 // CHARACTERS_PER_SECOND + 10) * TOKENS_PER_SECOND
    assert request.asks_audio
    assert not request.may_be_limited


@pytest.mark.parametrize(("speed", "times"), [(1, 1), (4.0, 1), (0.5, 2), (0.25, 4), (None, 1)])
def test_slow_speech_is_longer_and_fast_speech_is_not_shorter(
    speed: float | None, times: int
) -> None:
    usual = SPEECH.read_request(encode(CALL)).max_output_tokens
    asked = SPEECH.read_request(encode(CALL | {"speed": speed})).max_output_tokens

    assert usual is not None
    assert asked == times * usual


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": ["a"]}, "input"),
        ({"speed": 5}, "speed"),
        ({"speed": "1"}, "speed"),
        ({"speed": False}, "speed"),
        ({"instructions": 1}, "instructions"),
        ({"stream_format": True}, "stream_format"),
    ],
)
def test_a_field_of_another_kind_is_refused(changed: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        SPEECH.read_request(encode(CALL | changed))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)
    assert "Hello" not in str(caught.value)


def test_both_texts_are_read_by_the_model() -> None:
    request = SPEECH.read_request(encode(CALL | {"instructions": "Softly."}))

    assert SPEECH.prompt_of(request).parts == (Text("Hello."), Text("Softly."))


def test_another_model_is_the_only_change() -> None:
    body = encode(CALL)
    request = SPEECH.read_request(body)

    assert SPEECH.apply(request, Changes()) is body
    changed = SPEECH.apply(request, Changes(model="tts-1", max_output_tokens=5, n=3))
    assert json.loads(changed) == CALL | {"model": "tts-1"}


DELTA = {"type": "speech.audio.delta", "audio": base64.b64encode(bytes(300)).decode()}
USAGE = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
DONE = {"type": "speech.audio.done", "usage": USAGE}
STREAM = b"".join(b"data: " + encode(each) + b"\n\n" for each in (DELTA, DELTA, DONE))
BILLED = Usage(14, 101, output_audio_tokens=101)


def stream(*pieces: bytes) -> AnswerStream:
    told = AnswerStream(SpeechEvents(1), strip_usage=False)
    for piece in pieces:
        assert told.feed(piece) == piece
    assert told.finish() == b""
    return told


@pytest.mark.parametrize("place", range(len(STREAM)))
def test_events_say_the_same_on_any_split(place: int) -> None:
    answer = stream(STREAM[:place], STREAM[place:]).answer

    assert (answer.usage, answer.complete) == (BILLED, True)


@pytest.mark.parametrize("place", range(0, len(STREAM) - 2, 3))
def test_events_that_are_cut_are_never_whole_and_never_counted_short(place: int) -> None:
    answer = stream(STREAM[:place]).answer

    assert not answer.complete
    assert answer.usage is None
    assert not answer.countable


@pytest.mark.parametrize(
    ("usage", "fault"),
    [
        (USAGE | {"output_tokens": -1}, UsageFault.NOT_A_COUNT),
        (USAGE | {"total_tokens": 3}, UsageFault.CONTRADICTORY),
        ({"input_tokens": 3}, UsageFault.INCOMPLETE),
        ("a lot", UsageFault.NOT_A_COUNT),
        (None, None),
    ],
)
def test_usage_that_cannot_be_is_none(usage: Any, fault: UsageFault | None) -> None:
    answer = stream(b"data: " + encode(DONE | {"usage": usage}) + b"\n\n").answer

    assert (answer.usage, answer.usage_fault) == (None, fault)
    assert answer.complete


def test_a_total_beyond_its_parts_is_sound() -> None:
    told = DONE | {"usage": USAGE | {"total_tokens": 200}}
    usage = stream(b"data: " + encode(told) + b"\n\n").answer.usage

    assert usage == Usage(14, 186, output_audio_tokens=186)


def test_a_whole_answer_that_is_json_may_tell_usage() -> None:
    assert read_answer(encode({"usage": USAGE})).usage == BILLED
    assert not read_answer(b'{"usage": {"input').complete


def test_sound_counts_by_how_long_it_plays() -> None:
    sound = sound_of("audio/pcm; rate=24000")
    assert sound is not None
    assert sound.feed(bytes(48_000)) == bytes(48_000)
    assert sound.feed(bytes(1)) == bytes(1)
    assert sound.finish() == b""

    delivered = sound.answer.delivered()
    assert delivered.sound_tokens == TOKENS_PER_SECOND + 1
    assert not delivered.is_partial
    assert (sound.tells_its_end, sound.rewrites, sound.is_told_complete) == (False, False, False)


@pytest.mark.parametrize("kind", ["audio/flac", "application/octet-stream", "Audio/Future"])
def test_sound_of_which_nobody_can_tell_the_length_is_not_counted(kind: str) -> None:
    sound = sound_of(kind)
    assert sound is not None
    sound.feed(bytes(100))

    assert sound.answer.delivered().is_partial


@pytest.mark.parametrize("kind", ["", "application/json", "text/event-stream", "text/plain"])
def test_other_answers_are_no_sound(kind: str) -> None:
    assert sound_of(kind) is None
