"""A refusal in the shape of Anthropic's APIs, so that SDKs raise what their users expect.

Source: https://platform.claude.com/docs/en/api/errors; `budget` is our own addition.
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
    """The JSON of a refusal. `budget` says to programs what `message` says to people.

    The API has no place for `param`: the message begins with it.
    """
    error = {"type": words.anthropic_type, "message": message, "budget": budget}
    return encode({"type": "error", "error": error})
