"""Calls and answers as the public documentation of the API shows them.

Source: https://platform.openai.com/docs/api-reference/chat/create (the examples beside it).
"""

import json
from collections.abc import Iterable
from typing import Any

QUESTION: dict[str, Any] = {
    "model": "gpt-4.1",
    "messages": [
        {"role": "developer", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
    ],
}
"""Its documented answer says 19 prompt tokens."""

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello! How can I assist you today?",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 19,
        "completion_tokens": 10,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
}

WEATHER_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
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
            "required": ["location"],
        },
    },
}

TOOL_QUESTION: dict[str, Any] = {
    "model": "gpt-4.1",
    "messages": [{"role": "user", "content": "What is the weather like in Boston today?"}],
    "tools": [WEATHER_TOOL],
    "tool_choice": "auto",
}
"""Its documented answer says 82 prompt tokens."""

TOOL_ANSWER: dict[str, Any] = {
    "id": "chatcmpl-abc123",
    "object": "chat.completion",
    "created": 1699896916,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_abc123",
                        "type": "function",
                        "function": {
                            "name": "get_current_weather",
                            "arguments": '{\n"location": "Boston, MA"\n}',
                        },
                    }
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 82,
        "completion_tokens": 17,
        "total_tokens": 99,
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
}

JARGON = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates "
        "corporate jargon into plain English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on "
        "opportunities for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the "
        "client deliverable.",
    },
]
"""The messages that OpenAI's cookbook counts tokens of."""

STREAM_USAGE = {"prompt_tokens": 19, "completion_tokens": 3, "total_tokens": 22}


def encoded(value: object) -> bytes:
    """The value as a body."""
    return json.dumps(value).encode()


def body(**fields: Any) -> bytes:
    """The documented question with other fields."""
    return encoded(QUESTION | fields)


def chunk(delta: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """The JSON of a chunk; without a delta, the one that is sent for usage alone."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    start: dict[str, Any] = {
        "id": "chatcmpl-123",
        "object": "chat.completion.chunk",
        "created": 1694268190,
        "model": "gpt-4o-mini",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [] if delta is None else [choice],
    }
    return encoded(start | fields)


def finished(reason: str = "stop", index: int = 0) -> list[dict[str, Any]]:
    """The choices of the chunk that ends one."""
    return [{"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}]


def events(data: Iterable[bytes], line_end: bytes = b"\n") -> bytes:
    """The chunks as a stream of events."""
    return b"".join(b"data: " + one + line_end * 2 for one in data)


CONTENT_CHUNKS = (
    chunk({"role": "assistant", "content": ""}, usage=None),
    chunk({"content": "Hello"}, usage=None),
    chunk({"content": " there"}, usage=None),
    chunk({}, choices=finished(), usage=None),
)
USAGE_CHUNK = chunk(usage=STREAM_USAGE)
DONE = b"[DONE]"
