"""Sound written down: as JSON, as plain text in some formats, or as events.

Source: https://developers.openai.com/api/reference/resources/audio (create transcription)
"""

import math
import wave
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from io import BytesIO
from random import Random
from typing import Any, Final

from simulator.answer.generate import Choice
from simulator.answer.render import Answer
from simulator.answer.stream import Event
from simulator.answer.usage import shaped
from simulator.answer.words import choose_words
from simulator.apis.api import Api, Media
from simulator.apis.audio.sound import TOKENS_PER_SECOND_IN
from simulator.behaviour import Behaviour
from simulator.bill import Output
from simulator.errors import ApiError, invalid
from simulator.fields import read_model
from simulator.models import Model
from simulator.prompt.count import PromptCount
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest
from simulator.wire.form import read_form

LARGEST_FILE_BYTES: Final = 26_214_400
LONGEST_SOUND_S: Final = 1_400
"""For models that read it as tokens."""

COMPRESSED_BYTES_PER_SECOND: Final = 4_000
"""What is no WAVE is taken for 32 kbit/s."""

_PLAIN: Final = frozenset({"text", "srt", "vtt"})
_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS: Final = ("input_token_details",)


def _read(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    form = read_form(body)
    model = read_model(form.fields, models)
    if not form.files:
        raise invalid("file", "There has to be a file.", "missing_required_parameter")
    file = form.files[-1].content
    if len(file) > LARGEST_FILE_BYTES:
        raise ApiError(413, f"Maximum content size limit ({LARGEST_FILE_BYTES}) exceeded")
    seconds = _seconds(file)
    is_by_time = model.prices.audio_hour is not None
    if not is_by_time and seconds > LONGEST_SOUND_S:
        raise invalid("file", f"The sound is longer than {LONGEST_SOUND_S} seconds.")
    form_of_answer = form.fields.get("response_format") or "json"
    if form_of_answer in _PLAIN and not is_by_time:
        raise invalid("response_format", "This model answers in JSON.", "unsupported_value")
    kept = {"seconds": seconds, "digest": sha256(file).hexdigest()}
    return ChatRequest(
        body=form.fields | kept | {"response_format": form_of_answer},
        model=model,
        stream=form.fields.get("stream") == "true" and not is_by_time,
        sent=form.fields,
    )


def _seconds(file: bytes) -> Fraction:
    if not file.startswith(b"RIFF"):
        return Fraction(len(file), COMPRESSED_BYTES_PER_SECOND)
    try:
        with wave.open(BytesIO(file)) as opened:
            return Fraction(opened.getnframes(), opened.getframerate())
    except (wave.Error, EOFError):
        raise invalid("file", "The sound cannot be decoded.", "invalid_value") from None


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    seconds: Fraction = request.body["seconds"]
    if request.model.prices.audio_hour is not None:
        return PromptCount(0, seconds=math.ceil(seconds))
    heard = math.ceil(seconds * TOKENS_PER_SECOND_IN)
    text = vocabulary.count(request.model.encoding, request.body.get("prompt") or "")
    return PromptCount(heard + text, audio=heard)


def _generate(
    request: ChatRequest,
    behaviour: Behaviour,
    *,
    seed: int,
    prompt_tokens: int,
    vocabulary: Vocabulary,
) -> tuple[Choice, ...]:
    """Three words a second, or as many as the model may write."""
    random = Random(f"{seed}/{request.body['digest']}")
    count = math.ceil(request.body["seconds"] * 3)
    if behaviour.output_tokens is not None:
        count = behaviour.output_tokens
    if not behaviour.ignore_limit:
        count = min(count, request.model.max_output_tokens)
    return (Choice(pieces=choose_words(random, count)),)


def _json(answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = {"text": answer.choices[0].text()}
    if answer.request.body["response_format"] == "verbose_json":
        duration = float(answer.request.body["seconds"])
        body |= {"language": "english", "duration": duration, "segments": []}
    if answer.report.place != "nowhere":
        body["usage"] = _usage(answer)
    return body


def _json_of_translation(answer: Answer) -> dict[str, Any]:
    """The same, but that it tells no usage."""
    return {name: value for name, value in _json(answer).items() if name != "usage"}


def _media(answer: Answer) -> Media | None:
    if answer.request.body["response_format"] not in _PLAIN:
        return None
    return Media("text/plain; charset=utf-8", [answer.choices[0].text().encode() + b"\n"])


def _events(answer: Answer) -> Iterator[Event]:
    choice, step = answer.choices[0], answer.tokens_per_event
    for place in range(0, len(choice.pieces), step):
        pieces = choice.pieces[place : place + step]
        delta = {"type": "transcript.text.delta", "delta": "".join(pieces)}
        yield Event(delta, Output(text_tokens=len(pieces)))
    done: dict[str, Any] = {"type": "transcript.text.done", "text": choice.text()}
    if answer.report.place != "nowhere":
        done["usage"] = _usage(answer)
    yield Event(done)


def _usage(answer: Answer) -> dict[str, Any]:
    if answer.request.model.prices.audio_hour is not None:
        return {"type": "duration", "seconds": answer.input.audio_seconds}
    given, made = answer.input.prompt_tokens, answer.output().text_tokens
    usage = {
        "type": "tokens",
        "input_tokens": given,
        "input_token_details": {
            "text_tokens": given - answer.input.audio_tokens,
            "audio_tokens": answer.input.audio_tokens,
        },
        "output_tokens": made,
        "total_tokens": given + made,
    }
    return shaped(usage, answer.report.shape, _COUNTS, _DETAILS)


TRANSCRIPTIONS: Final = Api(
    path="/v1/audio/transcriptions",
    serves="transcription",
    id_prefix="trsc_",
    read=_read,
    count=_count,
    generate=_generate,
    json=_json,
    events=_events,
    media=_media,
)

TRANSLATIONS: Final = replace(
    TRANSCRIPTIONS,
    path="/v1/audio/translations",
    id_prefix="trsl_",
    json=_json_of_translation,
)
