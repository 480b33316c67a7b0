"""Calls the timed proxy and works out what each step costs."""

import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.contenders import launch_with_budgets
from tests.benchmarks.instruments.exchange import StreamScript
from tests.benchmarks.instruments.generator import Job
from tests.benchmarks.instruments.processes import (
    HOST,
    CannotMeasure,
    Generator,
    Process,
    Upstream,
    choose_cores,
    pinned,
)
from tests.benchmarks.proxy.rounds import STREAM, STREAMS_AT_ONCE
from tests.benchmarks.steps.stopwatch import WATCH, Total
from tests.benchmarks.steps.targets import REST, STEPS

_TIMED_PROXY = "tests.benchmarks.steps.timed_proxy"
_LONG_S = 60.0
_READY_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is called: `calls` in each of `blocks`, the first of which only warms up."""

    calls: int
    connections: int
    blocks: int
    script: StreamScript | None = None
    rate_per_s: float | None = None

    @property
    def units(self) -> int:
        """Calls in a block, or the chunks of its streams."""
        return self.calls * (self.script.chunks if self.script else 1)


CALLS = Load(calls=2_000, connections=64, blocks=5)
STREAMS = Load(
    calls=STREAMS_AT_ONCE,
    connections=STREAMS_AT_ONCE,
    blocks=4,
    script=STREAM,
    rate_per_s=STREAMS_AT_ONCE,
)


@dataclass(frozen=True, slots=True)
class StepTime:
    """What a step costs a unit, in microseconds of CPU, and how often it runs for it."""

    step: str
    own_us: float
    runs: float


@dataclass(frozen=True, slots=True)
class StepTimes:
    """The steps of a call that does not stream, and of a chunk of one that does.

    `failure` says why there are none.
    """

    call: tuple[StepTime, ...] = ()
    chunk: tuple[StepTime, ...] = ()
    failure: str | None = None


def measure_steps(directory: Path) -> StepTimes:
    """Time the steps of calls and of streams; `directory` is there and empty."""
    try:
        return StepTimes(
            measure(CALLS, directory / "calls"), measure(STREAMS, directory / "streams")
        )
    except CannotMeasure as problem:
        return StepTimes(failure=str(problem))


def measure(load: Load, directory: Path) -> tuple[StepTime, ...]:
    """The steps of a load in the quietest of its blocks, in the order of a call, and the rest.

    Raises:
        CannotMeasure: the proxy did not start, or did not answer.
    """
    cores = choose_cores()
    directory.mkdir()
    pages_file = directory / "pages.json"
    with ExitStack() as cleanup:
        cleanup.enter_context(pinned(cores.instruments))
        upstream = Upstream(core=cores.instruments)
        cleanup.callback(upstream.stop)
        generator = Generator(core=cores.instruments)
        cleanup.callback(generator.stop)
        launch = launch_with_budgets(
            directory, upstream.port, program=(_TIMED_PROXY, str(pages_file))
        )
        log = cleanup.enter_context((directory / "log.txt").open("wb"))
        process = Process(launch.command, core=cores.contender, log=log)
        cleanup.callback(process.stop)
        process.wait_ready(launch.ready_url, _READY_PATIENCE_S)

        spent_s = [_run_block(load, launch.port, generator, process)]
        for _ in range(load.blocks - 1):
            process.signal(signal.SIGUSR1)
            spent_s.append(_run_block(load, launch.port, generator, process))
        process.stop()
    pages = msgspec.json.decode(pages_file.read_bytes(), type=list[dict[str, Total]])
    quietest = min(range(1, load.blocks), key=spent_s.__getitem__)
    return step_times(pages[quietest], units=load.units, cpu_s=spent_s[quietest])


def _run_block(load: Load, port: int, generator: Generator, process: Process) -> float:
    """The CPU seconds that the process spent on it."""
    before_s = process.cpu_s()
    generator.run(
        Job(
            HOST,
            port,
            load.connections,
            _LONG_S,
            load.script,
            rate_per_s=load.rate_per_s,
            calls_max=load.calls,
        )
    )
    return process.cpu_s() - before_s


def step_times(totals: Mapping[str, Total], *, units: int, cpu_s: float) -> tuple[StepTime, ...]:
    """A unit's steps in the order of a call; what the process spent beside them comes last.

    What the stopwatch itself took is in none of them.
    """
    times: Sequence[StepTime] = [
        StepTime(step, totals[step].own_ns / units / 1e3, totals[step].runs / units)
        for step in dict.fromkeys(STEPS.values())
        if totals[step].runs
    ]
    known_us = sum(time.own_us for time in times) + totals[WATCH].own_ns / units / 1e3
    return (*times, StepTime(REST, cpu_s / units * 1e6 - known_us, 1.0))
