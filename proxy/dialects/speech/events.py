"""Speech as events: sound in base64, then what it took.

Source: https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event
"""

from collections.abc import Mapping
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.answer import Answer, add_cost, read_fields, uncountable
from proxy.dialects.closing import Counted
from proxy.dialects.openai.token_usage import totals_of
from proxy.dialects.usage import UsageFault, billed_of, read_report
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of

_DONE: Final = "speech.audio.done"
_TELLING: Final = b'speech.audio.done"'


class SpeechEvents:
    """An `EventReader`. The last event tells the usage; of sound that breaks off nobody knows."""

    def __init__(self, n: int) -> None:
        del n  # there is one voice
        self.usage: Usage | None = None
        self.usage_fault: UsageFault | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.delivered = uncountable()
        self._is_done = False

    def glance(self, event: bytes) -> dict[str, Any] | None:
        if _TELLING not in event:
            return None
        told = read_leniently(data_of(event))
        if not isinstance(told, dict) or told.get("type") != _DONE:
            return None
        self._is_done = True
        self.usage, self.usage_fault = read_report(told.get("usage"), usage_of)
        return told if told.get("usage") is not None else None

    def read(self, data: bytes) -> None:
        """Nothing in it is text."""

    def text_bytes(self, event: bytes) -> int:
        return 0

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        """Nothing ends sound before its end."""
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


def usage_of(reported: Mapping[str, Any]) -> Usage:
    """Text goes in, and nothing but sound comes out."""
    given, made = totals_of(reported)
    return Usage(given, made, output_audio_tokens=made, billed_microcents=billed_of(reported))


def read_answer(body: bytes) -> Answer:
    """An answer that is neither sound nor a stream: JSON of nobody's making."""
    fields = read_fields(body)
    usage, fault = read_report(fields.get("usage"), usage_of)
    return Answer(usage, fault, None, None, bool(fields), uncountable)
