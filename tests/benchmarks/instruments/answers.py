"""Reads HTTP/1.1 answers off a connection, at any split of the bytes. No I/O."""

_HEAD_END = b"\r\n\r\n"


class AnswerReader:
    """One answer at a time: feed it until `done`, then `reset`.

    Bodies come with a Content-Length or chunked; nothing else is on this course.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Be ready for the next answer."""
        self.status = 0
        self.done = False
        self._pending = b""
        self._in_body = False
        self._chunked = False
        self._left_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The body bytes that this piece completes: whole chunks of a chunked body.

        Raises:
            ValueError: not an answer of this course, or bytes after its end.
        """
        if self.done:
            raise ValueError("bytes after the end of the answer")
        if self._pending:
            data = self._pending + data
            self._pending = b""
        if not self._in_body:
            head, end, data = data.partition(_HEAD_END)
            if not end:
                self._pending = head
                return b""
            self._read_head(head)
        return self._read_chunks(data) if self._chunked else self._read_plain(data)

    def _read_head(self, head: bytes) -> None:
        self.status = int(head[9:12])
        headers = head.lower() + b"\r\n"
        self._in_body = True
        self._chunked = b"\r\ntransfer-encoding: chunked\r\n" in headers
        if not self._chunked:
            at = headers.find(b"\r\ncontent-length:")
            if at < 0:
                raise ValueError("an answer without a length")
            self._left_bytes = int(headers[at + 17 : headers.index(b"\r\n", at + 17)])
            self.done = self._left_bytes == 0

    def _read_plain(self, data: bytes) -> bytes:
        if len(data) > self._left_bytes:
            raise ValueError("a body longer than its length")
        self._left_bytes -= len(data)
        self.done = self._left_bytes == 0
        return data

    def _read_chunks(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        at = 0
        while (line_end := data.find(b"\r\n", at)) >= 0:
            size_bytes = int(data[at:line_end], 16)
            end = line_end + 2 + size_bytes
            if len(data) < end + 2:
                break
            if size_bytes == 0:
                if len(data) > end + 2:
                    raise ValueError("bytes after the last chunk")
                self.done = True
                return b"".join(pieces)
            pieces.append(data[line_end + 2 : end])
            at = end + 2
        self._pending = data[at:]
        return b"".join(pieces)
