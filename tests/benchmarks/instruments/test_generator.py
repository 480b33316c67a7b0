import asyncio

import pytest

from tests.benchmarks.conftest import Listen
from tests.benchmarks.instruments.exchange import STREAM_HEAD, StreamScript
from tests.benchmarks.instruments.generator import Job, Spread, run, spread
from tests.benchmarks.instruments.processes import free_port
from tests.benchmarks.instruments.upstream import HOST, Upstream
from tests.benchmarks.protocol.requests import Asks, Operation

LONG_S = 60.0


class Saying(asyncio.Protocol):
    """Answers whatever comes with the same pieces of bytes; without any it hangs up."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._pieces:
            self._say(0)
        else:
            self._transport.close()

    def _say(self, number: int) -> None:
        self._transport.write(self._pieces[number])
        if number + 1 < len(self._pieces):
            # Two turns of the loop, so that the caller has read what was written.
            self._loop.call_soon(self._loop.call_soon, self._say, number + 1)


async def test_json_calls_are_all_made_and_all_measured(listen: Listen) -> None:
    port = await listen(Upstream)
    tally = await run(Job(HOST, port, connections=3, duration_s=LONG_S, calls_max=20))
    assert tally.failure is None
    assert (tally.calls, tally.chunks) == (20, 0)
    assert tally.latency is not None
    assert tally.first_byte == tally.latency
    assert tally.transit is None


@pytest.mark.parametrize("pace_us", [0, 1])
async def test_every_event_of_every_stream_is_counted(listen: Listen, pace_us: int) -> None:
    script = StreamScript(chunks=7, pace_us=pace_us)
    port = await listen(Upstream)
    tally = await run(Job(HOST, port, 2, LONG_S, script, calls_max=5))
    assert tally.failure is None
    assert (tally.calls, tally.chunks) == (5, 35)
    assert tally.transit is not None
    assert tally.first_byte is not None
    assert tally.latency is not None
    assert 0 < tally.first_byte.p50_us < tally.latency.p50_us


async def test_an_event_cut_in_two_by_a_proxy_is_counted_once(listen: Listen) -> None:
    event = b"data: @%020d word\n\n" % 1
    halves = [b"%x\r\n%s\r\n" % (len(half), half) for half in (event[:12], event[12:])]
    port = await listen(lambda: Saying(STREAM_HEAD, *halves * 3, b"0\r\n\r\n"))
    tally = await run(Job(HOST, port, 1, LONG_S, StreamScript(3, 0), calls_max=2))
    assert tally.failure is None
    assert (tally.calls, tally.chunks) == (2, 6)


async def test_paced_calls_are_as_many_as_the_rate_allows(listen: Listen) -> None:
    port = await listen(Upstream)
    job = Job(HOST, port, connections=2, duration_s=0.05, rate_per_s=200)
    tally = await run(job)
    assert tally.failure is None
    assert tally.calls == 10


async def test_calls_of_the_protocol_bring_back_the_holds_they_made(listen: Listen) -> None:
    body = b'{"decision":"ALLOW","reservation_id":"abc"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    port = await listen(lambda: Saying(head + body[:20], body[20:]))
    asks = Asks(Operation.RESERVE, "label")
    tally = await run(Job(HOST, port, 2, LONG_S, calls_max=3, asks=asks))
    assert tally.failure is None
    assert tally.reservation_ids == ("abc", "abc", "abc")
    commits = Asks(Operation.COMMIT, "label", tally.reservation_ids)
    assert (await run(Job(HOST, port, 2, LONG_S, calls_max=3, asks=commits))).calls == 3


async def test_a_refusal_ends_the_job_and_is_shown(listen: Listen) -> None:
    refusal = b"HTTP/1.1 429 Too Many\r\nContent-Length: 16\r\n\r\nBudget exhausted"
    port = await listen(lambda: Saying(refusal))
    tally = await run(Job(HOST, port, 1, LONG_S))
    assert tally.failure == "status 429: Budget exhausted"
    assert tally.calls == 0


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((), "the connection was closed"),
        ((b"HTTP/1.1 200 OK\r\n\r\n",), "an answer without a length"),
    ],
)
async def test_a_broken_answer_ends_the_job(
    listen: Listen, answer: tuple[bytes, ...], failure: str
) -> None:
    port = await listen(lambda: Saying(*answer))
    tally = await run(Job(HOST, port, 1, LONG_S))
    assert tally.failure == failure


async def test_nobody_listening_is_a_failure_and_no_crash() -> None:
    tally = await run(Job(HOST, free_port(), 1, LONG_S))
    assert tally.failure is not None
    assert tally.failure.startswith("cannot connect")


def test_percentiles_are_of_the_nearest_rank() -> None:
    durations_ns = [number * 1_000 for number in range(200, 0, -1)]
    assert spread(durations_ns) == Spread(p50_us=100, p90_us=180, p99_us=198, max_us=200)
    assert spread([5_000]) == Spread(5, 5, 5, 5)
    assert spread([]) is None
