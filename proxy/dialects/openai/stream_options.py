"""Whether a stream reports usage: `stream_options.include_usage`, read and set."""

from collections.abc import Mapping
from typing import Any

from proxy.dialects.dialect import Changes, Request
from proxy.dialects.edits import Edits
from proxy.dialects.wire.json_text import invalid, member, optional, with_members


def asks_usage(fields: Mapping[str, Any]) -> bool:
    """Whether the caller wants usage at the end of a stream.

    Raises:
        Refused: INVALID_REQUEST.
    """
    options = optional(fields, "stream_options", dict, "an object")
    if options is None:
        return False
    include_usage = options.get("include_usage")
    if include_usage is None or type(include_usage) is bool:
        return include_usage or False
    raise invalid("stream_options.include_usage", "must be true or false")


def edit_stream_options(request: Request, changes: Changes) -> Edits:
    """Ask for usage, where that is wanted and the caller does not."""
    if not changes.include_usage or not request.stream or request.asks_usage:
        return {}
    options = b"{}"
    if request.fields.get("stream_options") is not None:
        options = member(request.body, "stream_options")
    return {"stream_options": with_members(options, {"include_usage": b"true"})}
