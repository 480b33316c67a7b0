"""What came of an answer, and what becomes of one that nobody hears any more."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from proxy.dialects.answer import Answer
from proxy.gateway.ending import Ending, Outcome


class Metered(msgspec.Struct, frozen=True):
    """What came of a call: how it ended, what was read on the way, and the body if whole."""

    ending: Ending
    answer: Answer | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Disconnects:
    """What becomes of an answer that nobody hears any more.

    `drain_microcents` is the most a stream may cost while it is read on; None sets no
    limit but `drain_ms`.
    """

    on_disconnect: Literal["abort", "drain"]
    drain_ms: int
    drain_microcents: int | None

    def patience_ms(self, *, streamed: bool) -> int:
        """How long to wait for a status after the caller has gone."""
        return 0 if streamed and self.on_disconnect == "abort" else self.drain_ms


def outcome_of(status: int, *, is_broken: bool) -> Outcome:
    """How an answer ended that had a status."""
    if 300 <= status < 500:
        return Outcome.REFUSED
    if is_broken:
        return Outcome.BROKEN
    return Outcome.FAILED if status >= 500 else Outcome.COMPLETE
