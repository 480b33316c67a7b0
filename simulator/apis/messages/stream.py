"""A message as the events of a stream.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from simulator.answer.render import Answer
from simulator.answer.stream import NOTHING, Event
from simulator.apis.messages.render import (
    Block,
    blocks_of,
    message_begun,
    stop_reason,
    usage_of,
)
from simulator.bill import Output

_EMPTY: Final[dict[str, dict[str, Any]]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
    "server_tool_use": {"input": {}},
}
_FIRST: Final = Output(text_tokens=1)
"""What a message claims to have said when it begins."""


def message_events(answer: Answer) -> Iterator[Event]:
    """The message as events."""
    reports = answer.report.place != "nowhere"
    begun = message_begun(answer)
    if reports:
        searches = answer.output().web_searches
        found = searches * answer.request.model.search_tokens
        begun |= {"usage": usage_of(answer, _FIRST, unseen_tokens=found)}
    yield _event("message_start", message=begun)
    yield _event("ping")
    for index, block in enumerate(blocks_of(answer)):
        empty = block.whole | _EMPTY.get(block.whole["type"], {})
        yield _event("content_block_start", block.begun, index=index, content_block=empty)
        for delta, output in _deltas(answer, block):
            yield _event("content_block_delta", output, index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    ended: dict[str, Any] = {"delta": {"stop_reason": stop_reason(answer), "stop_sequence": None}}
    if reports:
        usage = usage_of(answer, answer.output())
        ended |= {"usage": {name: usage[name] for name in usage if name not in _NOT_AT_THE_END}}
    yield _event("message_delta", **ended)
    yield _event("message_stop")


_NOT_AT_THE_END: Final = ("cache_creation", "service_tier", "inference_geo")


def _deltas(answer: Answer, block: Block) -> Iterator[tuple[dict[str, Any], Output]]:
    match block.whole:
        case {"type": "thinking", "thinking": shown, "signature": signature}:
            if shown:
                yield {"type": "thinking_delta", "thinking": shown}, NOTHING
            yield {"type": "signature_delta", "signature": signature}, NOTHING
        case {"type": "server_tool_use", "input": given}:
            text = msgspec.json.encode(given).decode()
            yield {"type": "input_json_delta", "partial_json": text}, NOTHING
        case {"type": kind}:
            size = answer.tokens_per_event
            for start in range(0, len(block.pieces), size):
                pieces = block.pieces[start : start + size]
                text = "".join(pieces)
                delta = {"type": "text_delta", "text": text}
                if kind == "tool_use":
                    delta = {"type": "input_json_delta", "partial_json": text}
                yield delta, Output(text_tokens=len(pieces))


def _event(kind: str, output: Output = NOTHING, **payload: Any) -> Event:
    return Event({"type": kind} | payload, output, name=kind)
