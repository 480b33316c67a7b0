"""What callers send over a WebSocket, and the error frames that they get.

Nothing that could cost money passes by accident: a frame is a call, or one of the few that
only end or acknowledge one, or it is refused.

Frames: https://developers.openai.com/api/docs/guides/websocket-mode
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from proxy.dialects.wire.json_text import (
    encode,
    optional,
    read_leniently,
    read_object,
    with_members,
)
from proxy.domain.errors import Reason, Refused

CREATE: Final = "response.create"

CONTROLS: Final = ("response.cancel", "response.interrupt", "response.processed")
"""Frames that end a response, or say that one has arrived: nothing is generated for them."""

_HINTS: Final[Mapping[str, str]] = {
    "response.steer": "what it starts is a response that nobody has paid for: send "
    "response.create when this one has ended",
    "response.inject": "what it starts is a response that nobody has paid for: send "
    "response.create when this one has ended",
}

_OF_A_BODY: Final = ("Content-", "content-")

_UNTYPED: Final = b'{"message":"The upstream refused the call.","type":"server_error"}'


class Frame(msgspec.Struct, frozen=True):
    """One frame of a caller. `stream_id` is the lane that it is in, `text` as it came."""

    type: str
    stream_id: str | None
    text: bytes

    @property
    def is_call(self) -> bool:
        """Whether it asks for a response."""
        return self.type == CREATE

    def __repr__(self) -> str:
        """Without the text: prompts must not reach a log."""
        return f"<Frame {self.type} of {len(self.text)} bytes>"


def read_frame(text: bytes) -> Frame:
    """Read a frame.

    Raises:
        Refused: INVALID_REQUEST, for what is no JSON object, says things twice, or is of a
            type that does not pass. The message quotes nothing of it but its type.
    """
    fields = read_object(text)
    kind = _type(fields)
    stream_id = optional(fields, "stream_id", str, "a string")
    if kind == CREATE or kind in CONTROLS:
        return Frame(kind, stream_id, text)
    hint = _HINTS.get(kind, f"known are {', '.join((CREATE, *CONTROLS))}")
    name = kind if kind in _HINTS else "a frame of this type"
    raise Refused(Reason.INVALID_REQUEST, f"The proxy does not pass {name}; {hint}.", param="type")


def error_frame(
    status: int, headers: Mapping[str, str], body: bytes, stream_id: str | None
) -> bytes:
    """The frame for an error that over HTTP is an answer: its `error`, with status and headers.

    Headers stand where the SDKs look for them, in the error, and where Codex does, beside it.
    A body that is such a frame already stays as it is.
    """
    fields = read_leniently(body)
    if isinstance(fields, dict) and fields.get("type") == "error":
        return body
    found = fields.get("error") if isinstance(fields, dict) else None
    error: dict[str, Any] = found if isinstance(found, dict) else msgspec.json.decode(_UNTYPED)
    told = {name: value for name, value in headers.items() if not name.startswith(_OF_A_BODY)}
    frame: dict[str, Any] = {
        "type": "error",
        "status": status,
        "error": {**error, "headers": told},
        "headers": told,
    }
    return encode(frame if stream_id is None else {**frame, "stream_id": stream_id})


def with_headers(frame: bytes, headers: Mapping[str, str]) -> bytes:
    """The first event of a response, with what over HTTP stands in the head of an answer."""
    try:
        return with_members(frame, {"headers": encode(dict(headers))})
    except ValueError:
        return frame


def _type(fields: Mapping[str, Any]) -> str:
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise Refused(
            Reason.INVALID_REQUEST,
            f"A frame says what it is: type is {CREATE} or another that is known.",
            param="type",
        )
    return kind
