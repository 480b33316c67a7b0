"""Sizes of images and lengths of audio, from the few bytes of their base64 that tell.

Nothing is decoded whole. What cannot be read for certain is unknown (None), which is then
priced as the dearest that it could be.

Formats: PNG https://www.w3.org/TR/png-3/ (IHDR), GIF https://www.w3.org/Graphics/GIF/spec-gif89a.txt,
JPEG https://www.w3.org/Graphics/JPEG/itu-t81.pdf (B.2.2), WebP
https://developers.google.com/speed/webp/docs/riff_container, WAVE
https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

import binascii
import re
import struct
from typing import Final

Size = tuple[int, int]
"""Width and height in pixels."""

_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/]")
_MAX_SEGMENTS: Final = 1_000
_MAX_SAMPLE_RATE_HZ: Final = 768_000

_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_WAVE_LINEAR: Final = frozenset({0x0001, 0x0003, 0xFFFE})


def payload_of(data: str) -> str:
    """The base64 of a `data:` URL, or the text itself where it is none."""
    return data.partition(",")[2] if data[:5].lower() == "data:" else data


def payload_bytes(base64: str) -> int:
    """The most bytes that this much base64 can stand for."""
    return len(base64) * 3 // 4


def image_size(url: str) -> Size | None:
    """The size of the image in a base64 `data:` URL; None for an address or another format."""
    head, _, base64 = url.partition(",")
    if not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        return None
    try:
        width, height = _size(_Base64(base64))
    except (ValueError, struct.error):
        return None
    return (width, height) if width > 0 and height > 0 else None


def wav_duration_ms(base64: str) -> int | None:
    """How long linear WAVE audio plays, rounded up; None for anything else."""
    try:
        return _wav_duration_ms(_Base64(base64))
    except (ValueError, struct.error):
        return None


class _Base64:
    """Bytes at an offset of base64 text, as `bytes.fromhex` would not need: on demand.

    Reading is strict, up to the last byte that was read: a space or a foreign character
    anywhere before it would shift what a tolerant decoder sees.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._checked_chars = 0

    @property
    def length(self) -> int:
        return payload_bytes(self._text.rstrip("="))

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes.

        Raises:
            ValueError: there are fewer, or the text up to there is not base64.
        """
        begin = offset // 3 * 4
        end = -(-(offset + count) // 3) * 4
        clean_until = max(min(end, len(self._text)) - 4, self._checked_chars)
        if _NOT_BASE64.search(self._text, self._checked_chars, clean_until):
            raise ValueError("not base64")
        self._checked_chars = clean_until
        decoded = binascii.a2b_base64(self._text[begin:end], strict_mode=True)
        skipped = offset - offset // 3 * 3
        piece = decoded[skipped : skipped + count]
        if len(piece) < count:
            raise ValueError("ends early")
        return piece


def _size(image: _Base64) -> Size:
    head = image.read(0, 12)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        if image.read(12, 4) != b"IHDR":
            raise ValueError("no IHDR")
        width, height = struct.unpack(">II", image.read(16, 8))
        return width, height
    if head.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack("<HH", head[6:10])
        return width, height
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg_size(image)
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return _webp_size(image)
    raise ValueError("another format")


def _jpeg_size(image: _Base64) -> Size:
    """Walks from marker to marker, so that a thumbnail inside a segment is not taken."""
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        fill, marker = image.read(offset, 2)
        if fill != 0xFF:
            raise ValueError("no marker")
        if marker == 0xFF:
            offset += 1
        elif marker in _JPEG_BARE:
            offset += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", image.read(offset + 5, 4))
            return width, height
        else:
            (length,) = struct.unpack(">H", image.read(offset + 2, 2))
            offset += 2 + length
    raise ValueError("no frame")


def _webp_size(image: _Base64) -> Size:
    match image.read(12, 4):
        case b"VP8 ":
            if image.read(23, 3) != b"\x9d\x01\x2a":
                raise ValueError("no key frame")
            width, height = struct.unpack("<HH", image.read(26, 4))
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            signature, bits = struct.unpack("<BI", image.read(20, 5))
            if signature != 0x2F:
                raise ValueError("no lossless frame")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            canvas = image.read(24, 6)
            return (
                int.from_bytes(canvas[:3], "little") + 1,
                int.from_bytes(canvas[3:], "little") + 1,
            )
    raise ValueError("another kind of WebP")


def _wav_duration_ms(audio: _Base64) -> int:
    head = audio.read(0, 12)
    if not (head.startswith(b"RIFF") and head.endswith(b"WAVE")):
        raise ValueError("another format")
    offset = 12
    bytes_per_second = 0
    for _ in range(_MAX_SEGMENTS):
        name, length = struct.unpack("<4sI", audio.read(offset, 8))
        if name == b"fmt ":
            bytes_per_second = _bytes_per_second(audio.read(offset + 8, 16))
        elif name == b"data" and bytes_per_second:
            # The length in the header is the writer's claim (streamed files say 2**32 - 1);
            # all that follows can play.
            played_bytes = audio.length - offset - 8
            return -(-played_bytes * 1000 // bytes_per_second)
        offset += 8 + length + length % 2
    raise ValueError("no samples")


def _bytes_per_second(fmt: bytes) -> int:
    encoding, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", fmt)
    if encoding not in _WAVE_LINEAR or rate_hz > _MAX_SAMPLE_RATE_HZ or channels > 64:
        raise ValueError("not linear samples")
    return int(channels * rate_hz * -(-bits // 8))
