"""The events of a streamed transcription: its text in pieces, then all of it with its usage.

Source: https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event
"""

from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.answer import DeliveredTexts, add_cost, fragment_bytes, fragment_pattern
from proxy.dialects.closing import Counted
from proxy.dialects.transcription.usage import read_usage
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of

_DELTA, _DONE = "transcript.text.delta", "transcript.text.done"
_TELLING: Final = b"transcript.text.done"
_FRAGMENT: Final = fragment_pattern("delta", "text")
_NEW_FRAGMENT: Final = fragment_pattern("delta")
_TEXT: Final = ("text",)


class TranscriptionEvents:
    """An `EventReader`. A stream goes on until the event with all of the text."""

    def __init__(self, n: int) -> None:
        del n  # however many pieces the sound is cut into, they are one text
        self.usage: Usage | None = None
        self.usage_fault: UsageFault | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.delivered = DeliveredTexts()
        self._is_done = False

    def glance(self, event: bytes) -> dict[str, Any] | None:
        if _TELLING not in event:
            return None
        told = read_leniently(data_of(event))
        if not isinstance(told, dict) or told.get("type") != _DONE:
            return None
        self._is_done = True
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

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        """The API has no end for half a text: one that is cut breaks off."""
        return b""

    @property
    def is_told_complete(self) -> bool:
        return self._is_done

    @property
    def is_complete(self) -> bool:
        return self._is_done

    def is_for_usage_alone(self, chunk: dict[str, Any]) -> bool:
        return False

    def add_cost(self, data: bytes, cost_usd: str) -> bytes:
        return add_cost(data, cost_usd)
