"""How soon a call that found its budget busy should ask again."""

from collections import deque
from typing import Final

_REMEMBERED: Final = 50
_AFTER_MAX_MS: Final = 5_000
_UNKNOWN_MS: Final = 1_000


class Pace:
    """How long holds stay open here. In memory: a new process learns it anew."""

    def __init__(self) -> None:
        self._open_ms: deque[int] = deque(maxlen=_REMEMBERED)

    def settled_after(self, open_ms: int) -> None:
        """A hold was open for so long."""
        self._open_ms.append(open_ms)

    def retry_after_ms(self) -> int:
        """The mean of the last 50, at most 5 s and at least a millisecond."""
        if not self._open_ms:
            return _UNKNOWN_MS
        mean_ms = sum(self._open_ms) // len(self._open_ms)
        return min(_AFTER_MAX_MS, max(1, mean_ms))
