"""The operations one after the other, each at a moment of the ledger's clock."""

from collections.abc import Callable
from typing import TypeVar

from tests.ledger.model.questions import Questions

_T = TypeVar("_T")

_LEAP_MS = 3_600_000


class Model(Questions):
    """What any home answers. Ask through `atomic`, after a `tick`."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__()
        self._clock = clock

    def tick(self) -> int:
        """What the clock does before any operation; how far it has leaped, in milliseconds."""
        wall_ms = self._clock()
        step_ms = wall_ms - self.now_ms if self.now_ms else 0
        self.now_ms = max(self.now_ms, wall_ms)
        if step_ms <= _LEAP_MS:
            return 0
        self.renew_leases()
        return step_ms

    def read(self, question: Callable[[], _T]) -> _T:
        """Answer without leaving a trace, not even of the time."""

        def now() -> _T:
            self.now_ms = max(self.now_ms, self._clock())
            return question()

        return self.look(now)
