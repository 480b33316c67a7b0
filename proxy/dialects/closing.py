"""How a stream is ended where its budget ends: as its API ends one that reached its limit.

Source: docs/semantics.md, "A stream that outgrows its hold"; field-report 44.
"""

from typing import Any

import msgspec

from proxy.dialects.wire.json_text import encode


class Counted(msgspec.Struct, frozen=True):
    """What a stream that we end used, in tokens as we counted them."""

    input_tokens: int
    output_tokens: int

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


def event_of(data: dict[str, Any], *, name: str = "") -> bytes:
    """A server-sent event with this data, of a name in APIs whose events have one."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + encode(data) + b"\n\n"
