"""The id that ties a call to its caller's trace: taken from `traceparent`, or made.

Source: www.w3.org/TR/trace-context, section 3.2.
"""

import re
from collections.abc import Callable
from typing import Final

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_INVALID: Final = "0" * 32


def trace_id_of(
    traceparent: str | None, cycles_trace_id: str | None, new_id: Callable[[], str]
) -> str:
    """32 hex digits. Malformed headers are ignored; `traceparent` wins."""
    if traceparent is not None:
        parsed = _TRACEPARENT.fullmatch(traceparent.strip())
        if parsed is not None and parsed[1] != _INVALID:
            return parsed[1]
    if cycles_trace_id is not None and _TRACE_ID.fullmatch(cycles_trace_id):
        return cycles_trace_id
    return new_id()
