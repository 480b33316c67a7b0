"""What a transcription asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from typing import Final

from pricing.prompt import Audio, Part, Prompt, Text, Unseen
from pricing.usage import Usage
from proxy.dialects.dialect import Changes, Request
from proxy.dialects.fields import flag_of, read_model
from proxy.dialects.transcription.length import length_of
from proxy.dialects.wire.form import Form, FormFile
from proxy.dialects.wire.json_text import invalid
from proxy.domain.errors import Reason, Refused

LATE: Final = frozenset(
    {
        *("response_format", "temperature", "language", "languages", "languages[]"),
        *("include", "include[]", "timestamp_granularities", "timestamp_granularities[]"),
        "stream",
    }
)
"""Fields that may follow a large file: none of them changes what is billed."""

PIECES: Final = 8
"""Answers to sound that the API cuts into pieces, presumed: as much text as the window of its
models has room for sound, 16,000 tokens in answers of 2,000. How it cuts is not published."""

_FRAMING_TOKENS: Final = 16
_TEXT_TOKENS_PER_SECOND: Final = 20
"""No speech is denser, presumed: of sound itself the models read ten tokens a second."""

_TEXT_TOKENS: Final = 256

_SPEAKERS: Final = ("known_speaker_references", "known_speaker_references[]")
_WORDS: Final = ("prompt", "keywords", "keywords[]", "known_speaker_names", "known_speaker_names[]")


def read_form(form: Form) -> Request:
    """Read a call, of which the file may still be coming.

    Raises:
        Refused: INVALID_REQUEST. The message quotes nothing of the form.
    """
    fields = {name: form.value(name) for name in ("model", "stream", "chunking_strategy")}
    stream = flag_of(fields["stream"] or "false", "stream")
    length = length_of(_sound_of(form))
    is_cut_up = fields["chunking_strategy"] is not None
    return Request(
        body=form.begin,
        fields=fields,
        form=form,
        model=read_model(fields),
        stream=stream,
        n=PIECES if is_cut_up else 1,
        max_output_tokens=_TEXT_TOKENS + length.billed_s * _TEXT_TOKENS_PER_SECOND,
        takes_limit=False,
        caches=False,
        audio_ms=length.billed_s * 1_000,
        known_usage=Usage(0, 0, audio_ms=length.told_s * 1_000) if length.told_s else None,
    )


def refuse_json(body: bytes) -> Request:
    """The API takes nothing but forms.

    Raises:
        Refused: INVALID_REQUEST, always.
    """
    del body
    raise Refused(Reason.INVALID_REQUEST, "Sound comes as a file: send multipart/form-data.")


def prompt_of(request: Request) -> Prompt:
    """The sound, and every text that may be put before it."""
    form = request.form
    assert form is not None, "a transcription is always read from a form"
    parts: list[Part] = [Audio("", 0, request.audio_ms)]
    parts += [Text(text) for text in form.values(*_WORDS)]
    if form.values(*_SPEAKERS):
        parts.append(Unseen("samples of speakers"))
    if request.n > 1:
        parts.append(Unseen("sound cut into pieces, each with the prompt"))
    return Prompt(tuple(parts), _FRAMING_TOKENS)


def apply(request: Request, changes: Changes) -> bytes:
    """The form as far as it was read, with another model; there is nothing else to change."""
    name = changes.name or changes.model
    if request.form is None or name is None:
        return request.body
    return request.form.with_values({"model": name}).begin


def _sound_of(form: Form) -> FormFile:
    """The one file.

    Raises:
        Refused: INVALID_REQUEST, there is none, or a second one that another reader may take.
    """
    if len(form.files) != 1 or form.files[0].name != "file":
        raise invalid("file", "must be the one file of the form")
    return form.files[0]
