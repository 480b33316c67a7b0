"""What a call for speech asks for, as far as money depends on it.

Field names and types: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Any, Final

from pricing.prompt import Prompt, Text
from pricing.usage import Usage
from proxy.dialects.dialect import Request
from proxy.dialects.fields import read_model
from proxy.dialects.speech.sound import TOKENS_PER_SECOND
from proxy.dialects.wire.json_text import invalid, optional, read_object

MAX_CHARACTERS: Final = 4_096
"""The longest text that the API reads out. Others that speak it take more."""

CHARACTERS_PER_SECOND: Final = 2
"""How slowly a text is read at the least, presumed: nobody publishes a limit of the sound. A
page of English was measured at fifteen, https://github.com/sanand0/blog (openai-tts-cost);
Chinese is read at about four, and single digits at about two.
"""

_PAUSE_S: Final = 10
"""What may be heard before, between and after, presumed like the pace."""

_SLOWEST, _FASTEST = Fraction(1, 4), Fraction(4)
_FRAMING_TOKENS: Final = 16
"""What stands around both texts. Unpublished; measured were a few tokens."""


def read_request(body: bytes) -> Request:
    """Read a call, or say what is wrong with it.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    text = fields.get("input")
    if type(text) is not str:
        raise invalid("input", "must be a string")
    optional(fields, "instructions", str, "a string")
    optional(fields, "stream_format", str, "a string")
    seconds = ceil((len(text) / Fraction(CHARACTERS_PER_SECOND) + _PAUSE_S) / _pace(fields))
    return Request(
        body=body,
        fields=fields,
        model=read_model(fields),
        stream=True,  # of either format: what was spoken when a caller leaves need not go on
        max_output_tokens=seconds * TOKENS_PER_SECOND,
        takes_limit=False,
        asks_audio=True,
        caches=False,
        characters=len(text),
        known_usage=Usage(0, 0, characters=len(text)),
    )


def _pace(fields: Mapping[str, Any]) -> Fraction:
    """By how much slower it is to be read, at most 1: faster speech need not be shorter."""
    speed = fields.get("speed")
    if speed is None:
        return Fraction(1)
    if type(speed) not in (int, float) or not _SLOWEST <= speed <= _FASTEST:
        raise invalid("speed", "must be a number from 0.25 to 4")
    return min(Fraction(speed), Fraction(1))


def prompt_of(request: Request) -> Prompt:
    """Both texts."""
    texts = [request.fields.get(name) for name in ("input", "instructions")]
    parts = tuple([Text(text) for text in texts if isinstance(text, str)])
    return Prompt(parts, _FRAMING_TOKENS)
