"""The events of a streamed response.

Texts come in deltas, then whole in an event of their own, again in their item, and again in
the whole response at the end: each is taken in once. Event types:
https://platform.openai.com/docs/api-reference/responses-streaming
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.answer import DeliveredTexts, add_cost, fragment_bytes, text_or_none
from proxy.dialects.closing import Counted
from proxy.dialects.responses.answer import (
    FRAGMENT,
    Place,
    deliver,
    deliver_item,
    served_tier,
    text_of,
)
from proxy.dialects.responses.closing import OpenResponse
from proxy.dialects.responses.usage import read_usage, usage_of_refusal
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import member, read_leniently, with_members
from proxy.dialects.wire.sse import data_of

_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
"""The events after which nothing comes."""

# No text can look like this: inside a JSON string the quotes are escaped.
_TELLING: Final = re.compile(
    rb'"usage"\s*+:\s*+[^n]|"(?:response\.(?:completed|incomplete|failed)|error)"'
)
_OUTPUT: Final = re.compile(rb'"response\.(?:output_item|content_part)|\.(?:delta|done)"')
_AGAIN: Final = re.compile(rb'"response\.(?:[a-z_]+\.done|completed|incomplete|failed)"')
_DELTA: Final = b'.delta"'
_DONE: Final = b"[DONE]"
_MAX_DONE_BYTES: Final = 64

_TEXTS: Final[Mapping[str, tuple[str, str | None]]] = {
    "response.content_part": ("content", "content_index"),
    "response.output_text": ("content", "content_index"),
    "response.refusal": ("content", "content_index"),
    "response.reasoning_text": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
    "response.reasoning_summary_text": ("summary", "summary_index"),
    "response.function_call_arguments": ("arguments", None),
    "response.mcp_call_arguments": ("arguments", None),
    "response.custom_tool_call_input": ("input", None),
    "response.code_interpreter_call_code": ("code", None),
    "response.shell_call_command": ("command", "command_index"),
}
"""Where the text of a delta belongs in its item, and the field that says which of several."""

_WHOLE: Final = ("text", "refusal", "arguments", "input", "code", "transcript", "command")
"""Fields of an event that repeats the text of its deltas."""


class ResponseEvents:
    """An `EventReader`. A stream goes on until an event says that nothing more comes."""

    def __init__(self, n: int) -> None:
        del n  # there is one answer, whatever is asked for
        self.usage: Usage | None = None
        self.usage_fault: UsageFault | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.delivered = DeliveredTexts()
        self._is_over = False
        self._has_begun = False
        self._open = OpenResponse(self.delivered.text_at)
        self._delta_bytes = 0

    def glance(self, event: bytes) -> dict[str, Any] | None:
        self._has_begun = self._has_begun or _OUTPUT.search(event) is not None
        if _TELLING.search(event):
            return self._read_state(read_leniently(data_of(event)))
        if len(event) <= _MAX_DONE_BYTES and _DONE in event and data_of(event).strip() == _DONE:
            self._is_over = True
        return None

    def read(self, data: bytes) -> None:
        event = read_leniently(data)
        if not isinstance(event, dict):
            if not self._repeats(data):
                self.delivered.keep_fragments(FRAGMENT, data)
            return
        self._open.follow(event)
        if isinstance(response := event.get("response"), dict):
            self._read_names(response)
            if text_or_none(event.get("type")) in _LAST:
                deliver(self.delivered, response)
            return
        is_last = text_or_none(event.get("type")) in _LAST
        self.delivered.note(0, finished=is_last)
        if is_last:
            return
        if "item" in event:
            deliver_item(self.delivered, _item_of(event), event["item"])
        else:
            self._read_text(event)

    def text_bytes(self, event: bytes) -> int:
        size = fragment_bytes(FRAGMENT, event)
        if _DELTA in event:
            self._delta_bytes += size
            return size
        # What is told once more adds nothing, as far as it came in deltas.
        return max(0, size - self._delta_bytes) if _AGAIN.search(event) else 0

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        del tells_usage  # a response always tells it
        return self._open.closing_events(counted)

    @property
    def is_told_complete(self) -> bool:
        return self._is_over

    @property
    def is_complete(self) -> bool:
        return self._is_over

    def is_for_usage_alone(self, chunk: dict[str, Any]) -> bool:
        """Never: usage comes with the whole response."""
        return False

    def add_cost(self, data: bytes, cost_usd: str) -> bytes:
        try:
            response = add_cost(member(data, "response"), cost_usd)
            return with_members(data, {"response": response})
        except (ValueError, KeyError):
            return data

    def _read_state(self, event: object) -> dict[str, Any] | None:
        """Note what an event says of usage and of the end."""
        if not isinstance(event, dict):
            return None
        self._is_over = self._is_over or text_or_none(event.get("type")) in _LAST
        response = event.get("response")
        if not isinstance(response, dict):
            return None
        self._read_names(response)
        usage, fault = read_usage(response)
        if not self._has_begun and not self.delivered.is_partial:
            usage = usage or usage_of_refusal(response)
        if usage is None and fault is None:
            return None
        self.usage_fault = fault
        self.usage = usage or self.usage
        return event

    def _read_names(self, response: Mapping[str, Any]) -> None:
        self.model = text_or_none(response.get("model")) or self.model
        self.service_tier = served_tier(response) or self.service_tier

    def _repeats(self, broken: bytes) -> bool:
        """Whether an event that breaks off says again what has come, as far as it goes."""
        if not _AGAIN.search(broken):
            return False
        again = sum(len(match[1]) for match in FRAGMENT.finditer(broken))
        return again <= sum(map(len, self.delivered.texts()))

    def _read_text(self, event: Mapping[str, Any]) -> None:
        """Take in a delta, or the whole of what came in deltas."""
        stem, _, tail = str(event.get("type")).rpartition(".")
        where = (_item_of(event), *_place_of(stem, event))
        if tail == "delta":
            if isinstance(event.get("delta"), str) and stem != "response.audio":
                self.delivered.keep(where, event["delta"])
            return
        part = event.get("part", event)
        whole = text_of(part) if part is not event else _whole_text(event)
        if whole is not None:
            self.delivered.keep_rest(where, whole)


def _item_of(event: Mapping[str, Any]) -> object:
    """The output item that an event is about."""
    index = event.get("output_index")
    return index if type(index) is int else str(event.get("item_id"))


def _place_of(stem: str, event: Mapping[str, Any]) -> Place:
    """Where a text belongs in its item. Texts of kinds that nobody described stay apart."""
    name, index = _TEXTS.get(stem, (stem, None))
    if index is None:
        return (name,)
    place = event.get(index)
    return name, place if type(place) is int else 0


def _whole_text(event: Mapping[str, Any]) -> str | None:
    texts = (event.get(name) for name in _WHOLE)
    return next((text for text in texts if isinstance(text, str)), None)
