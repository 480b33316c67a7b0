"""Compressed answers, decompressed as they arrive, for metering.

One coding at a time: a list such as `gzip, br` is not read, and no server of models is
known to send one. Codings: RFC 9110 section 8.4.1, RFC 7932 (br), RFC 8878 (zstd).
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_PIECE_BYTES: Final = 32 * 2**20
"""What one piece of an answer may expand to: a piece of 64 KiB by a factor of 500."""

_GZIP_START: Final = b"\x1f"


class Undecodable(Exception):
    """The bytes are not what their coding says, or a small piece expands without measure."""


class Decoder(Protocol):
    """Turns the pieces of a compressed answer into plain bytes. Of no use after an error."""

    def feed(self, data: bytes) -> bytes:
        """The plain bytes that this piece completes.

        Raises:
            Undecodable: corrupt, or the piece expands beyond its limit.
        """
        ...

    def finish(self) -> bytes:
        """What is left at the end. An answer that broke off gives what it had."""
        ...


def decoder_for(content_encoding: str, *, max_piece_bytes: int = MAX_PIECE_BYTES) -> Decoder | None:
    """A decoder for the value of a Content-Encoding header, None where there is none.

    None for plain answers (`identity`, or no coding) and for codings that are not in
    SUPPORTED_ENCODINGS, lists among them.
    """
    make = _DECODERS.get(content_encoding.strip().lower())
    return make(max_piece_bytes) if make is not None else None


class _Gzip:
    """Members one after the other (RFC 1952 section 2.2); what follows them is padding."""

    def __init__(self, max_piece_bytes: int) -> None:
        self._max_piece_bytes = max_piece_bytes
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def feed(self, data: bytes) -> bytes:
        plain = b""
        while data:
            if self._member.eof:
                if not data.startswith(_GZIP_START):
                    break
                self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            plain += _inflate(self._member, data, self._max_piece_bytes - len(plain))
            data = self._member.unused_data
        return plain

    def finish(self) -> bytes:
        return b""


class _Deflate:
    """With the zlib header that the standard asks for, or without, as some servers send it."""

    def __init__(self, max_piece_bytes: int) -> None:
        self._max_piece_bytes = max_piece_bytes
        self._head = b""
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bytes:
        if self._stream is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return b""
            has_header = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        return _inflate(self._stream, data, self._max_piece_bytes)

    def finish(self) -> bytes:
        return b""


class _Brotli:
    def __init__(self, max_piece_bytes: int) -> None:
        self._max_piece_bytes = max_piece_bytes
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        if self._stream.is_finished():
            return b""
        plain = b""
        try:
            # Where its input stops in the middle, it gives no more than a block at a time.
            while ready := self._stream.process(data, output_buffer_limit=self._room(plain)):
                plain += ready
                data = b""
                if len(plain) > self._max_piece_bytes:
                    raise _bomb()
        except brotli.error:
            raise _corrupt("br") from None
        return plain

    def _room(self, plain: bytes) -> int:
        return self._max_piece_bytes + 1 - len(plain)

    def finish(self) -> bytes:
        return b""


class _Zstd:
    """Frames one after the other (RFC 8878 section 3.1)."""

    def __init__(self, max_piece_bytes: int) -> None:
        self._max_piece_bytes = max_piece_bytes
        self._frame = zstd.ZstdDecompressor()

    def feed(self, data: bytes) -> bytes:
        plain = b""
        try:
            while data:
                if self._frame.eof:
                    self._frame = zstd.ZstdDecompressor()
                room = self._max_piece_bytes - len(plain)
                plain += self._frame.decompress(data, max_length=room + 1)
                if len(plain) > self._max_piece_bytes:
                    raise _bomb()
                data = self._frame.unused_data if self._frame.eof else b""
        except zstd.ZstdError:
            raise _corrupt("zstd") from None
        return plain

    def finish(self) -> bytes:
        return b""


def _inflate(stream: "zlib._Decompress", data: bytes, room_bytes: int) -> bytes:
    try:
        plain = stream.decompress(data, room_bytes + 1)
    except zlib.error:
        raise _corrupt("deflate") from None
    if len(plain) > room_bytes:
        raise _bomb()
    return plain


def _corrupt(coding: str) -> Undecodable:
    return Undecodable(f"the answer is not valid {coding}")


def _bomb() -> Undecodable:
    return Undecodable("a piece of the answer expands beyond its limit")


_DECODERS: Final[Mapping[str, Callable[[int], Decoder]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}

SUPPORTED_ENCODINGS: Final = frozenset(_DECODERS)
"""The codings that can be metered."""
