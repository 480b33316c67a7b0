"""Speech as events: sound in base64, then what it took.

Source: https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event
"""

from collections.abc import Mapping
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.answer import Answer, read_fields, uncountable
from proxy.dialects.openai.media_events import MediaEvents, told_by
from proxy.dialects.openai.token_usage import totals_of
from proxy.dialects.usage import billed_of, read_report

_DONE: Final = "speech.audio.done"


class SpeechEvents(MediaEvents):
    """An `EventReader`. The last event tells the usage; of sound that breaks off nobody knows."""

    def __init__(self, n: int) -> None:
        del n  # there is one voice
        super().__init__(uncountable())

    def glance(self, event: bytes) -> dict[str, Any] | None:
        told = told_by(event, _DONE)
        if told is None:
            return None
        self._missing = 0
        self.usage, self.usage_fault = read_report(told.get("usage"), usage_of)
        return told if told.get("usage") is not None else None


def usage_of(reported: Mapping[str, Any]) -> Usage:
    """Text goes in, and nothing but sound comes out."""
    given, made = totals_of(reported)
    return Usage(given, made, output_audio_tokens=made, billed_microcents=billed_of(reported))


def read_answer(body: bytes) -> Answer:
    """An answer that is neither sound nor a stream: JSON of nobody's making."""
    fields = read_fields(body)
    usage, fault = read_report(fields.get("usage"), usage_of)
    return Answer(usage, fault, None, None, bool(fields), uncountable)
