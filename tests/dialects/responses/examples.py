"""Calls, responses and streams as the public documentation of the API shows them.

Source: https://platform.openai.com/docs/api-reference/responses/create and
https://platform.openai.com/docs/api-reference/responses-streaming (the examples beside them).
"""

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

STORY: dict[str, Any] = {
    "model": "gpt-4.1",
    "input": "Tell me a three sentence bedtime story about a unicorn.",
}
"""Its documented answer says 36 input tokens."""

HELLO: dict[str, Any] = {
    "model": "gpt-4.1",
    "instructions": "You are a helpful assistant.",
    "input": "Hello!",
    "stream": True,
}
"""Its documented answer says 37 input tokens."""

WEATHER_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {
                "type": "string",
                "description": "The city and state, e.g. San Francisco, CA",
            },
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["location", "unit"],
    },
}

WEATHER: dict[str, Any] = {
    "model": "gpt-4.1",
    "input": "What is the weather like in Boston today?",
    "tools": [WEATHER_TOOL],
    "tool_choice": "auto",
}
"""Its documented answer says 291 input tokens."""

STORY_TEXT = (
    "In a peaceful grove beneath a silver moon, a unicorn named Lumina discovered a hidden pool "
    "that reflected the stars."
)


def encoded(value: object) -> bytes:
    """The value as a body."""
    return json.dumps(value).encode()


def body(**fields: Any) -> bytes:
    """The documented call with other fields."""
    return encoded(STORY | fields)


def usage(given: int, written: int, *, cached: int = 0, reasoned: int = 0) -> dict[str, Any]:
    """A report of usage."""
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": reasoned},
        "total_tokens": given + written,
    }


def message(text: str, place: str = "msg_67ccd2bf17f0819081ff3bb2cf6508e6") -> dict[str, Any]:
    """An output item with one text."""
    return {
        "type": "message",
        "id": place,
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


CALL: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_67ca09c6bedc8190a7abfec07b1a1332096610f474011cc0",
    "call_id": "call_unLAR8MvFNptuiZK6K6HCy5k",
    "name": "get_current_weather",
    "arguments": '{"location":"Boston, MA","unit":"celsius"}',
    "status": "completed",
}


def response(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole response."""
    start: dict[str, Any] = {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1741476542,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-4.1-2025-04-14",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage(36, 87),
        "user": None,
        "metadata": {},
    }
    return start | fields


ANSWER = response(message(STORY_TEXT))


def stream(
    events: Iterable[dict[str, Any]], line_end: bytes = b"\n", *, named: bool = True
) -> bytes:
    """Server-sent events, with their type as their name."""
    sent = b""
    for number, event in enumerate(events):
        if named:
            sent += b"event: " + str(event["type"]).encode() + line_end
        sent += b"data: " + encoded(event | {"sequence_number": number}) + line_end * 2
    return sent


def state(kind: str, **fields: Any) -> dict[str, Any]:
    """An event with the whole response."""
    return {"type": f"response.{kind}", "response": response(**fields)}


def begun() -> list[dict[str, Any]]:
    """The events with which every stream begins."""
    early = {"status": "in_progress", "usage": None, "service_tier": "auto"}
    return [state("created", **early), state("in_progress", **early)]


def text_events(*pieces: str, output_index: int = 0) -> list[dict[str, Any]]:
    """A message in pieces, as the documentation shows it: added, written, said again."""
    text = "".join(pieces)
    item = message(text, "msg_1")
    at = {"item_id": "msg_1", "output_index": output_index, "content_index": 0}
    part = {"type": "output_text", "text": text, "annotations": []}
    added = item | {"status": "in_progress", "content": []}
    of_item = {"output_index": output_index}
    return [
        {"type": "response.output_item.added", "item": added, **of_item},
        {"type": "response.content_part.added", "part": part | {"text": ""}, **at},
        *[{"type": "response.output_text.delta", "delta": piece, **at} for piece in pieces],
        {"type": "response.output_text.done", "text": text, **at},
        {"type": "response.content_part.done", "part": part, **at},
        {"type": "response.output_item.done", "item": item, **of_item},
    ]


GREETING = ("Hi", " there! How can I", " assist you today?")

HELLO_EVENTS: list[dict[str, Any]] = [
    *begun(),
    *text_events(*GREETING),
    {
        "type": "response.completed",
        "response": response(message("".join(GREETING), "msg_1"), usage=usage(37, 11)),
    },
]
"""The documented stream."""

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
NAMES = st.sampled_from(
    [
        *("input", "tools", "tool_choice", "text", "reasoning", "stream", "background"),
        *("max_output_tokens", "max_tool_calls", "prompt_cache_options", "service_tier"),
        *("prompt", "conversation", "context_management", "instructions", "metadata"),
    ]
)
"""Fields of a call that are read, and whatever may stand in them."""
