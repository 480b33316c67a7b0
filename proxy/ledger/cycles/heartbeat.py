"""When a lease is to be extended.

The formula is normative where an authority says how much of the lease remains; all inputs
are durations, so that no clock is compared with another. Where it does not say, cadence
follows from what earlier extensions granted. Whole milliseconds; times are monotonic.
Source: cycles-protocol-v0.yaml, extendReservation, HEARTBEAT GUIDANCE.
"""

from dataclasses import dataclass, field
from typing import Final

_LEAST_BUDGET_MS: Final = 1_000
_LONGEST_RETRY_MS: Final = 30_000
_LONGEST_BLIND_MS: Final = 30_000
_SHORTEST_BLIND_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Margins:
    """What one attempt may take, and what is kept besides. Both follow from the slowest answer."""

    attempt_ms: int
    safety_ms: int

    @classmethod
    def of(cls, *, timeout_ms: int, slowest_ms: int) -> "Margins":
        twice = 2 * slowest_ms
        return cls(max(timeout_ms, _LEAST_BUDGET_MS, twice), max(_LEAST_BUDGET_MS, twice))


@dataclass(slots=True)
class Heartbeat:
    """The schedule of one lease. `ttl_ms` is what was asked for, and what each beat adds.

    `due_ms` None: the lease cannot be kept, and why was told by whoever ended it.
    """

    ttl_ms: int
    due_ms: int | None = None
    number: int = 0
    _lead_ms: int = 0
    _heard_ms: int = 0
    _zeros: int = 0
    _expires_ms: int | None = field(default=None)
    _last_window_ms: int | None = field(default=None)

    def succeeded(
        self, *, lead_ms: int | None, expires_ms: int, margins: Margins, now_ms: int
    ) -> bool:
        """A reserve or an extension was answered now; whether the lease can be kept.

        `lead_ms` is what remained when the answer was made, less the time it took to come
        and go: None where the authority does not say. `expires_ms` is of its own clock.
        """
        self.number += 1
        self._last_window_ms = None
        if lead_ms is None:
            self.due_ms = now_ms + self._blind_delay_ms(expires_ms, now_ms)
            self._lead_ms = self.due_ms - now_ms + margins.attempt_ms + margins.safety_ms
            self._heard_ms, self._expires_ms = now_ms, expires_ms
            return True
        self._lead_ms, self._heard_ms, self._expires_ms = lead_ms, now_ms, expires_ms
        delay_ms = max(0, lead_ms - 2 * margins.attempt_ms - margins.safety_ms)
        self._zeros = self._zeros + 1 if delay_ms == 0 else 0
        self.due_ms = now_ms + delay_ms if self._zeros < 2 else None
        return self.due_ms is not None

    def failed(self, *, margins: Margins, now_ms: int) -> bool:
        """An attempt brought no answer; whether it is tried again, with the same key."""
        lead_ms = self._lead_left_ms(now_ms)
        window_ms = lead_ms - margins.attempt_ms - margins.safety_ms
        stuck = self._last_window_ms is not None and window_ms >= self._last_window_ms
        self._last_window_ms = window_ms
        if window_ms < 0 or stuck:
            self.due_ms = None
            return False
        self.due_ms = now_ms + min(_LONGEST_RETRY_MS, lead_ms // 4, window_ms)
        return True

    def throttled(self, retry_after_ms: int | None, *, margins: Margins, now_ms: int) -> bool:
        """The authority asks for a pause; whether the lease outlives it."""
        window_ms = self._lead_left_ms(now_ms) - margins.attempt_ms - margins.safety_ms
        if retry_after_ms is None or retry_after_ms > window_ms:
            self.due_ms = None
            return False
        self._last_window_ms = window_ms
        self.due_ms = now_ms + retry_after_ms
        return True

    def _lead_left_ms(self, now_ms: int) -> int:
        return max(0, self._lead_ms - (now_ms - self._heard_ms))

    def _blind_delay_ms(self, expires_ms: int, now_ms: int) -> int:
        """Half of what the last extension granted; half of the lease where that says nothing."""
        held_ms = min(self.ttl_ms // 2, _LONGEST_BLIND_MS)
        if self._expires_ms is None:
            return held_ms
        granted_ms, elapsed_ms = expires_ms - self._expires_ms, now_ms - self._heard_ms
        follows_us = 3 * elapsed_ms <= 4 * granted_ms <= 5 * elapsed_ms
        if granted_ms <= 0 or (follows_us and 10 * granted_ms < 9 * self.ttl_ms):
            return held_ms
        return min(held_ms, max(_SHORTEST_BLIND_MS, granted_ms // 2))
