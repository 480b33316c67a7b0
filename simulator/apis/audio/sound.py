"""The bytes of sound: silence, as long as was generated.

Formats: https://developers.openai.com/api/docs/guides/text-to-speech#supported-output-formats
(24 kHz, 16 bits, one channel). A token is 50 ms of sound that comes out and 100 ms of sound
that goes in: https://developers.openai.com/api/docs/guides/realtime-costs
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

TOKENS_PER_SECOND_OUT: Final = 20
TOKENS_PER_SECOND_IN: Final = 10

_BYTES_PER_SECOND: Final = 48_000

# MPEG-2 layer III, 64 kbit/s at 24 kHz, mono: 576 samples in 192 bytes.
_MP3_FRAME: Final = b"\xff\xf3\x84\xc4" + bytes(188)
_MP3_FRAMES_PER_SECOND: Final = Fraction(24_000, 576)

TYPES: Final = {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"}


def sound(form: str, tokens: int) -> Iterator[bytes]:
    """As much sound as so many tokens are, a second at a time."""
    seconds = Fraction(tokens, TOKENS_PER_SECOND_OUT)
    if form == "wav":
        # Its length is not known when it begins.
        yield struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16, 1, 1, 24_000, _BYTES_PER_SECOND, 2, 16),
            *(b"data", 0xFFFFFFFF),
        )
    while seconds > 0:
        now = min(seconds, Fraction(1))
        seconds -= now
        if form == "mp3":
            yield _MP3_FRAME * int(_MP3_FRAMES_PER_SECOND * now)
        else:
            yield bytes(int(_BYTES_PER_SECOND * now) // 2 * 2)
