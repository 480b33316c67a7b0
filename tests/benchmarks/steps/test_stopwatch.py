import asyncio

import pytest

from tests.benchmarks.instruments import exchange
from tests.benchmarks.steps.stopwatch import WATCH, Stopwatch, Total


class Hands:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now_ns = 0

    def read(self) -> int:
        return self.now_ns

    def move(self, by_ns: int) -> None:
        self.now_ns += by_ns


def of(watch: Stopwatch) -> dict[str, Total]:
    return {step: total for step, total in watch.totals.items() if step != WATCH}


def test_a_step_is_charged_with_its_own_time_alone() -> None:
    hands = Hands()
    watch = Stopwatch(hands.read)
    inner = watch.timed("inner", lambda: hands.move(5))

    def work() -> str:
        hands.move(100)
        inner()
        inner()
        hands.move(1)
        return "done"

    outer = watch.timed("outer", work)
    assert outer() == "done"
    assert of(watch) == {"inner": Total(2, 10), "outer": Total(1, 101)}


def test_a_step_that_fails_is_charged_too() -> None:
    hands = Hands()
    watch = Stopwatch(hands.read)

    def fail() -> None:
        hands.move(7)
        raise ValueError

    inner = watch.timed("inner", fail)
    outer = watch.timed("outer", lambda: inner())
    with pytest.raises(ValueError):  # noqa: PT011
        outer()
    assert of(watch) == {"inner": Total(1, 7), "outer": Total(1, 0)}


async def test_a_step_that_waits_is_charged_for_its_own_turns_alone() -> None:
    hands = Hands()
    watch = Stopwatch(hands.read)

    async def inside() -> str:
        hands.move(5)
        await asyncio.sleep(0)
        hands.move(6)
        return "done"

    inner = watch.timed("inner", inside)

    async def outside() -> None:
        hands.move(100)
        assert await inner() == "done"
        hands.move(1)

    outer = watch.timed("outer", outside)
    await asyncio.gather(outer(), outer(), outer())
    assert of(watch) == {"inner": Total(3, 33), "outer": Total(3, 303)}


async def test_a_step_that_is_cancelled_hears_of_it() -> None:
    hands = Hands()
    watch = Stopwatch(hands.read)
    forever = asyncio.Event()

    async def wait() -> None:
        hands.move(5)
        try:
            await forever.wait()
        finally:
            hands.move(7)

    task = asyncio.get_running_loop().create_task(watch.timed("step", wait)())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert of(watch) == {"step": Total(1, 12)}


def test_reading_the_watch_is_charged_to_the_watch() -> None:
    """However dear the clock is, nothing of it may stick to a step."""
    hands = Hands()

    def read_slowly() -> int:
        hands.move(3)
        return hands.read()

    watch = Stopwatch(read_slowly)
    inner = watch.timed("inner", lambda: hands.move(5))

    def work() -> None:
        hands.move(10)
        inner()
        inner()

    began_ns = read_slowly()
    watch.timed("outer", work)()
    elapsed_ns = hands.now_ns - began_ns
    assert of(watch) == {"inner": Total(2, 10), "outer": Total(1, 10)}
    # The very first reading came before the watch stood anywhere.
    assert watch.totals[WATCH].own_ns == elapsed_ns - 20 - 3


def test_a_page_holds_what_was_measured_since_the_last() -> None:
    hands = Hands()
    watch = Stopwatch(hands.read)
    step = watch.timed("step", lambda: hands.move(5))
    step()
    step()
    watch.turn_page()
    step()
    watch.turn_page()
    watch.turn_page()
    assert [page["step"] for page in watch.pages] == [Total(2, 10), Total(1, 5), Total(0, 0)]


def test_functions_and_methods_are_timed_where_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "stamp_in", exchange.stamp_in)
    monkeypatch.setattr(exchange.StreamScript, "written", exchange.StreamScript.written)
    here = "tests.benchmarks.instruments.exchange"
    watch = Stopwatch(lambda: 0)
    watch.attach({f"{here}:stamp_in": "stamp", f"{here}:StreamScript.written": "script"})
    assert exchange.stamp_in(b"no stamp") is None
    assert exchange.StreamScript(1, 2).written() == "chunks=1 pace_us=2"
    assert of(watch) == {"stamp": Total(1, 0), "script": Total(1, 0)}


@pytest.mark.parametrize(
    "target",
    [
        "tests.nowhere:step",
        "tests.benchmarks:step",
        "tests.benchmarks.proxy.rounds:Race.jump",
        "tests.benchmarks.proxy.rounds:FULL",
    ],
)
def test_a_target_that_has_moved_is_named(target: str) -> None:
    with pytest.raises(LookupError, match=target):
        Stopwatch(lambda: 0).attach({target: "step"})
