"""Content encodings, event by event: what went in can be read as soon as it came out.

Source: RFC 9110 section 8.4; RFC 1950-1952 (deflate, gzip), RFC 7932 (br), RFC 8878 (zstd).
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import brotli  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# In the order a server with a choice would take them.
OFFERED = ("br", "zstd", "gzip", "deflate")


class Compressor(Protocol):
    """Bytes in, bytes out; nothing is held back between events."""

    def compress(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Plain:
    """No compression."""

    def compress(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.compressobj(wbits=window_bits)

    def compress(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=4)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data) + self._stream.flush())

    def finish(self) -> bytes:
        return bytes(self._stream.finish())


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor()

    def compress(self, data: bytes) -> bytes:
        return self._stream.compress(data, mode=zstd.ZstdCompressor.FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._stream.flush()


def compressor(name: str) -> Compressor:
    """A compressor by the name a Wire gives it. Raises KeyError: there is no such name."""
    makers: Mapping[str, Callable[[], Compressor]] = {
        "identity": Plain,
        "gzip": lambda: _Zlib(31),
        "deflate": lambda: _Zlib(15),
        "raw_deflate": lambda: _Zlib(-15),
        "br": _Brotli,
        "zstd": _Zstd,
    }
    return makers[name]()


def content_encoding(name: str) -> str | None:
    """The header for a compressor. `deflate` without its wrapper has the same name as with it."""
    return None if name == "identity" else name.removeprefix("raw_")


def negotiate(accept_encoding: str) -> str:
    """The compression a client would like best; `identity` where it names none we offer."""
    weights = dict(_weight(part) for part in accept_encoding.lower().split(",") if part.strip())
    wanted = [name for name in OFFERED if weights.get(name, 0.0) > 0]
    return max(wanted, key=lambda name: weights[name], default="identity")


def _weight(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    try:
        return name.strip(), float(parameter.partition("=")[2] or 1)
    except ValueError:
        return name.strip(), 0.0
