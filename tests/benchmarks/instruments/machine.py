"""How quiet the machine is and how fast its disk: figures mean little without these two."""

import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_WORK = {f"key {number}": number for number in range(500)}
_ROUNDS = 40
_SYNCS = 50
_BLOCK = b"\0" * 4096


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the figures come from."""

    system: str
    python: str
    processor: str
    cores: int
    pinned: bool
    fsync_p50_us: float


def describe(*, pinned: bool, directory: Path) -> Machine:
    """This machine; the disk is that of `directory`."""
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        pinned=pinned,
        fsync_p50_us=fsync_p50_us(directory),
    )


def fixed_work_us() -> float:
    """What one round of a fixed piece of work takes, at best of many, in microseconds.

    It should be the same number whenever it is asked: how far it wanders is how far
    every other figure does.
    """
    best_ns = min(_timed_round_ns() for _ in range(_ROUNDS))
    return best_ns / 1e3


def _timed_round_ns() -> int:
    start_ns = time.perf_counter_ns()
    json.loads(json.dumps(_WORK))
    return time.perf_counter_ns() - start_ns


def fsync_p50_us(directory: Path) -> float:
    """The median time of a 4 kB write that reaches the disk, in microseconds."""
    times_ns = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_SYNCS):
            start_ns = time.perf_counter_ns()
            file.write(_BLOCK)
            file.flush()
            os.fsync(file.fileno())
            times_ns.append(time.perf_counter_ns() - start_ns)
    return statistics.median(times_ns) / 1e3


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")
