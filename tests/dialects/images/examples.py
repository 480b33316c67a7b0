"""Calls and answers as the public documentation of the API shows them.

https://platform.openai.com/docs/api-reference/images/create (the examples beside it) and
https://platform.openai.com/docs/api-reference/images-streaming; base64 shortened.
"""

import json
from collections.abc import Sequence
from typing import Any

from pricing.usage import Usage

QUESTION: dict[str, Any] = {
    "model": "gpt-image-1.5",
    "prompt": "A cute baby sea otter",
    "n": 1,
    "size": "1024x1024",
}

ANSWER: dict[str, Any] = {
    "created": 1713833628,
    "data": [{"b64_json": "iVBORw0KGgo="}],
    "background": "transparent",
    "output_format": "png",
    "size": "1024x1024",
    "quality": "high",
    "usage": {
        "total_tokens": 4_210,
        "input_tokens": 50,
        "output_tokens": 4_160,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    },
}

ANSWER_USAGE = Usage(
    50,
    4_160,
    input_image_tokens=40,
    output_image_tokens=4_160,
    images={"1024x1024/high": 1},
)
"""Priced by hand for gpt-image-1.5 in the tests of prices: 10 x 5 + 40 x 8 + 4,160 x 32."""

ANSWER_MICROCENTS = 13_349_000

COUNTED_ANSWER: dict[str, Any] = {
    "created": 1589478378,
    "data": [{"url": "https://example.com/a.png"}, {"url": "https://example.com/b.png"}],
}
"""As models answer that are billed by the image: without usage."""

PREVIEW: dict[str, Any] = {
    "type": "image_generation.partial_image",
    "b64_json": "iVBORw0KGgo=",
    "created_at": 1620000000,
    "size": "1024x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "png",
    "partial_image_index": 0,
}

COMPLETED: dict[str, Any] = {
    "type": "image_generation.completed",
    "b64_json": "iVBORw0KGgo=",
    "created_at": 1620000000,
    "size": "1024x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "png",
    "usage": {
        "total_tokens": 4_310,
        "input_tokens": 50,
        "output_tokens": 4_260,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    },
}


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def body(**fields: Any) -> bytes:
    """The documented call with other fields."""
    return encoded(QUESTION | fields)


def stream(events: Sequence[dict[str, Any]]) -> bytes:
    """Events with their names, as the API writes them."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encoded(event)) for event in events
    )
