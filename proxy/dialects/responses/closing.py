"""The end of a streamed response that is cut where its budget ends.

As the API ends a response that reached `max_output_tokens`: every text that is open is told
whole, as far as it came, then its part, then its item, marked incomplete, then the response.
Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from proxy.dialects.closing import Counted, event_of

Place = tuple[object, ...]

_PARTS: Final = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}
"""Events of parts: the member of the item that the parts are in, and the field that counts them."""

_TEXT_EVENTS: Final = {
    "output_text": ("response.output_text.done", "text"),
    "refusal": ("response.refusal.done", "refusal"),
    "reasoning_text": ("response.reasoning_text.done", "text"),
    "summary_text": ("response.reasoning_summary_text.done", "text"),
}
"""By type of the part: the event that tells its text whole, and the member that has it."""

_ARGUMENTS: Final = {
    "function_call": ("response.function_call_arguments.done", "arguments"),
    "mcp_call": ("response.mcp_call_arguments.done", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input.done", "input"),
    "code_interpreter_call": ("response.code_interpreter_call_code.done", "code"),
}
"""By type of the item: the event that tells its one text whole, and the member that has it."""


class OpenResponse:
    """What of a response has begun and not ended. `text_at` gives a text as far as it came."""

    def __init__(self, text_at: Callable[[Place], str]) -> None:
        self._text_at = text_at
        self._response: Mapping[str, Any] | None = None
        self._number = -1
        self._items: dict[int, dict[str, Any]] = {}
        self._open: dict[int, dict[Place, dict[str, Any]]] = {}
        """The items that are not done, each with its parts that are not."""

    def follow(self, event: Mapping[str, Any]) -> None:
        """Take in an event. They come in order."""
        number, kind = event.get("sequence_number"), event.get("type")
        if type(number) is int:
            self._number = number
        if isinstance(response := event.get("response"), dict):
            self._response = response
            return
        index = event.get("output_index")
        if type(index) is not int or not isinstance(kind, str):
            return
        stem, _, tail = kind.rpartition(".")
        if stem == "response.output_item" and isinstance(item := event.get("item"), dict):
            self._follow_item(index, item, is_done=tail == "done")
        elif stem in _PARTS and index in self._open:
            self._follow_part(index, stem, tail, event)

    def closing_events(self, counted: Counted) -> bytes:
        """The events that are missing for an incomplete response; none before one has begun."""
        if self._response is None:
            return b""
        events = [event for index in sorted(self._open) for event in self._end_item(index)]
        end = dict(self._response) | {
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [self._items[index] for index in sorted(self._items)],
            "usage": _usage_of(counted),
        }
        events.append({"type": "response.incomplete", "response": end})
        return b"".join(
            event_of(event | {"sequence_number": number}, name=event["type"])
            for number, event in enumerate(events, start=self._number + 1)
        )

    def _follow_item(self, index: int, item: dict[str, Any], *, is_done: bool) -> None:
        self._items[index] = item
        if is_done:
            self._open.pop(index, None)
        else:
            self._open[index] = {}

    def _follow_part(self, index: int, stem: str, tail: str, event: Mapping[str, Any]) -> None:
        member, counter = _PARTS[stem]
        place, part = event.get(counter), event.get("part")
        if type(place) is not int or not isinstance(part, dict):
            return
        if tail == "done":
            self._open[index].pop((member, place), None)
            self._keep_part(index, member, part)
        else:
            self._open[index][member, place] = part

    def _keep_part(self, index: int, member: str, part: Mapping[str, Any]) -> None:
        parts = self._items[index].get(member)
        kept = [*parts, part] if isinstance(parts, list) else [part]
        self._items[index] = self._items[index] | {member: kept}

    def _end_item(self, index: int) -> Iterator[dict[str, Any]]:
        item = self._items[index]
        at = {"item_id": item.get("id"), "output_index": index}
        for (member, place), part in self._open[index].items():
            counter = "summary_index" if member == "summary" else "content_index"
            yield from self._end_part(at | {counter: place}, (index, member, place), part)
        if (found := _ARGUMENTS.get(str(item.get("type")))) is not None:
            event, member = found
            text = self._text_at((index, member))
            yield {"type": event} | at | {member: text}
            self._items[index] = self._items[index] | {member: text}
        self._items[index] = self._items[index] | {"status": "incomplete"}
        yield {
            "type": "response.output_item.done",
            "output_index": index,
            "item": self._items[index],
        }

    def _end_part(
        self, at: dict[str, Any], where: Place, part: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        index, member, _ = where
        assert isinstance(index, int)
        assert isinstance(member, str)
        kind = str(part.get("type"))
        if kind in _TEXT_EVENTS:
            event, name = _TEXT_EVENTS[kind]
            text = self._text_at(where)
            part = dict(part) | {name: text}
            logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
            yield {"type": event} | at | {name: text} | logprobs
        ended = "reasoning_summary_part" if member == "summary" else "content_part"
        yield {"type": f"response.{ended}.done"} | at | {"part": part}
        self._keep_part(index, member, part)


def _usage_of(counted: Counted) -> dict[str, Any]:
    return {
        "input_tokens": counted.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": counted.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted.total_tokens,
    }
