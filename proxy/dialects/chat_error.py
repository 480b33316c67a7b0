"""A refusal in the shape of this API, so that SDKs raise what their users expect.

Source: https://platform.openai.com/docs/guides/error-codes; `budget` is our own addition.
"""

from collections.abc import Mapping

from proxy.dialects.json_text import encode


def error_body(
    *,
    message: str,
    type: str,
    code: str | None,
    param: str | None,
    budget: Mapping[str, str | int | None] | None = None,
) -> bytes:
    """The JSON of a refusal. `budget` says to programs what `message` says to people."""
    error: dict[str, object] = {"message": message, "type": type, "code": code, "param": param}
    if budget is not None:
        error["budget"] = budget
    return encode({"error": error})


def error_event(body: bytes) -> bytes:
    """The same refusal after a stream has begun: its last event.

    SDKs raise on data that has an `error`; no `[DONE]` follows, for nothing was done.
    """
    return b"data: " + body + b"\n\n"
