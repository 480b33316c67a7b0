"""Server-sent events as bytes, in the ways the format allows.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from simulator.answer.stream import Event
from simulator.behaviour import Wire
from simulator.bill import Output


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes that belong together, and what the provider generated for them."""

    data: bytes
    output: Output


def frames(events: Iterable[Event], wire: Wire, *, says_done: bool = True) -> Iterator[Frame]:
    """The events of a stream as bytes, with `[DONE]` at the end where API and wire say it."""
    first = b"\xef\xbb\xbf" if wire.byte_order_mark else b""
    for event in events:
        yield Frame(first + _between(wire) + _lines(wire, *_fields(event)), event.output)
        first = b""
    if wire.done and says_done:
        yield Frame(_lines(wire, b"data: [DONE]"), Output())


def _fields(event: Event) -> Iterator[bytes]:
    if event.name:
        yield b"event: " + event.name.encode()
    yield b"data: " + msgspec.json.encode(event.payload)


def _between(wire: Wire) -> bytes:
    comment = _lines(wire, b": still here") if wire.comments else b""
    unknown = (b"event: ping", b'data: {"type": "ping", "usage": "none of yours"}')
    return comment + (_lines(wire, *unknown) if wire.unknown_events else b"")


def _lines(wire: Wire, *lines: bytes) -> bytes:
    end = wire.line_end.encode()
    return end.join(lines) + end + end
