"""What upstreams send over a WebSocket: one event a frame, in JSON.

The same events come as server-sent ones over HTTP, and are metered as such. Of a frame only
its beginning is looked at, where every server puts the type.

Events: https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

import re
from typing import Final

import msgspec

from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of

ERROR: Final = "error"

_OF_A_RESPONSE: Final = "response."

_LAST: Final = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        ERROR,
    }
)
"""After one of these nothing more comes of a response."""

_TYPE: Final = re.compile(rb'\s*+\{\s*+"type"\s*+:\s*+"([a-z0-9._]++)"')
_END: Final = b"\n\n"
_DONE: Final = b"[DONE]"


class _Typed(msgspec.Struct):
    type: str = ""


_DECODER: Final = msgspec.json.Decoder(_Typed)


def type_of(frame: bytes) -> str:
    """The type of an event; empty where it has none, or cannot be read."""
    if match := _TYPE.match(frame):
        return match[1].decode()
    try:
        return _DECODER.decode(frame).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def is_of_a_response(kind: str) -> bool:
    """Whether events of this type belong to a response, and are paid for with it."""
    return kind.startswith(_OF_A_RESPONSE) or kind == ERROR


def is_last(kind: str) -> bool:
    """Whether a response ends with an event of this type."""
    return kind in _LAST


def status_of(frame: bytes) -> int | None:
    """The HTTP status that an error says it has, if it is one of an error."""
    fields = read_leniently(frame)
    status = fields.get("status", fields.get("status_code")) if isinstance(fields, dict) else None
    return status if type(status) is int and 400 <= status <= 599 else None


def as_event(frame: bytes) -> bytes:
    """A frame as a server-sent event. Line ends mean nothing between the parts of JSON."""
    if b"\n" in frame or b"\r" in frame:
        frame = frame.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"data: %b%b" % (frame, _END)


class FrameSplitter:
    """Server-sent events, however they are cut, as frames again."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end here. Comments and `[DONE]` are none."""
        *events, self._rest = (self._rest + data).split(_END)
        frames = [data_of(event) for event in events]
        return [frame for frame in frames if frame and frame != _DONE]
