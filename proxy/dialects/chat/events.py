"""The events of a streamed chat completion.

Source: https://platform.openai.com/docs/api-reference/chat-streaming; field-report 39, 40.
"""

import re
from typing import Any, ClassVar, Final

from pricing.usage import Usage
from proxy.dialects.answer import DeliveredTexts, add_cost, fragment_bytes, text_or_none
from proxy.dialects.chat.answer import FRAGMENT, deliver
from proxy.dialects.chat.closing import closing_events
from proxy.dialects.chat.usage import read_usage, reported_usage
from proxy.dialects.closing import Counted
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of

# No text can look like this: inside a JSON string the quotes are escaped.
_USAGE_GIVEN: Final = re.compile(rb'"usage"\s*+:\s*+[^n]')
_DONE: Final = b"[DONE]"
_MAX_DONE_BYTES: Final = 64


class ChatEvents:
    """An `EventReader`. Before `n` choices have ended, or `[DONE]` came, a stream goes on."""

    _fragment: ClassVar = FRAGMENT
    _silence: ClassVar[dict[str, Any]] = {"delta": {}}

    def __init__(self, n: int) -> None:
        self.usage: Usage | None = None
        self.usage_fault: UsageFault | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.delivered = DeliveredTexts()
        self._n = n
        self._saw_done = False
        self._last: dict[str, Any] = {}

    def glance(self, event: bytes) -> dict[str, Any] | None:
        if b'"usage"' in event and _USAGE_GIVEN.search(event):
            return self._read_usage(event)
        if len(event) <= _MAX_DONE_BYTES and _DONE in event and data_of(event).strip() == _DONE:
            self._saw_done = True
        return None

    def read(self, data: bytes) -> None:
        chunk = read_leniently(data)
        if isinstance(chunk, dict):
            self._last = chunk
            self._deliver(chunk.get("choices"))
            self._read_names(chunk)
        else:
            self.delivered.keep_fragments(self._fragment, data)

    def text_bytes(self, event: bytes) -> int:
        return fragment_bytes(self._fragment, event)

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        if not self._last:
            return b""
        unfinished = [
            index
            for index in range(max(self._n, self.delivered.choices))
            if not self.delivered.has_finished(index)
        ]
        told = counted if tells_usage else None
        return closing_events(self._last, unfinished, told, silence=self._silence)

    @property
    def is_told_complete(self) -> bool:
        return self._saw_done

    @property
    def is_complete(self) -> bool:
        texts = self.delivered
        return self._saw_done or (texts.finished and texts.choices >= self._n)

    def is_for_usage_alone(self, chunk: dict[str, Any]) -> bool:
        return not chunk.get("choices", True)

    def add_cost(self, data: bytes, cost_usd: str) -> bytes:
        return add_cost(data, cost_usd)

    def _deliver(self, choices: object) -> None:
        deliver(self.delivered, choices, "delta")

    def _read_usage(self, event: bytes) -> dict[str, Any] | None:
        chunk = read_leniently(data_of(event))
        reported = reported_usage(chunk) if isinstance(chunk, dict) else None
        if not isinstance(chunk, dict) or reported is None:
            return None
        usage, self.usage_fault = read_usage(reported)
        self.usage = usage or self.usage
        self._read_names(chunk)
        return chunk

    def _read_names(self, chunk: dict[str, Any]) -> None:
        self.model = text_or_none(chunk.get("model")) or self.model
        self.service_tier = text_or_none(chunk.get("service_tier")) or self.service_tier
