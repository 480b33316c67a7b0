"""The load generator: makes calls over kept connections and says how long they took.

`python -m tests.benchmarks.instruments.generator` reads one Job a line and answers each
with one Tally, both JSON. A process of its own, so that its work is never counted as a
contender's.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
import uvloop

from tests.benchmarks.instruments.answers import AnswerReader
from tests.benchmarks.instruments.exchange import Requests, StreamScript, stamp_in
from tests.benchmarks.protocol.requests import Asks, ProtocolRequests, reservation_ids_in

_PATIENCE_S = 20.0
_SHOWN_BYTES = 300


@dataclass(frozen=True, slots=True)
class Job:
    """Calls to make: `connections` at a time, each connection one after another.

    `rate_per_s` spaces the starts evenly; None starts the next call when one ends. No
    call starts after `duration_s`, or after `calls_max`; those in flight are waited for.
    With `asks` the calls are of the Cycles protocol, and `script` plays no part.
    """

    host: str
    port: int
    connections: int
    duration_s: float
    script: StreamScript | None = None
    rate_per_s: float | None = None
    calls_max: int | None = None
    asks: Asks | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """How a time was distributed, in microseconds."""

    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a Job. `failure` is the first thing that went wrong, and ended it.

    `transit` is from the upstream's write of an event to its arrival here;
    `reservation_ids` are the holds that calls of the protocol made.
    """

    calls: int
    elapsed_s: float
    chunks: int
    latency: Spread | None
    first_byte: Spread | None
    transit: Spread | None
    failure: str | None
    reservation_ids: tuple[str, ...] = ()


class Caller(asyncio.Protocol):
    """One connection that makes one call after another."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._reader = AnswerReader()
        self._body = b""
        self._sent_ns = 0
        self._first_byte_ns = 0
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are transports by behaviour, not by class.
        self._transport = cast("asyncio.Transport", transport)

    def call(self) -> None:
        """Send the next request."""
        self._reader.reset()
        self._body = b""
        self._first_byte_ns = 0
        self._sent_ns = time.monotonic_ns()
        self._transport.write(self._load.requests.next())

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        try:
            body = self._reader.feed(data)
        except ValueError as problem:
            self._load.fail(str(problem))
            return
        if body and not self._first_byte_ns:
            self._first_byte_ns = now_ns
        if self._reader.status != 200 or self._load.keeps_answers:
            self._body += body
        elif self._load.streams:
            self._count_events(body, now_ns)
        if self._reader.done:
            self._end(now_ns)

    def _count_events(self, body: bytes, now_ns: int) -> None:
        *events, self._body = (self._body + body).split(b"\n\n")
        for event in events:
            sent_ns = stamp_in(event)
            if sent_ns is not None:
                self._load.transits_ns.append(now_ns - sent_ns)

    def _end(self, now_ns: int) -> None:
        if self._reader.status != 200:
            shown = self._body[:_SHOWN_BYTES].decode(errors="replace")
            self._load.fail(f"status {self._reader.status}: {shown}")
            return
        self._load.latencies_ns.append(now_ns - self._sent_ns)
        self._load.first_bytes_ns.append(self._first_byte_ns - self._sent_ns)
        if self._load.keeps_answers:
            self._load.answers.append(self._body)
        self._load.ended(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.fail("the connection was closed")
        self._lost.set()

    async def close(self) -> None:
        """Hang up."""
        self._transport.abort()
        await self._lost.wait()


class Load:
    """One Job under way: who calls next, and what was measured."""

    def __init__(self, job: Job) -> None:
        host = f"{job.host}:{job.port}"
        self.requests = ProtocolRequests(host, job.asks) if job.asks else Requests(host, job.script)
        self.streams = job.script is not None
        self.keeps_answers = job.asks is not None
        self.answers: list[bytes] = []
        self.latencies_ns: list[int] = []
        self.first_bytes_ns: list[int] = []
        self.transits_ns: list[int] = []
        self._job = job
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[str | None] = self._loop.create_future()
        self._started_calls = 0
        self._in_flight = 0

    async def run(self) -> Tally:
        """Make all the calls."""
        callers = [await self._connect() for _ in range(self._job.connections)]
        self._began_ns = time.monotonic_ns()
        self._ends_ns = self._began_ns + int(self._job.duration_s * 1e9)
        for caller in callers:
            self._start(caller)
        failure: str | None
        try:
            patience_s = self._job.duration_s + _PATIENCE_S
            failure = await asyncio.wait_for(asyncio.shield(self._over), patience_s)
        except TimeoutError:
            failure = f"no answer within {_PATIENCE_S:.0f} s"
        elapsed_s = (time.monotonic_ns() - self._began_ns) / 1e9
        self.fail("over")
        for caller in callers:
            await caller.close()
        return Tally(
            calls=len(self.latencies_ns),
            elapsed_s=elapsed_s,
            chunks=len(self.transits_ns),
            latency=spread(self.latencies_ns),
            first_byte=spread(self.first_bytes_ns),
            transit=spread(self.transits_ns),
            failure=failure,
            reservation_ids=reservation_ids_in(self.answers),
        )

    async def _connect(self) -> Caller:
        _, caller = await self._loop.create_connection(
            lambda: Caller(self), self._job.host, self._job.port
        )
        return caller

    def ended(self, caller: Caller) -> None:
        """A call of this connection is done: make its next, or end the job."""
        self._in_flight -= 1
        self._start(caller)

    def fail(self, why: str) -> None:
        """End the job; the first reason stays."""
        if not self._over.done():
            self._over.set_result(why)

    def _start(self, caller: Caller) -> None:
        if self._over.done():
            return
        wait_ns = self._wait_ns()
        if wait_ns is None:
            if self._in_flight == 0:
                self._over.set_result(None)
            return
        self._started_calls += 1
        self._in_flight += 1
        if wait_ns > 0:
            self._loop.call_later(wait_ns / 1e9, caller.call)
        else:
            caller.call()

    def _wait_ns(self) -> int | None:
        """How long until the next call is due; None when no further one shall start."""
        if self._started_calls == self._job.calls_max:
            return None
        now_ns = time.monotonic_ns()
        due_ns = now_ns
        if self._job.rate_per_s is not None:
            due_ns = self._began_ns + int(self._started_calls * 1e9 / self._job.rate_per_s)
        return None if due_ns >= self._ends_ns else due_ns - now_ns


def spread(durations_ns: Sequence[int]) -> Spread | None:
    """Percentiles by the nearest rank; None of nothing."""
    if not durations_ns:
        return None
    ranked = sorted(durations_ns)

    def at(percent: int) -> float:
        return ranked[max(0, -(-percent * len(ranked) // 100) - 1)] / 1e3

    return Spread(at(50), at(90), at(99), at(100))


async def run(job: Job) -> Tally:
    """Do one job on the running loop; a refused connection is its failure."""
    try:
        return await Load(job).run()
    except OSError as problem:
        return Tally(0, 0.0, 0, None, None, None, f"cannot connect: {problem}")


def main() -> None:
    """One job a line, until standard input ends."""
    # A collection in the middle of a call would be counted against the contender.
    gc.disable()
    # Without a buffer, as PYTHONUNBUFFERED wants it, a pipe may take half of a long line.
    with open(sys.stdout.fileno(), "wb", closefd=False) as tallies:
        for line in sys.stdin.buffer:
            tally = uvloop.run(run(msgspec.json.decode(line, type=Job)))
            tallies.write(msgspec.json.encode(tally) + b"\n")
            tallies.flush()
            gc.collect()


if __name__ == "__main__":
    main()
