"""Refusals in the shape of OpenAI's APIs, so that SDKs raise what their users expect.

Source: https://platform.openai.com/docs/guides/error-codes; `budget` is our own addition.
"""

from collections.abc import Mapping
from typing import Final

from proxy.dialects.dialect import ErrorWords
from proxy.dialects.wire.json_text import encode, read_leniently

_FILTERED: Final = "content_filter"


def error_body(
    words: ErrorWords,
    message: str,
    *,
    param: str | None,
    budget: Mapping[str, str | int | None],
) -> bytes:
    """The JSON of a refusal. `budget` says to programs what `message` says to people."""
    error = {
        "message": message,
        "type": words.openai_type,
        "code": words.code,
        "param": param,
        "budget": budget,
    }
    return encode({"error": error})


def is_filtered(body: bytes | None) -> bool:
    """Whether an error says that a prompt was read and refused for what is in it, as Azure does.

    Source: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
    """
    said = read_leniently(body) if body is not None else None
    error = said.get("error") if isinstance(said, dict) else None
    return isinstance(error, dict) and error.get("code") == _FILTERED
