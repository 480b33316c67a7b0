"""Where one RESP2 message ends, without understanding it: the relay passes on raw bytes."""


def frame_end(data: bytes | bytearray, start: int = 0) -> int | None:
    """The end of the message that begins at `start`; None while it is not whole."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, position = data[start : start + 1], line_end + 2
    if kind not in b"$*":
        return position
    count = int(data[start + 1 : line_end])
    if kind == b"$":
        end = position + max(count + 2, 0) if count >= 0 else position
        return end if len(data) >= end else None
    for _ in range(count):
        following = frame_end(data, position)
        if following is None:
            return None
        position = following
    return position


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete."""
        self._buffer += data
        messages = []
        while self._buffer and (end := frame_end(self._buffer)) is not None:
            messages.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
        return messages
