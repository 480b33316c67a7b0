"""The events of a streamed message.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming; field-report 35, 41.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.answer import DeliveredTexts, add_cost, fragment_bytes, text_or_none
from proxy.dialects.closing import Counted
from proxy.dialects.messages.answer import FRAGMENT, ONE_CHOICE, deliver
from proxy.dialects.messages.closing import OpenBlocks
from proxy.dialects.messages.usage import merged, read_usage, tier_of
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of

# In a text the quotes are escaped, but the input of a tool is JSON within JSON: what looks
# like one of these events is read to be sure.
_OF_THE_MESSAGE: Final = re.compile(rb'"type"\s*+:\s*+"message_(?:start|delta|stop)"')


class MessageEvents:
    """An `EventReader`. A stream ends with `message_stop`, and not before.

    The usage at the start is a lower bound: it is all there is of a stream that breaks off,
    and nothing at all of one that ends without telling the rest, or tells nonsense.
    """

    def __init__(self, _: int) -> None:
        self.usage: Usage | None = None
        self.usage_fault: UsageFault | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.delivered = DeliveredTexts()
        self._reported: Mapping[str, Any] = {}
        self._has_final_usage = False
        self._has_ended = False
        self._open = OpenBlocks()

    def glance(self, event: bytes) -> dict[str, Any] | None:
        if b'"message_' not in event or not _OF_THE_MESSAGE.search(event):
            return None
        data = read_leniently(data_of(event))
        if not isinstance(data, dict):
            return None
        match data.get("type"):
            case "message_start":
                self._begin(data.get("message"))
            case "message_delta" if data.get("usage") is not None:
                self._has_final_usage = True
                self._report(data["usage"])
                return data
            case "message_stop":
                self._end()
        return None

    def read(self, data: bytes) -> None:
        event = read_leniently(data)
        if not isinstance(event, dict):
            self.delivered.keep_fragments(FRAGMENT, data)
            return
        self._open.follow(event)
        match event.get("type"):
            case "content_block_start":
                self._deliver(event, "content_block")
            case "content_block_delta":
                self._deliver(event, "delta")
            case "message_delta":
                delta = event.get("delta")
                reason = delta.get("stop_reason") if isinstance(delta, dict) else None
                self.delivered.note(ONE_CHOICE, finished=reason is not None)

    def text_bytes(self, event: bytes) -> int:
        return fragment_bytes(FRAGMENT, event)

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        del tells_usage  # a message always tells it
        return self._open.closing_events(counted)

    @property
    def is_told_complete(self) -> bool:
        return self._has_ended

    @property
    def is_complete(self) -> bool:
        return self._has_ended

    def is_for_usage_alone(self, _: dict[str, Any]) -> bool:
        return False

    def add_cost(self, data: bytes, cost_usd: str) -> bytes:
        return add_cost(data, cost_usd)

    def _deliver(self, event: Mapping[str, Any], part: str) -> None:
        self.delivered.note(ONE_CHOICE, finished=False)
        place = event.get("index")
        deliver(self.delivered, place if type(place) is int else None, event.get(part))

    def _begin(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        self.model = text_or_none(message.get("model")) or self.model
        if message.get("usage") is not None:
            self._report(message["usage"])

    def _report(self, reported: object) -> None:
        if isinstance(reported, dict):
            reported = self._reported = merged(self._reported, reported)
        self.usage, self.usage_fault = read_usage(reported)
        self.service_tier = tier_of(reported) or self.service_tier

    def _end(self) -> None:
        self._has_ended = True
        if not self._has_final_usage and self.usage is not None:
            self.usage, self.usage_fault = None, UsageFault.INCOMPLETE
