"""Calls and answers as the public documentation of the API shows them.

Source: https://platform.openai.com/docs/api-reference/completions/create, and the completion
object beside it.
"""

import json
from typing import Any

QUESTION: dict[str, Any] = {
    "model": "gpt-3.5-turbo-instruct",
    "prompt": "Say this is a test",
    "max_tokens": 7,
    "temperature": 0,
}
"""Its documented answer says 5 prompt tokens."""

ANSWER: dict[str, Any] = {
    "id": "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7",
    "object": "text_completion",
    "created": 1589478378,
    "model": "gpt-3.5-turbo-instruct",
    "system_fingerprint": "fp_44709d6fcb",
    "choices": [
        {
            "text": "\n\nThis is indeed a test",
            "index": 0,
            "logprobs": None,
            "finish_reason": "length",
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}


def encoded(value: object) -> bytes:
    """The value as a body."""
    return json.dumps(value).encode()


def body(**fields: Any) -> bytes:
    """The documented call with other fields; None takes one out."""
    changed = QUESTION | fields
    return encoded({name: value for name, value in changed.items() if value is not None})


def chunk(text: str, *, index: int = 0, reason: str | None = None, **fields: Any) -> bytes:
    """The JSON of a chunk of a stream."""
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
    start = {name: ANSWER[name] for name in ("id", "object", "created", "model")}
    return encoded(start | {"choices": [choice]} | fields)


USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CONTENT = (
    chunk("Hello", usage=None),
    chunk(' "there"', usage=None),
    chunk("", reason="stop", usage=None),
)
USAGE_CHUNK = chunk("", choices=[], usage=USAGE)
DONE = b"[DONE]"
