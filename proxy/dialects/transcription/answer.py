"""What a whole transcription says of itself. Some formats are plain text and say nothing.

Source: https://platform.openai.com/docs/api-reference/audio/json-object
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.dialects.answer import (
    Answer,
    DeliveredTexts,
    deliver_when_asked,
    fragment_pattern,
    read_fields,
    text_or_none,
)
from proxy.dialects.transcription.usage import read_usage

_FRAGMENT: Final = fragment_pattern("text")


def read_answer(body: bytes) -> Answer:
    """Read a whole answer; never fails. What begins like JSON and is none is not complete."""
    fields = read_fields(body)
    usage, fault = read_usage(fields)
    is_text = bool(body.strip()) and not body.lstrip().startswith(b"{")
    shown = {"text": body.decode("utf-8", "replace")} if is_text else fields
    return Answer(
        usage,
        fault,
        text_or_none(fields.get("model")),
        None,
        is_text or isinstance(fields.get("text"), str),
        deliver_when_asked(body, shown, deliver, _FRAGMENT),
    )


def deliver(texts: DeliveredTexts, fields: Mapping[str, Any]) -> None:
    """Take in the text. What segments say of it again was made once."""
    if isinstance(fields.get("text"), str):
        texts.keep(("text",), fields["text"])
