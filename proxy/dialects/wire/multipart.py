"""Forms with files (multipart/form-data), read along on any split of their bytes.

What two readers could take for two different forms is refused: the upstream reads it again.
No file is kept, only its first bytes. Sources: RFC 7578, RFC 2046 section 5.1.1;
https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from proxy.dialects.wire.part_header import PartHeader, read_part_header, refused

MAX_FIELDS_BYTES: Final = 2**20
"""The most that the values of all fields may have together: they are kept."""

MAX_HEADER_BYTES: Final = 8 * 2**10
"""The most that the headers of one part may have."""

MAX_PARTS: Final = 1_024

FILE_BEGIN_BYTES: Final = 4 * 2**10
"""How much of each file is kept: what says how long its audio is."""

_END_OF_HEADER: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Part:
    """One part of a form. Places count bytes from the beginning of the body.

    `kept` is the value of a field, or the beginning of a file. `ends_at` is None while more of
    it may come.
    """

    header: PartHeader
    begins_at: int
    ends_at: int | None = None
    kept: bytearray = field(default_factory=bytearray)

    @property
    def name(self) -> str:
        return self.header.name

    @property
    def is_file(self) -> bool:
        return self.header.filename is not None


class _Reading(Enum):
    START = "start"
    HEADER = "header"
    CONTENT = "content"
    DELIMITED = "delimited"
    """Behind a boundary: either another part begins, or the form ends."""
    END = "end"


class MultipartReader:
    """Takes the bytes of a form in pieces, and finds its parts."""

    def __init__(self, boundary: str) -> None:
        """`boundary` as the Content-Type of the form names it."""
        self.parts: list[Part] = []
        self._delimiter = b"--" + boundary.encode("ascii")
        self._reading = _Reading.START
        self._waiting = bytearray()
        self._read_bytes = 0
        self._fields_bytes = 0

    @property
    def is_over(self) -> bool:
        """Whether the form has come to its end."""
        return self._reading is _Reading.END

    def feed(self, data: bytes) -> None:
        """Take in what came.

        Raises:
            Refused: INVALID_REQUEST, or REQUEST_TOO_LARGE for fields beyond MAX_FIELDS_BYTES.
                It quotes nothing.
        """
        self._waiting += data
        while self._step():
            pass

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            Refused: INVALID_REQUEST, the form has not come to its end.
        """
        if not self.is_over:
            raise refused("ends before its last boundary")

    def _step(self) -> bool:
        """Read on; whether there may be more to read in what is there."""
        match self._reading:
            case _Reading.START:
                return self._begin()
            case _Reading.HEADER:
                return self._read_header()
            case _Reading.CONTENT:
                return self._read_content()
            case _Reading.DELIMITED:
                return self._read_delimited()
            case _Reading.END:
                return self._read_epilogue()

    def _begin(self) -> bool:
        """The first boundary. What may stand before it is for nobody, so nothing may."""
        begin = bytes(self._waiting[: len(self._delimiter)])
        if not self._delimiter.startswith(begin):
            raise refused("does not begin with the boundary that its Content-Type names")
        if len(begin) < len(self._delimiter):
            return False
        self._take(len(begin))
        self._reading = _Reading.DELIMITED
        return True

    def _read_delimited(self) -> bool:
        if len(self._waiting) < 2:
            return False
        match self._take(2):
            case b"\r\n":
                self._reading = _Reading.HEADER
            case b"--":
                self._reading = _Reading.END
            case _:
                raise refused("has a boundary that neither a part nor the end follows")
        return True

    def _read_header(self) -> bool:
        end = self._waiting.find(_END_OF_HEADER, 0, MAX_HEADER_BYTES + len(_END_OF_HEADER))
        if end < 0:
            if len(self._waiting) > MAX_HEADER_BYTES:
                raise refused(f"has a part with more than {MAX_HEADER_BYTES} bytes of headers")
            return False
        if len(self.parts) == MAX_PARTS:
            raise refused(f"has more than {MAX_PARTS} parts")
        header = read_part_header(self._take(end))
        self._take(len(_END_OF_HEADER))
        self.parts.append(Part(header, begins_at=self._read_bytes))
        self._reading = _Reading.CONTENT
        return True

    def _read_content(self) -> bool:
        """What belongs to the part; what may be the begin of a boundary waits.

        A boundary is looked for anywhere, not only on a line of its own: some readers take it
        for one that stands behind a bare line feed.
        """
        line_end = b"\r\n"
        at = self._waiting.find(self._delimiter)
        if at < 0:
            self._keep(len(self._waiting) - len(line_end) - len(self._delimiter) + 1)
            return False
        if not self._waiting.startswith(line_end, max(0, at - len(line_end))) or at < 2:
            raise refused("has its boundary in the middle of a line")
        self._keep(at - len(line_end))
        self.parts[-1].ends_at = self._read_bytes
        self._take(len(line_end) + len(self._delimiter))
        self._reading = _Reading.DELIMITED
        return True

    def _keep(self, size_bytes: int) -> None:
        if size_bytes <= 0:
            return
        part, data = self.parts[-1], self._take(size_bytes)
        if part.is_file:
            part.kept += data[: FILE_BEGIN_BYTES - len(part.kept)]
            return
        self._fields_bytes += size_bytes
        if self._fields_bytes > MAX_FIELDS_BYTES:
            raise refused(f"has more than {MAX_FIELDS_BYTES} bytes in its fields")
        part.kept += data

    def _read_epilogue(self) -> bool:
        """Behind the end there may be the end of the line, and nothing for another reader."""
        if not b"\r\n".startswith(bytes(self._waiting)):
            raise refused("goes on behind its last boundary")
        return False

    def _take(self, size_bytes: int) -> bytes:
        taken = bytes(self._waiting[:size_bytes])
        del self._waiting[:size_bytes]
        self._read_bytes += size_bytes
        return taken
