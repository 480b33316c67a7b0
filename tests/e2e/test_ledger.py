"""The ledger's file under a running proxy: filled, locked, moved away, and left alone for long."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.clock import SystemClock
from proxy.domain.errors import LedgerUnavailable
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.program import Program, books_of, serving, write_config
from tests.e2e.stack import running
from tests.e2e.wire import PATIENCE_S, RawAnswer, answered, exchange, read_answer, request_bytes

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say something."}],
}
STREAM = BODY | {"stream": True}
HOUR_MS = 3_600_000

needs_prlimit = pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux limits the files of another process"
)


def assert_refused_for_now(answer: RawAnswer) -> None:
    """Not the budget says no: the same call may be made again in a moment."""
    assert (answer.status, answer.error()["type"]) == (503, "server_error")
    assert answer.error()["code"] == answer.error()["budget"]["reason"] == "authority_unavailable"
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("1", "1000")
    assert answer.headers["x-budget-decision"] == "DENY"
    assert "x-should-retry" not in answer.headers


@contextmanager
def full_disk(proxy: Program) -> Iterator[None]:
    """The files of the proxy grow no more, wherever they lie."""
    every = resource.RLIM_INFINITY
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (0, every))
    yield
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (every, every))


async def health(proxy: Program, path: str) -> RawAnswer:
    came = await exchange(proxy.admin_url, request_bytes(method="GET", path=path))
    answer = read_answer(came)
    assert answer is not None
    return answer


async def until_ready(proxy: Program) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await health(proxy, "/readyz")).status != 200:
            continue


async def assert_sound(folder: Path, simulator: Simulator) -> None:
    """The books add up, nothing is held any more, and no call was free or charged twice."""
    async with books_of(folder) as books:
        audit = await books.verify()
        (balance,) = await books.all_balances()
    assert audit.differences == ()
    assert (audit.charged, audit.uncovered) == (simulator.total_microcents, 0)
    assert balance.reserved == 0


@needs_prlimit
async def test_while_the_disk_takes_nothing_no_call_leaves(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with serving(write_config(tmp_path, simulator.base_url)) as proxy:
        await answered(proxy.base_url, BODY)
        with full_disk(proxy):
            refused = [await answered(proxy.base_url, body) for body in (BODY, STREAM)]
            (away,) = await proxy.until("ledger_away")
            ready, alive = [await health(proxy, path) for path in ("/readyz", "/healthz")]
            seen = len(simulator.requests_seen)
        await until_ready(proxy)
        served = [await answered(proxy.base_url, body) for body in (BODY, STREAM)]

    for answer in refused:
        assert_refused_for_now(answer)
    assert seen == 1
    assert "the disk of the ledger" in away["why"]
    assert (ready.status, ready.json()["checks"]["ledger"]) == (503, away["why"])
    assert alive.status == 200
    assert [answer.status for answer in served] == [200, 200]
    await assert_sound(tmp_path, simulator)


@needs_prlimit
@pytest.mark.parametrize("body", [BODY, STREAM], ids=["json", "stream"])
async def test_what_was_sent_before_the_disk_failed_is_charged_once_it_works(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any]
) -> None:
    """Nobody's answer waits for that."""
    simulator.behave(Behaviour(gate="later"))
    async with (
        serving(write_config(tmp_path, simulator.base_url)) as proxy,
        asyncio.TaskGroup() as tasks,
    ):
        sent = tasks.create_task(answered(proxy.base_url, body))
        await simulator.until(lambda: simulator.in_flight == 1)
        with full_disk(proxy):
            simulator.open_gate("later")
            answer = await sent
            (memory,) = await proxy.until("settlements_in_memory")
        (back,) = await proxy.until("ledger_back")

    assert (answer.status, answer.whole) == (200, True)
    assert memory["why"]
    assert (len(proxy.events("ledger_away")), back["landed"]) == (1, 1)
    assert len(simulator.bills) == 1
    await assert_sound(tmp_path, simulator)


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["json", "stream"])
async def test_what_a_killed_process_wrote_down_is_charged_by_the_next(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any]
) -> None:
    """To the microcent: its hold does not become uncertain."""
    file, away = tmp_path / "ledger.db", tmp_path / "away.db"
    config = write_config(tmp_path, simulator.base_url)
    simulator.behave(Behaviour(gate="later"))
    async with serving(config) as proxy, asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(answered(proxy.base_url, body))
        await simulator.until(lambda: simulator.in_flight == 1)
        file.rename(away)
        simulator.open_gate("later")
        answer = await sent
        await proxy.until("call")
        proxy.process.kill()
        await proxy.until_it_ends()
    away.rename(file)
    async with serving(config) as proxy:
        (adopted,) = proxy.events("settlements_adopted")
        assert proxy.events("recovered") == []

    assert (answer.status, answer.whole, adopted["records"]) == (200, True, 1)
    assert {file.read_bytes() for file in (tmp_path / "outbox").iterdir()} == {b""}
    await assert_sound(tmp_path, simulator)


class HastyClock(SystemClock):
    """Measures a hundred times what has passed, so that patience ends soon."""

    def monotonic_ns(self) -> int:
        return 100 * super().monotonic_ns()


async def test_while_another_program_keeps_the_ledger_locked_no_call_leaves(
    tmp_path: Path, simulator: Simulator
) -> None:
    """A database browser with an open transaction is the usual one."""
    file = tmp_path / "ledger.db"
    async with running(tmp_path, simulator, HastyClock()) as stack:
        with closing(sqlite3.connect(file, isolation_level=None)) as browser:
            browser.execute("BEGIN IMMEDIATE")
            assert_refused_for_now(await answered(stack.base_url, BODY))
            assert_refused_for_now(await answered(stack.base_url, STREAM))
            assert simulator.requests_seen == []
        served = await answered(stack.base_url, BODY)

        assert served.status == 200
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_a_ledger_that_is_locked_for_a_moment_only_makes_a_call_wait(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator) as stack, asyncio.TaskGroup() as tasks:
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as command:
            command.execute("BEGIN IMMEDIATE")
            waiting = tasks.create_task(answered(stack.base_url, BODY))
            # The loop serves others meanwhile.
            refused = await answered(stack.base_url, BODY, path="/v1/nothing")
            assert (refused.status, simulator.requests_seen) == (403, [])
        served = await waiting

        assert served.status == 200
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_while_the_file_is_away_no_call_leaves(tmp_path: Path, simulator: Simulator) -> None:
    """Linux would let the proxy write on, into a file that nobody finds again."""
    file, away = tmp_path / "ledger.db", tmp_path / "away.db"
    async with running(tmp_path, simulator) as stack:
        await answered(stack.base_url, BODY)
        file.rename(away)
        for body in (BODY, STREAM):
            assert_refused_for_now(await answered(stack.base_url, body))
        (away_line, *_) = await stack.log.until("ledger_away")
        assert len(simulator.requests_seen) == 1
        with pytest.raises(LedgerUnavailable):
            await stack.balance()
        away.rename(file)
        served = await answered(stack.base_url, BODY)

        assert served.status == 200
        assert "put it back" in str(away_line["why"])
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
        assert len(simulator.bills) == 2


class EpochClock(SystemClock):
    """A machine that does not know yet what time it is."""

    def now_ms(self) -> int:
        return 1


async def test_a_clock_that_is_far_ahead_of_the_ledger_is_told_in_the_log(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator, EpochClock()) as stack:
        assert stack.log.events("clock_leaped") == []
    async with running(tmp_path, simulator) as stack:
        (leap,) = stack.log.events("clock_leaped")
        assert isinstance(leap["ahead_ms"], int)
        assert leap["ahead_ms"] > HOUR_MS
