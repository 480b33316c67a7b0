"""How long a file of sound can play, from its first bytes and its size.

WAVE and FLAC tell it. Of every other format there is the lowest bit rate that its encoders
write, below which no speech is left. Sources: MP3 8 kbit/s, ISO/IEC 13818-3 (bit rates of layer
III); Opus 6 kbit/s, RFC 6716 section 2; AAC 8 kbit/s, ISO/IEC 14496-3 (HE-AAC v2 as encoders
offer it); WAVE https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html; FLAC
RFC 9639 section 8.2.
"""

import struct
from typing import Final, NamedTuple

from proxy.dialects.wire.form import FormFile

_OPUS_BYTES_PER_SECOND: Final = 750
_MP3_BYTES_PER_SECOND: Final = 1_000

_LINEAR: Final = frozenset({0x0001, 0x0003, 0xFFFE})
_STREAMINFO: Final = 0
_STREAMINFO_ENDS_AT: Final = 26
_TAGS_BYTES_MAX: Final = 2**20
_RATE_HZ_MAX: Final = 768_000
_SLACK_MS: Final = 100
"""What may stand behind the samples: the end of the form, a few tags."""


class Length(NamedTuple):
    """Whole seconds, rounded up as they are billed.

    `billed_s` is the most that it can be; `told_s` what the file says, None where it does not,
    or says something else than its size.
    """

    billed_s: int
    told_s: int | None = None


def length_of(file: FormFile) -> Length:
    """How long a file can play."""
    begin = file.begin
    try:
        if begin.startswith(b"RIFF") and begin[8:12] == b"WAVE":
            return _wave_length(begin, file.max_bytes)
        if begin.startswith(b"fLaC"):
            return _flac_length(begin, file.max_bytes)
    except struct.error:
        pass
    is_mp3 = begin.startswith(b"ID3") or (len(begin) > 1 and begin[0] == 0xFF and begin[1] >= 0xE0)
    is_mp4 = begin[4:8] == b"ftyp"
    rate = _MP3_BYTES_PER_SECOND if is_mp3 or is_mp4 else _OPUS_BYTES_PER_SECOND
    return Length(_seconds(file.max_bytes, rate))


def _wave_length(begin: bytes, max_bytes: int) -> Length:
    """By all bytes behind the head of the samples: what the head says may be anything."""
    place, bytes_per_second = 12, 0
    while place + 8 <= len(begin):
        name, size = struct.unpack_from("<4sI", begin, place)
        if name == b"fmt ":
            bytes_per_second = _bytes_per_second(begin, place + 8)
        elif name == b"data" and bytes_per_second:
            left_bytes = max(0, max_bytes - place - 8)
            slack_bytes = bytes_per_second * _SLACK_MS // 1_000
            is_told = 0 <= left_bytes - size <= slack_bytes
            told_s = _seconds(size, bytes_per_second) if is_told else None
            return Length(_seconds(left_bytes, bytes_per_second), told_s)
        place += 8 + size + size % 2
    return Length(_seconds(max_bytes, bytes_per_second or _OPUS_BYTES_PER_SECOND))


def _bytes_per_second(begin: bytes, place: int) -> int:
    """Of linear samples; 0 of those that are compressed."""
    coding, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", begin, place)
    if coding not in _LINEAR or not 0 < rate_hz <= _RATE_HZ_MAX or not 0 < channels <= 64:
        return 0
    return int(channels * rate_hz * max(1, -(-bits // 8)))


def _flac_length(begin: bytes, max_bytes: int) -> Length:
    """By the samples that the file says it has: silence takes next to no bytes.

    0 is no number of them, and a file that is larger than so many are has others.
    """
    if len(begin) >= _STREAMINFO_ENDS_AT and begin[4] & 0x7F == _STREAMINFO:
        packed = int.from_bytes(begin[18:26], "big")
        rate_hz, samples = packed >> 44, packed & (1 << 36) - 1
        channels, bits = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
        if rate_hz and samples and samples * channels * bits // 8 + _TAGS_BYTES_MAX >= max_bytes:
            return Length(-(-samples // rate_hz))
    return Length(_seconds(max_bytes, _OPUS_BYTES_PER_SECOND))


def _seconds(size_bytes: int, bytes_per_second: int) -> int:
    return -(-size_bytes // bytes_per_second)
