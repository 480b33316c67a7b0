"""A text read out: sound in one piece after the other, or as events.

Source: https://developers.openai.com/api/reference/resources/audio (create speech). How much
sound a text makes is not published: a page of English was measured to make 1.3 tokens a
character, https://github.com/sanand0/blog (openai-tts-cost).
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from simulator.answer.generate import Choice
from simulator.answer.render import Answer
from simulator.answer.stream import Event
from simulator.answer.usage import UsageObject, shaped
from simulator.apis.api import Api, Media
from simulator.apis.audio.sound import TYPES, sound
from simulator.behaviour import Behaviour
from simulator.bill import Output
from simulator.errors import invalid
from simulator.fields import optional, read_model, read_object
from simulator.models import Model
from simulator.prompt.count import PromptCount
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

LONGEST_TEXT: Final = 4_096
TOKENS_PER_100_CHARACTERS: Final = 132
AROUND_TEXT_TOKENS: Final = 4

_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")


def _read(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    fields = read_object(body)
    model = read_model(fields, models)
    text = optional(fields, "input", str)
    if not text or len(text) > LONGEST_TEXT:
        raise invalid("input", f"A text has 1 to {LONGEST_TEXT} characters.", "invalid_value")
    form = optional(fields, "response_format", str) or "mp3"
    if form not in TYPES:
        raise invalid("response_format", "There is no such format here.", "invalid_value")
    streams = optional(fields, "stream_format", str) == "sse"
    if streams and model.prices.characters is not None:
        raise invalid("stream_format", "This model has no events.", "unsupported_value")
    return ChatRequest(
        body=fields | {"response_format": form},
        model=model,
        stream=streams,
        sent=fields,
    )


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    text = request.body["input"]
    if request.model.prices.characters is not None:
        return PromptCount(0, characters=len(text))
    both = [text, request.body.get("instructions") or ""]
    tokens = sum(vocabulary.count(request.model.encoding, each) for each in both)
    return PromptCount(tokens + AROUND_TEXT_TOKENS)


def _generate(
    request: ChatRequest,
    behaviour: Behaviour,
    *,
    seed: int,
    prompt_tokens: int,
    vocabulary: Vocabulary,
) -> tuple[Choice, ...]:
    """All of the sound is made before its end is heard."""
    tokens = -(-len(request.body["input"]) * TOKENS_PER_100_CHARACTERS // 100)
    if behaviour.output_tokens is not None:
        tokens = behaviour.output_tokens
    return (Choice(hidden=Output(audio_tokens=tokens)),)


def _media(answer: Answer) -> Media:
    form = answer.request.body["response_format"]
    return Media(TYPES[form], sound(form, answer.hidden().audio_tokens))


def _events(answer: Answer) -> Iterator[Event]:
    form = answer.request.body["response_format"]
    for piece in sound(form, answer.hidden().audio_tokens):
        delta = {"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()}
        yield Event(delta)
    done: dict[str, Any] = {"type": "speech.audio.done"}
    if answer.report.place != "nowhere":
        done["usage"] = _usage(answer)
    yield Event(done)


def _usage(answer: Answer) -> UsageObject:
    given, made = answer.input.prompt_tokens, answer.hidden().audio_tokens
    usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    return shaped(usage, answer.report.shape, _COUNTS, ())


def _json(answer: Answer) -> dict[str, Any]:
    """There is none: speech is sound or events."""
    return {}


SPEECH: Final = Api(
    path="/v1/audio/speech",
    serves="speech",
    id_prefix="speech_",
    read=_read,
    count=_count,
    generate=_generate,
    json=_json,
    events=_events,
    media=_media,
)
