"""Server-sent events, split as they arrive.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from typing import Final

MAX_EVENT_BYTES: Final = 48 * 2**20
"""The longest event that is kept to be read: the last one of some APIs is the whole answer, and
that may be an image. No image of 3840 x 2160 pixels is longer, in base64 and not compressed."""

# The end of one line and the whole end of the next. CR LF is one line end, never two. Where a
# piece ends between its halves, the LF begins the next event: an empty line means nothing there.
_EVENT_END: Final = re.compile(rb"\n(?>\r\n|\r|\n)|\r(?>\r\n|\r)")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventSplitter:
    """Finds the ends of events in a stream of bytes, whatever pieces it comes in."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pending = bytearray()
        self._is_oversized = False

    def feed(self, chunk: bytes) -> list[tuple[bytes | None, int]]:
        """The events that end in this chunk, each with the offset in it where it ends.

        An event keeps all its bytes, the empty line at its end too. One that came in pieces
        and grew beyond the limit is None.
        """
        known = len(self._pending)
        if known:
            self._pending += chunk
        data = self._pending if known else chunk
        events: list[tuple[bytes | None, int]] = []
        begin = 0
        # An end that is new has at most its first byte among those that were known.
        for match in _EVENT_END.finditer(data, max(0, known - 1)):
            event = None if self._is_oversized else bytes(data[begin : match.end()])
            self._is_oversized = False
            begin = match.end()
            events.append((event, begin - known))
        if known:
            del self._pending[:begin]
        elif begin < len(chunk):
            self._pending += chunk[begin:]
        if len(self._pending) > self._max_event_bytes:
            self._is_oversized = True
            del self._pending[:-1]
        return events

    def finish(self) -> bytes | None:
        """The event that the stream broke off in, empty for none, None for an oversized one."""
        rest = None if self._is_oversized else bytes(self._pending)
        self._pending.clear()
        return rest


def data_of(event: bytes) -> bytes:
    """The data of an event, its lines joined by LF; empty for a comment."""
    data = []
    for line in event.removeprefix(_BYTE_ORDER_MARK).splitlines():
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
    return b"\n".join(data)
