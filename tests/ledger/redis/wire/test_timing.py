"""Deadlines, errands that many wait for, and rests that grow."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.redis.wire.timing import Backoff, Errand, LoopTimers, before, pause
from tests.ledger.redis.timers import ManualTimers


async def test_the_loop_calls_back_when_its_time_has_come() -> None:
    timers, rang = LoopTimers(), asyncio.Event()
    loop = asyncio.get_running_loop()
    assert timers.now_ms() == int(loop.time() * 1_000)
    unwanted = timers.call_at(timers.now_ms(), lambda: pytest.fail("it was cancelled"))
    unwanted.cancel()
    timers.call_at(timers.now_ms() + 1, rang.set)
    await rang.wait()


async def test_waiting_ends_with_the_future_or_the_deadline() -> None:
    timers = ManualTimers(at_ms=0)
    loop = asyncio.get_running_loop()
    brought: asyncio.Future[int] = loop.create_future()
    waiting = asyncio.ensure_future(before(timers, 10, brought))
    await asyncio.sleep(0)
    timers.advance(9)
    brought.set_result(7)
    assert await waiting == 7
    assert timers.waiting == []

    late: asyncio.Future[int] = loop.create_future()
    waiting = asyncio.ensure_future(before(timers, 20, late))
    await asyncio.sleep(0)
    timers.advance(11)
    with pytest.raises(TimeoutError):
        await waiting


async def test_a_pause_takes_its_time_and_can_be_left() -> None:
    timers = ManualTimers()
    resting = asyncio.ensure_future(pause(timers, 50))
    leaving = asyncio.ensure_future(pause(timers, 50))
    await asyncio.sleep(0)
    leaving.cancel()
    timers.advance(49)
    await asyncio.sleep(0)
    assert not resting.done()
    timers.advance(1)
    await resting
    assert leaving.cancelled()
    assert timers.waiting == []


class Work:
    """An errand that ends when a test says so."""

    def __init__(self) -> None:
        self.runs: list[asyncio.Future[str]] = []
        self.timers = ManualTimers(at_ms=0)
        self.errand = Errand(self.run, timers=self.timers, limit_ms=100)

    async def run(self) -> str:
        self.runs.append(asyncio.get_running_loop().create_future())
        return await self.runs[-1]

    async def wait(self, due_ms: int = 1_000) -> "asyncio.Task[str]":
        task = asyncio.ensure_future(self.errand.result(due_ms))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task


async def test_many_wait_for_one_run() -> None:
    work = Work()
    waiters = [await work.wait() for _ in range(3)]
    work.runs[0].set_result("done")
    assert await asyncio.gather(*waiters) == ["done"] * 3
    again = await work.wait()
    work.runs[1].set_result("again")
    assert await again == "again"


async def test_a_caller_who_leaves_ends_it_for_nobody_else() -> None:
    work = Work()
    gone, here = await work.wait(), await work.wait()
    gone.cancel()
    await asyncio.sleep(0)
    work.runs[0].set_result("done")
    assert await here == "done"
    assert gone.cancelled()


async def test_each_waits_as_long_as_its_own_deadline() -> None:
    work = Work()
    impatient, patient = await work.wait(10), await work.wait(1_000)
    work.timers.advance(10)
    with pytest.raises(TimeoutError):
        await impatient
    work.runs[0].set_result("done")
    assert await patient == "done"


async def test_a_run_that_takes_too_long_is_cut_short_for_all() -> None:
    work = Work()
    waiters = [await work.wait() for _ in range(2)]
    work.timers.advance(100)
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 2
    assert work.runs[0].cancelled()
    assert not work.errand.is_running


async def test_a_failure_reaches_all_who_wait() -> None:
    work = Work()
    waiters = [await work.wait() for _ in range(2)]
    work.runs[0].set_exception(KeyError("broken"))
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KeyError] * 2


async def test_a_run_can_be_stopped() -> None:
    work = Work()
    await work.errand.stop()
    waiting = await work.wait()
    await work.errand.stop()
    with pytest.raises(TimeoutError):
        await waiting
    assert work.timers.waiting == []


@given(seed=st.integers(0, 2**32))
def test_rests_begin_with_none_and_double_up_to_a_bound(seed: int) -> None:
    backoff = Backoff(Random(seed))
    rests = [backoff.next_ms() for _ in range(12)]
    assert rests[0] == 0
    for rest_ms, longest_ms in zip(
        rests[1:], [50, 100, 200, 400, 800, 1_600, *[2_000] * 5], strict=True
    ):
        assert longest_ms // 2 <= rest_ms <= longest_ms
    backoff.reset()
    assert backoff.next_ms() == 0


def test_sidecars_do_not_come_back_at_once() -> None:
    rests = set()
    for seed in range(50):
        backoff = Backoff(Random(seed))
        rests.add([backoff.next_ms() for _ in range(8)][-1])
    assert len(rests) > 30
