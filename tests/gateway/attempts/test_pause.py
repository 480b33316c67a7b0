"""Waiting between attempts, in virtual time."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.gateway.attempts.pause import pause
from tests.simulation.rig.virtual import VirtualLoop, VirtualTime


class Caller:
    """A door whose caller leaves after a while, or stays."""

    def __init__(self, leaves_s: float | None) -> None:
        self.gone = leaves_s == 0
        self._react: Callable[[], None] = lambda: None
        if leaves_s:
            asyncio.get_running_loop().call_later(leaves_s, self._leave)

    def when_gone(self, react: Callable[[], None]) -> None:
        self._react = react
        if self.gone:
            react()

    def _leave(self) -> None:
        self.gone = True
        self._react()


@pytest.mark.parametrize(
    ("duration_ms", "leaves_s", "stays", "took_s"),
    [
        (2_000, None, True, 2.0),
        (2_000, 5.0, True, 2.0),
        (2_000, 0.5, False, 0.5),
        (2_000, 0.0, False, 0.0),
        (0, None, True, 0.0),
        (0, 0.0, False, 0.0),
    ],
)
def test_a_pause_lasts_as_long_as_it_is_told_or_as_its_caller_stays(
    duration_ms: int, leaves_s: float | None, stays: bool, took_s: float
) -> None:
    time = VirtualTime()
    loop = VirtualLoop(time)

    async def wait() -> bool:
        return await pause(duration_ms, Caller(leaves_s))  # type: ignore[arg-type]

    try:
        assert loop.run_until_complete(wait()) is stays
        assert time.elapsed_s == took_s
    finally:
        loop.dispose()
