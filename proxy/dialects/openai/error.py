"""A refusal in the shape of OpenAI's APIs, so that SDKs raise what their users expect.

Source: https://platform.openai.com/docs/guides/error-codes; `budget` is our own addition.
"""

from collections.abc import Mapping

from proxy.dialects.dialect import ErrorWords
from proxy.dialects.wire.json_text import encode


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
