"""The course: every contender runs the same steps, again and again, one beside the other.

All contenders are up for the whole run and take turns step by step, so that a slow
minute of the machine falls on all of them alike. Nobody's turn overlaps another's.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import sleep

from tests.benchmarks.contenders import Contender
from tests.benchmarks.course import Course, Entrant
from tests.benchmarks.instruments import machine
from tests.benchmarks.instruments.exchange import StreamScript
from tests.benchmarks.instruments.generator import Job, Tally
from tests.benchmarks.instruments.processes import (
    HOST,
    CannotMeasure,
    Generator,
    Process,
    Upstream,
    choose_cores,
    pinned,
)

_READY_PATIENCE_S = 30.0
_SETTLE_S = 0.5
STREAM = StreamScript(chunks=200, pace_us=5_000)
STREAMS_AT_ONCE = 32
_SHORT_STREAM = StreamScript(chunks=2, pace_us=2_000)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run takes."""

    repeats: int
    starts: int
    json_s: float
    stream_s: float
    first_byte_s: float
    stream: StreamScript = STREAM


FULL = Pace(repeats=4, starts=3, json_s=1.0, stream_s=1.5, first_byte_s=1.0)
QUICK = Pace(repeats=2, starts=1, json_s=0.4, stream_s=1.0, first_byte_s=0.4)


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of load, and what to read off its Tally and the contender's CPU seconds."""

    title: str
    connections: int
    duration_s: float
    read: Callable[[Tally, float | None], dict[str, float]]
    script: StreamScript | None = None
    rate_per_s: float | None = None

    def job(self, port: int) -> Job:
        """The load on whoever listens there."""
        return Job(HOST, port, self.connections, self.duration_s, self.script, self.rate_per_s)


def steps(pace: Pace) -> tuple[Step, ...]:
    """The steps of one round."""
    return (
        Step("1 connection", 1, pace.json_s, _read_single),
        Step("16 connections", 16, pace.json_s, _read_sixteen),
        Step("64 connections", 64, pace.json_s, _read_many),
        Step(
            "streams",
            STREAMS_AT_ONCE + 8,
            pace.stream_s,
            _read_stream,
            pace.stream,
            rate_per_s=STREAMS_AT_ONCE,
        ),
        Step("first byte", 4, pace.first_byte_s, _read_first_byte, _SHORT_STREAM, rate_per_s=200),
    )


def _read_single(tally: Tally, cpu_s: float | None) -> dict[str, float]:
    assert tally.latency is not None
    return {
        "requests_per_s_1": tally.calls / tally.elapsed_s,
        "latency_p50_us": tally.latency.p50_us,
        "latency_p99_us": tally.latency.p99_us,
    }


def _read_sixteen(tally: Tally, cpu_s: float | None) -> dict[str, float]:
    return {"requests_per_s_16": tally.calls / tally.elapsed_s}


def _read_many(tally: Tally, cpu_s: float | None) -> dict[str, float]:
    read = {"requests_per_s_64": tally.calls / tally.elapsed_s}
    if cpu_s is not None:
        read["cpu_us_per_request"] = cpu_s / tally.calls * 1e6
    return read


def _read_stream(tally: Tally, cpu_s: float | None) -> dict[str, float]:
    assert tally.transit is not None
    read = {"transit_p50_us": tally.transit.p50_us, "transit_p99_us": tally.transit.p99_us}
    if cpu_s is not None:
        read["cpu_us_per_chunk"] = cpu_s / tally.chunks * 1e6
    return read


def _read_first_byte(tally: Tally, cpu_s: float | None) -> dict[str, float]:
    assert tally.first_byte is not None
    return {"first_byte_p50_us": tally.first_byte.p50_us}


@dataclass(slots=True)
class Runner(Entrant):
    """A contender that is up."""

    contender: Contender
    port: int = 0
    process: Process | None = None


class Race:
    """Runs the course."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        pace: Pace,
        directory: Path,
        tell: Callable[[str], None],
    ) -> None:
        self._runners = tuple(Runner(contender) for contender in contenders)
        self._pace = pace
        self._directory = directory
        self._tell = tell
        self._cores = choose_cores()

    def turns(self) -> int:
        """How often `tell` will be called by a run in which nobody drops out."""
        launched = sum(1 for runner in self._runners if runner.contender.launch)
        rounds = self._pace.repeats * len(steps(self._pace)) * len(self._runners)
        return launched * self._pace.starts + len(self._runners) + rounds

    def run(self) -> Course[Runner]:
        """Start everybody, run every round, end everybody."""
        with ExitStack() as cleanup:
            cleanup.enter_context(pinned(self._cores.instruments))
            upstream = Upstream(core=self._cores.instruments)
            cleanup.callback(upstream.stop)
            self._generator = Generator(core=self._cores.instruments)
            cleanup.callback(self._generator.stop)
            for runner in self._runners:
                self._start(runner, upstream.port, cleanup)
            for runner in self._runners:
                self._turn(runner, "warm-up", self._warm)
            neighbours = machine.Neighbours(self._cores.used)
            fixed_work_us = [self._round() for _ in range(self._pace.repeats)]
            foreign_pct = neighbours.share_pct()
            for runner in self._runners:
                if runner.process and not runner.failure:
                    runner.add({"rss_loaded_mb": runner.process.rss_mb()})
        return Course(self._runners, tuple(fixed_work_us), foreign_pct, self._cores)

    def _start(self, runner: Runner, upstream_port: int, cleanup: ExitStack) -> None:
        if runner.contender.launch is None:
            runner.port = upstream_port
            return
        for number in range(self._pace.starts):
            self._tell(f"{runner.contender.title}: start")
            directory = self._directory / f"{runner.contender.name}-{number}"
            directory.mkdir()
            launch = runner.contender.launch(directory, upstream_port)
            log = cleanup.enter_context((directory / "log.txt").open("wb"))
            process = Process(launch.command, core=self._cores.contender, log=log)
            cleanup.callback(process.stop)
            try:
                ready_s = process.wait_ready(launch.ready_url, _READY_PATIENCE_S)
            except CannotMeasure as problem:
                runner.failure = str(problem)
                return
            runner.add({"ready_s": ready_s})
            if number < self._pace.starts - 1:
                process.stop()
        runner.port, runner.process = launch.port, process
        # What loads in the background after readiness belongs to the idle memory.
        sleep(_SETTLE_S)
        runner.add({"rss_idle_mb": process.rss_mb()})

    def _turn(self, runner: Runner, title: str, work: Callable[[Runner], None]) -> None:
        self._tell(f"{runner.contender.title}: {title}")
        if runner.failure:
            return
        try:
            work(runner)
        except CannotMeasure as problem:
            runner.failure = f"{title}: {problem}"

    def _warm(self, runner: Runner) -> None:
        self._generator.run(Job(HOST, runner.port, 16, 0.5))
        self._generator.run(Job(HOST, runner.port, 4, 0.1, _SHORT_STREAM))

    def _round(self) -> float:
        for step in steps(self._pace):
            for runner in self._runners:
                self._turn(runner, step.title, partial(self._measure, step))
        with pinned(self._cores.contender):
            return machine.fixed_work_us()

    def _measure(self, step: Step, runner: Runner) -> None:
        before_s = runner.process.cpu_s() if runner.process else 0.0
        tally = self._generator.run(step.job(runner.port))
        spent_s = runner.process.cpu_s() - before_s if runner.process else None
        runner.add(step.read(tally, spent_s))
