"""An answer that is sound: relayed as it comes, and its length told from its bytes.

What it is billed stands nowhere in it.
"""

from typing import ClassVar, Final

from proxy.dialects.answer import Answer, DeliveredTexts
from proxy.dialects.closing import Counted
from proxy.dialects.speech.playing import PLAYING, Playing
from proxy.dialects.stream import Relayed

TOKENS_PER_SECOND: Final = 21
"""Of sound that comes out: published is one for 50 ms, a page of English was measured at 20.1.

Sources: https://developers.openai.com/api/docs/guides/realtime-costs;
https://github.com/sanand0/blog (openai-tts-cost)
"""


def sound_of(media_type: str) -> Relayed | None:
    """The reader of an answer of this type; None where it is no sound."""
    kind = media_type.partition(";")[0].strip().lower()
    is_sound = kind.startswith("audio/") or kind == "application/octet-stream"
    return Sound(PLAYING[kind]() if kind in PLAYING else None) if is_sound else None


class Sound:
    """A `Relayed` answer. `playing` is None for a format of which the length cannot be told."""

    rewrites: ClassVar = False
    tells_its_end: ClassVar = False
    is_told_complete: ClassVar = False

    def __init__(self, playing: Playing | None) -> None:
        self._playing = playing

    @property
    def answer(self) -> Answer:
        return Answer(None, None, None, None, True, self._delivered)

    def feed(self, chunk: bytes) -> bytes:
        if self._playing is not None:
            self._playing.feed(chunk)
        return chunk

    def finish(self) -> bytes:
        return b""

    def stop(self) -> None:
        """What came, came."""

    def closing_events(self, counted: Counted) -> bytes:
        return b""

    def _delivered(self) -> DeliveredTexts:
        delivered = DeliveredTexts()
        played_ms = self._playing.played_ms if self._playing is not None else None
        if played_ms is None:
            delivered.is_partial = True
        else:
            delivered.sound_tokens = -(-played_ms * TOKENS_PER_SECOND // 1_000)
        return delivered
