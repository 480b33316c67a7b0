"""When the hold of a stream has to grow, and when the stream has to end. No input or output.

What has come is bounded without looking at it: tokens that were counted, and of the text since
then every byte, for no token has less than one. Beside that there is always room in the hold
for `lookahead_tokens`: what the upstream generates until it hears that we have stopped.

    PASS   go on
    COUNT  the bound is near the hold: the text may have far fewer tokens than bytes
    GROW   it has not: ask for `wanted_tokens` more, at most once in GROW_PAUSE_MS, and so early
           that there is time for another question: an upstream does not wait while we do
    WAIT   more came than is held for, and it is too early to ask again
    CUT    more came than is held for, and the last answer was no: nobody waits for another one,
           since the upstream would not

Source: docs/semantics.md, "A stream that outgrows its hold"; field-report 22, 44.
"""

from enum import Enum, auto
from typing import Final

GROW_PAUSE_MS: Final = 250
"""The least time between two questions to the ledger, and between two counts of a stream that
is within its hold."""

LEAST_TOKENS: Final = 32
"""The smallest growth that is worth a question."""


class Step(Enum):
    """What is to be done before the stream goes on."""

    PASS = auto()
    COUNT = auto()
    GROW = auto()
    WAIT = auto()
    CUT = auto()


class Growth:
    """The hold of one stream, in output tokens of all its answers together.

    held_tokens: what the hold pays for, limit_tokens: the most that can come.
    """

    def __init__(
        self, *, held_tokens: int, limit_tokens: int, lookahead_tokens: int, started_ms: int
    ) -> None:
        self.held_tokens = held_tokens
        self._limit_tokens = limit_tokens
        self._lookahead_tokens = lookahead_tokens
        self._started_ms = started_ms
        self._pause_tokens = 0
        self._counted_tokens = 0
        self._uncounted_bytes = 0
        self._count_at_ms = 0
        self._grow_at_ms = 0
        self._is_refused = False
        self._affordable_tokens: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether what came may be more than is held for: none of it may go on."""
        return not self._is_full and self._needed_tokens > self.held_tokens

    @property
    def wanted_tokens(self) -> int:
        """How much more to ask for: what doubles the hold and lasts for two pauses, or what a
        refusal leaves hope for."""
        wanted_tokens = self._affordable_tokens
        if wanted_tokens is None:
            wanted_tokens = max(self.held_tokens, 2 * self._pause_tokens)
        return min(self._limit_tokens - self.held_tokens, max(LEAST_TOKENS, wanted_tokens))

    def arrived(self, text_bytes: int) -> None:
        """So much text came."""
        self._uncounted_bytes += text_bytes

    def counted(self, tokens: int, *, text_bytes: int, now_ms: int) -> None:
        """So many tokens came by now; `text_bytes` came since the counting began."""
        self._counted_tokens = tokens
        elapsed_ms = max(GROW_PAUSE_MS, now_ms - self._started_ms)
        self._pause_tokens = GROW_PAUSE_MS * tokens // elapsed_ms
        self._uncounted_bytes = text_bytes
        self._count_at_ms = now_ms + GROW_PAUSE_MS

    def grown(self, by_tokens: int, *, now_ms: int) -> None:
        """The hold is larger."""
        self.held_tokens += by_tokens
        self._affordable_tokens = None
        self._is_refused = False
        self._grow_at_ms = now_ms + GROW_PAUSE_MS

    def refused(self, *, left_tokens: int, now_ms: int) -> None:
        """The hold cannot be larger by what was wanted; at most `left_tokens` might be had."""
        self._is_refused = True
        self._affordable_tokens = min(self.wanted_tokens // 2, left_tokens)
        self._grow_at_ms = now_ms + GROW_PAUSE_MS

    def unanswered(self, *, now_ms: int) -> None:
        """Nobody can say whether the hold is larger. What is over the hold does not wait."""
        self._is_refused = True
        self._grow_at_ms = now_ms + GROW_PAUSE_MS

    def lifted(self) -> None:
        """The stream goes on, whatever is held for it."""
        self.held_tokens = self._limit_tokens

    def next_step(self, now_ms: int) -> Step:
        """What to do now. `now_ms` never steps back."""
        if self._is_full or not self._is_near:
            return Step.PASS
        if self._uncounted_bytes and (self.is_over or not self._is_low):
            is_due = self.is_over or now_ms >= self._count_at_ms
            return Step.COUNT if is_due else Step.PASS
        if self.is_over and self._is_refused:
            return Step.CUT
        if now_ms >= self._grow_at_ms:
            return Step.GROW
        return Step.WAIT if self.is_over else Step.PASS

    def pause_ms(self, now_ms: int) -> int:
        """How long to WAIT."""
        return max(0, self._grow_at_ms - now_ms)

    @property
    def _needed_tokens(self) -> int:
        return self._counted_tokens + self._uncounted_bytes + self._lookahead_tokens

    @property
    def _margin_tokens(self) -> int:
        """How near is near: what comes, at the pace so far, until there can be two answers."""
        ahead = min(2 * self._pause_tokens, self.held_tokens // 2)
        return max(self._lookahead_tokens, ahead)

    @property
    def _is_near(self) -> bool:
        return self._needed_tokens + self._margin_tokens > self.held_tokens

    @property
    def _is_low(self) -> bool:
        """Whether no count could say that the hold is large enough for now."""
        needed = self._counted_tokens + self._lookahead_tokens
        return needed + self._margin_tokens > self.held_tokens

    @property
    def _is_full(self) -> bool:
        return self.held_tokens >= self._limit_tokens
