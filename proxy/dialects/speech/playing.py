"""How long sound plays, from its bytes as they pass. Only heads of frames are looked at.

Formats: MPEG audio layer III http://www.mp3-tech.org/programmer/frame_header.html (ISO/IEC
11172-3 and 13818-3), AAC in ADTS https://wiki.multimedia.cx/index.php/ADTS (ISO/IEC 13818-7),
Ogg RFC 3533, Opus in it RFC 7845; raw samples as the API describes them, 24 kHz of 16 bits:
https://platform.openai.com/docs/guides/text-to-speech#supported-output-formats
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Final, Protocol

_PCM_BYTES_PER_SECOND: Final = 48_000
_WAVE_HEAD_BYTES: Final = 44

_KBITS_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ: Final = (44_100, 48_000, 32_000)
_AAC_RATES_HZ: Final = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
_OPUS_HZ: Final = 48_000
_OGG_HEAD_BYTES: Final = 27


class Playing(Protocol):
    """Sound in one format."""

    @property
    def played_ms(self) -> int | None:
        """How long it plays so far, rounded up; None when it cannot be told."""
        ...

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        ...


class Samples:
    """Samples as they stand."""

    def __init__(self) -> None:
        self._size_bytes = 0
        self._bytes_per_second = _PCM_BYTES_PER_SECOND

    @property
    def played_ms(self) -> int | None:
        return -(-self._size_bytes * 1_000 // self._bytes_per_second)

    def feed(self, data: bytes) -> None:
        self._size_bytes += len(data)


class Wave(Samples):
    """Samples behind a head of WAVE, whose own few bytes are counted with them."""

    def __init__(self) -> None:
        super().__init__()
        self._head = bytearray()

    @property
    def played_ms(self) -> int | None:
        is_known = self._head.startswith(b"RIFF") and self._head[8:16] == b"WAVEfmt "
        return super().played_ms if is_known or not self._head else None

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if len(self._head) < _WAVE_HEAD_BYTES:
            self._head += data[: _WAVE_HEAD_BYTES - len(self._head)]
            if len(self._head) == _WAVE_HEAD_BYTES:
                (told,) = struct.unpack_from("<I", self._head, 28)
                self._bytes_per_second = told or _PCM_BYTES_PER_SECOND


class Frames(ABC):
    """Frames, of which each says how long it is and how many samples it has."""

    HEAD_BYTES: int

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._skip_bytes = 0
        self._played_us = 0
        self._is_lost = False

    @property
    def played_ms(self) -> int | None:
        return None if self._is_lost else -(-self._played_us // 1_000)

    def feed(self, data: bytes) -> None:
        if self._is_lost:
            return
        if self._skip_bytes >= len(data):
            self._skip_bytes -= len(data)
            return
        self._waiting += data[self._skip_bytes :]
        self._skip_bytes = 0
        place = 0
        while len(self._waiting) - place >= self.HEAD_BYTES:
            read = self._read(self._waiting, place)
            if read is None:
                self._is_lost = True
                self._waiting.clear()
                return
            length, played_us = read
            if not length:
                break
            self._played_us += played_us
            place += length
        self._skip_bytes = max(0, place - len(self._waiting))
        del self._waiting[:place]

    @abstractmethod
    def _read(self, data: bytearray, place: int) -> tuple[int, int] | None:
        """Bytes and microseconds of the frame there; None for no frame, (0, 0) for half a head."""


class Mpeg(Frames):
    """MP3. The tags before and behind it play nothing."""

    HEAD_BYTES = 10

    def _read(self, data: bytearray, place: int) -> tuple[int, int] | None:
        if data.startswith(b"ID3", place):
            high, mid, low, last = data[place + 6 : place + 10]
            return 10 + (high << 21 | mid << 14 | low << 7 | last), 0
        if data.startswith(b"TAG", place):
            return 128, 0
        (head,) = struct.unpack_from(">I", data, place)
        version, layer = head >> 19 & 3, head >> 17 & 3
        kbits, rate = head >> 12 & 15, head >> 10 & 3
        if head >> 21 != 0x7FF or version == 1 or layer != 1 or kbits in (0, 15) or rate == 3:
            return None
        is_first = version == 3
        rate_hz = _RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
        bits_per_second = (_KBITS_1 if is_first else _KBITS_2)[kbits] * 1_000
        samples = 1_152 if is_first else 576
        length = samples // 8 * bits_per_second // rate_hz + (head >> 9 & 1)
        return length, -(-samples * 1_000_000 // rate_hz)


class Aac(Frames):
    """AAC in ADTS: each frame has up to four blocks of 1,024 samples."""

    HEAD_BYTES = 7

    def _read(self, data: bytearray, place: int) -> tuple[int, int] | None:
        head = int.from_bytes(data[place : place + 7], "big")
        rate, length, blocks = head >> 34 & 15, head >> 13 & 0x1FFF, (head & 3) + 1
        if head >> 44 != 0xFFF or rate >= len(_AAC_RATES_HZ) or length < self.HEAD_BYTES:
            return None
        return length, -(-blocks * 1_024 * 1_000_000 // _AAC_RATES_HZ[rate])


class Ogg(Frames):
    """Opus in Ogg: each page says where it ends, in samples since the beginning."""

    HEAD_BYTES = _OGG_HEAD_BYTES

    def _read(self, data: bytearray, place: int) -> tuple[int, int] | None:
        if not data.startswith(b"OggS\0", place):
            return None
        (position,) = struct.unpack_from("<q", data, place + 6)
        segments = data[place + 26]
        sizes = data[place + _OGG_HEAD_BYTES : place + _OGG_HEAD_BYTES + segments]
        if len(sizes) < segments:
            return 0, 0
        ends_at_us = -(-position * 1_000_000 // _OPUS_HZ) if position > 0 else 0
        return _OGG_HEAD_BYTES + segments + sum(sizes), max(0, ends_at_us - self._played_us)


PLAYING: Final[Mapping[str, Callable[[], Playing]]] = {
    "audio/pcm": Samples,
    "audio/l16": Samples,
    "audio/wav": Wave,
    "audio/x-wav": Wave,
    "audio/wave": Wave,
    "audio/mpeg": Mpeg,
    "audio/mp3": Mpeg,
    "audio/aac": Aac,
    "audio/ogg": Ogg,
    "audio/opus": Ogg,
}
"""By the type of the answer."""
