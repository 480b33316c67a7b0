"""The events of a streamed transcription: its text in pieces, then all of it with its usage.

Source: https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event
"""

from typing import Any, Final

from proxy.dialects.answer import DeliveredTexts, fragment_bytes, fragment_pattern
from proxy.dialects.openai.media_events import MediaEvents, told_by
from proxy.dialects.transcription.usage import read_usage
from proxy.dialects.wire.json_text import read_leniently

_DELTA, _DONE = "transcript.text.delta", "transcript.text.done"
_FRAGMENT: Final = fragment_pattern("delta", "text")
_NEW_FRAGMENT: Final = fragment_pattern("delta")
_TEXT: Final = ("text",)


class TranscriptionEvents(MediaEvents):
    """An `EventReader`. A stream goes on until the event with all of the text."""

    def __init__(self, n: int) -> None:
        del n  # however many pieces the sound is cut into, they are one text
        super().__init__(DeliveredTexts())

    def glance(self, event: bytes) -> dict[str, Any] | None:
        told = told_by(event, _DONE)
        if told is None:
            return None
        self._missing = 0
        self.usage, self.usage_fault = read_usage(told)
        return told if told.get("usage") is not None else None

    def read(self, data: bytes) -> None:
        told = read_leniently(data)
        if not isinstance(told, dict):
            # What breaks off at the end, or in a segment, has come in pieces before.
            is_new = _DELTA.encode() in data or not self.delivered.texts()
            self.delivered.keep_fragments(_FRAGMENT if is_new else _NEW_FRAGMENT, data)
        elif told.get("type") == _DELTA and isinstance(told.get("delta"), str):
            self.delivered.keep(_TEXT, told["delta"])
        elif told.get("type") == _DONE and isinstance(told.get("text"), str):
            self.delivered.keep_rest(_TEXT, told["text"])

    def text_bytes(self, event: bytes) -> int:
        return fragment_bytes(_FRAGMENT, event)
