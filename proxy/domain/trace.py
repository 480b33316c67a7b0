"""The id that ties a call to its caller's trace: taken from a header, or made.

Source: www.w3.org/TR/trace-context, section 3.2; cycles-protocol-v0.yaml, "CORRELATION AND
TRACING".
"""

import re
from collections.abc import Callable
from typing import Final

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")


def trace_id_of(
    traceparent: str | None, cycles_trace_id: str | None, new_id: Callable[[], str]
) -> str:
    """32 hex digits, not all zero. Malformed headers are ignored; `traceparent` wins."""
    if traceparent is not None:
        parsed = _TRACEPARENT.fullmatch(traceparent.strip())
        if parsed is not None and all(part.strip("0") for part in parsed.groups()):
            return parsed[1]
    if cycles_trace_id is not None and _TRACE_ID.fullmatch(cycles_trace_id):
        return cycles_trace_id
    return new_id()
