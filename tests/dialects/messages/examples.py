"""Calls and answers as the public documentation of the API shows them.

Source: https://platform.claude.com/docs/en/api/messages (the examples beside it) and
https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import json
from collections.abc import Iterable
from typing import Any

QUESTION: dict[str, Any] = {
    "model": "claude-opus-4-5",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "Hello, Claude"}],
}

ANSWER: dict[str, Any] = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Hello!"}],
    "model": "claude-opus-4-5-20251101",
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 6, "service_tier": "standard"},
}

WEATHER_TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "input_schema": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco"}
        },
        "required": ["location"],
    },
}

SEARCH_TOOL: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}

CACHED_USAGE: dict[str, Any] = {
    "input_tokens": 2048,
    "cache_read_input_tokens": 1800,
    "cache_creation_input_tokens": 248,
    "output_tokens": 503,
    "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
}

START_USAGE: dict[str, Any] = {"input_tokens": 472, "output_tokens": 2, "service_tier": "standard"}


def encoded(value: object) -> bytes:
    """The value as a body."""
    return json.dumps(value).encode()


def body(**fields: Any) -> bytes:
    """The documented question with other fields."""
    return encoded(QUESTION | fields)


def message_start(**usage: Any) -> dict[str, Any]:
    """The first event, with its usage."""
    message = ANSWER | {"content": [], "stop_reason": None, "usage": START_USAGE | usage}
    return {"type": "message_start", "message": message}


def block_start(index: int, **block: Any) -> dict[str, Any]:
    """The event that begins a block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    """The event that goes on with one."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def block_stop(index: int) -> dict[str, Any]:
    """The event that ends one."""
    return {"type": "content_block_stop", "index": index}


def message_delta(reason: str = "end_turn", **usage: Any) -> dict[str, Any]:
    """The event that says why a message ends, and its usage unless that is empty."""
    event: dict[str, Any] = {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
    }
    return event | {"usage": usage} if usage else event


MESSAGE_STOP: dict[str, Any] = {"type": "message_stop"}
PING: dict[str, Any] = {"type": "ping"}

THOUGHT_AND_CALL: tuple[dict[str, Any], ...] = (
    message_start(),
    block_start(0, type="thinking", thinking="", signature=""),
    PING,
    delta(0, "thinking_delta", thinking="Let me "),
    delta(0, "thinking_delta", thinking="see."),
    delta(0, "signature_delta", signature="EqQBCgIYAhIM"),
    block_stop(0),
    block_start(1, type="text", text=""),
    delta(1, "text_delta", text="Okay, I will "),
    delta(1, "text_delta", text="check."),
    delta(1, "citations_delta", citation={"type": "char_location", "cited_text": "not billed"}),
    block_stop(1),
    block_start(2, type="tool_use", id="toolu_01T1x1", name="get_weather", input={}),
    delta(2, "input_json_delta", partial_json='{"loc'),
    delta(2, "input_json_delta", partial_json='ation": "Paris"}'),
    block_stop(2),
    message_delta("tool_use", output_tokens=89),
    MESSAGE_STOP,
)

DELIVERED = ("Let me see.", "Okay, I will check.", "get_weather", '{"location": "Paris"}')


def events(data: Iterable[dict[str, Any]], line_end: bytes = b"\n") -> bytes:
    """The events as they are sent: named, and with their data."""
    return b"".join(
        b"event: " + each["type"].encode() + line_end + b"data: " + encoded(each) + line_end * 2
        for each in data
    )
