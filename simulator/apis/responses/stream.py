"""A response as the events of a stream.

Source: https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from collections.abc import Iterator
from typing import Any

from simulator.answer.render import Answer
from simulator.answer.stream import NOTHING, Event
from simulator.apis.responses.items import Item, items_of
from simulator.apis.responses.render import response_begun, response_object
from simulator.bill import Output


def response_events(answer: Answer) -> Iterator[Event]:
    """The response as events, each with its number."""
    for number, event in enumerate(_Stream(answer).events()):
        event.payload["sequence_number"] = number
        yield event


class _Stream:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def events(self) -> Iterator[Event]:
        begun, ended = response_begun(self._answer), response_object(self._answer)
        yield _event("response.created", response=begun)
        yield _event("response.in_progress", response=begun)
        for index, item in enumerate(items_of(self._answer)):
            at = {"output_index": index, "item_id": item.whole["id"]}
            yield _event(
                "response.output_item.added", item.begun, output_index=index, item=_empty(item)
            )
            yield from self._content(item, at)
            yield _event("response.output_item.done", output_index=index, item=item.whole)
        yield _event(f"response.{ended['status']}", response=ended)

    def _content(self, item: Item, at: dict[str, Any]) -> Iterator[Event]:
        match item.kind:
            case "message":
                yield from self._message(item, at | {"content_index": 0})
            case "function_call":
                kind = "response.function_call_arguments"
                yield from self._deltas(kind, item, at)
                yield _event(f"{kind}.done", **at, arguments=item.whole["arguments"])
            case "custom_tool_call":
                kind = "response.custom_tool_call_input"
                yield from self._deltas(kind, item, at)
                yield _event(f"{kind}.done", **at, input=item.whole["input"])
            case "web_search_call":
                for step in ("in_progress", "searching", "completed"):
                    yield _event(f"response.web_search_call.{step}", **at)
            case "reasoning":
                yield from _summary(item, at)

    def _message(self, item: Item, at: dict[str, Any]) -> Iterator[Event]:
        (part,) = item.whole["content"]
        yield _event("response.content_part.added", **at, part=part | {"text": ""})
        yield from self._deltas("response.output_text", item, at | {"logprobs": []})
        yield _event("response.output_text.done", **at, text=part["text"], logprobs=[])
        yield _event("response.content_part.done", **at, part=part)

    def _deltas(self, kind: str, item: Item, at: dict[str, Any]) -> Iterator[Event]:
        size = self._answer.tokens_per_event
        for start in range(0, len(item.pieces), size):
            pieces = item.pieces[start : start + size]
            event = _event(
                f"{kind}.delta", Output(text_tokens=len(pieces)), **at, delta="".join(pieces)
            )
            if self._answer.request.include_obfuscation:
                event.payload["obfuscation"] = "x" * (16 - sum(map(len, pieces)) % 16)
            yield event


def _summary(item: Item, at: dict[str, Any]) -> Iterator[Event]:
    for place, part in enumerate(item.whole["summary"]):
        here = at | {"summary_index": place}
        kind = "response.reasoning_summary"
        yield _event(f"{kind}_part.added", **here, part=part | {"text": ""})
        yield _event(f"{kind}_text.delta", **here, delta=part["text"])
        yield _event(f"{kind}_text.done", **here, text=part["text"])
        yield _event(f"{kind}_part.done", **here, part=part)


def _empty(item: Item) -> dict[str, Any]:
    """An item when nothing of it has come yet."""
    empty: dict[str, Any] = {}
    match item.kind:
        case "message":
            empty = {"content": []}
        case "function_call":
            empty = {"arguments": ""}
        case "custom_tool_call":
            empty = {"input": ""}
        case "reasoning":
            return item.whole | {"summary": []}
    return item.whole | empty | {"status": "in_progress"}


def _event(kind: str, output: Output = NOTHING, **payload: Any) -> Event:
    return Event({"type": kind} | payload, output, name=kind)
