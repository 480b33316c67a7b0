"""What a provider counted for one call.

Counts are tokens unless the name says otherwise. Whether cached tokens are inside
`input_tokens` differs by API (OpenAI: yes; Anthropic: no), so whoever prices a Usage
says which, every time.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

AUTO: Final = "auto"
"""A size or a quality that is left to the model."""


def image_kind(size: str, quality: str) -> str:
    """An image as a usage counts it and a card prices it; "" for what is not known."""
    return f"{size}/{quality}"


def sides_of(kind: str) -> tuple[str, str]:
    """Size and quality of an image; "" for what is not known, or left to the model."""
    size, _, quality = kind.partition("/")
    return ("" if size == AUTO else size), ("" if quality == AUTO else quality)


class Usage(msgspec.Struct, frozen=True):
    """The billed quantities of one answer.

    `output_tokens` includes reasoning, audio and image output; `reasoning_tokens`,
    `output_audio_tokens` and `output_image_tokens` are parts of it. `input_audio_tokens` and
    `input_image_tokens` are parts of the input, `cache_write_1h_tokens` of
    `cache_write_tokens`; `cache_read_audio_tokens` and `cache_read_image_tokens` are parts
    both of `cache_read_tokens` and of the input of their kind.
    `audio_ms` is the length of billed audio, `characters` the length of billed text,
    `images` counts billed images by "size/quality", where "" or "auto" in place of either
    says that it is not known. These three count what is not billed by token; an answer may
    give tokens beside them for the same thing, and the card decides which of them it prices.
    `tool_calls` counts calls of built-in tools that carry a fee, by name.
    `billed_microcents` is what the provider says it billed, where it says so.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_image_tokens: int = 0
    input_audio_tokens: int = 0
    cache_read_audio_tokens: int = 0
    cache_read_image_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    reasoning_tokens: int = 0
    audio_ms: int = 0
    characters: int = 0
    images: Mapping[str, int] = msgspec.field(default_factory=dict)
    tool_calls: Mapping[str, int] = msgspec.field(default_factory=dict)
    billed_microcents: int | None = None
