"""A call or an answer on its way to bytes: each change is made to the part it belongs to."""

import gzip
import json
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Literal

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}

Framing = Literal["length", "chunked", "none"]
End = Literal["stay", "shut", "reset"]


@dataclass
class Message:
    """A message that is still to be written down.

    value: the JSON of its body, where it has one; of a stream the list of its events, each a
        name (or none) and the JSON of its data, or text.
    raw: text that stands for a JSON string of this name: what no value becomes.
    body: what is sent in its place.
    framing: how the head says where the body ends. chunk_bytes: how large its chunks are.
    cuts: the places in thousandths at which the bytes are divided into pieces.
    pause_ms: between two pieces. end: what the sender does after the last.
    """

    first_line: str
    headers: list[tuple[str, str]]
    value: Any = None
    events: list[tuple[str | None, Any]] | None = None
    raw: dict[str, bytes] = field(default_factory=dict)
    line_end: bytes = b"\n"
    body: bytes = b""
    coding: str | None = None
    framing: Framing = "length"
    chunk_bytes: int = 1024
    wire: bytes = b""
    cuts: list[int] = field(default_factory=list)
    pause_ms: int = 1
    end: End = "stay"

    def write_body(self) -> None:
        """Make bytes of the JSON or the events."""
        if self.events is not None:
            self.body = b"".join(self._event(*each) for each in self.events)
        elif self.value is not None:
            self.body = encoded(self.value)
        for name, text in self.raw.items():
            self.body = self.body.replace(b'"%s"' % name.encode(), text)

    def put_raw(self, text: bytes) -> str:
        """The string that stands for this text."""
        name = f"raw-{len(self.raw)}"
        self.raw[name] = text
        return name

    def code_body(self) -> None:
        """Compress it."""
        if self.coding is not None:
            self.body = CODERS[self.coding](self.body)
            self.headers.append(("Content-Encoding", self.coding))

    def write_wire(self) -> None:
        """Make one run of bytes of head and body."""
        body = self.body
        if self.framing == "length":
            self.headers.append(("Content-Length", str(len(body))))
        elif self.framing == "chunked":
            self.headers.append(("Transfer-Encoding", "chunked"))
            body = chunked(body, self.chunk_bytes)
        lines = [self.first_line, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        self.wire = "\r\n".join(lines).encode("utf-8", "surrogatepass") + body

    def pieces(self) -> list[bytes]:
        """The bytes as they come, one piece after the other."""
        places = sorted({0, len(self.wire), *(len(self.wire) * cut // 1000 for cut in self.cuts)})
        return [self.wire[start:stop] for start, stop in pairwise(places)]

    def _event(self, name: str | None, data: Any) -> bytes:
        text = data.encode() if isinstance(data, str) else encoded(data)
        named = b"event: " + name.encode() + self.line_end if name is not None else b""
        return named + b"data: " + text + self.line_end * 2


def encoded(value: Any) -> bytes:
    """JSON, and what Python's own takes for it."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def chunked(body: bytes, chunk_bytes: int) -> bytes:
    """The body in chunks, with the last one."""
    pieces = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
