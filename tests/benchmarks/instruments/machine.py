"""How quiet the machine is and how fast its disk: figures mean little without these two."""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.instruments.disk import filesystem_of

_WORK = {f"key {number}": number for number in range(500)}
_ROUNDS = 1_000
_SYNCS = 50
_NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")
"""Columns of a core's time to leave out; guests are counted in `user` and `nice` as well."""

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
    filesystem: str


def describe(*, pinned: bool, directory: Path) -> Machine:
    """This machine; the disk is that of `directory`."""
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        pinned=pinned,
        fsync_p50_us=fsync_p50_us(directory),
        filesystem=filesystem_of(directory),
    )


def fixed_work_us() -> float:
    """What one round of a fixed piece of work takes now, on average, in microseconds.

    It should be the same number whenever it is asked: how far it wanders is how far every
    other figure does.
    """
    start_ns = time.perf_counter_ns()
    for _ in range(_ROUNDS):
        json.loads(json.dumps(_WORK))
    return (time.perf_counter_ns() - start_ns) / _ROUNDS / 1e3


class Neighbours:
    """How busy others keep our cores, from the making of this object on."""

    def __init__(self, cores: Sequence[int]) -> None:
        """`cores` are those we use; none means all."""
        self._cores = cores or range(psutil.cpu_count() or 1)
        self._began_s = time.monotonic()
        self._foreign_s = self._foreign_seconds()

    def share_pct(self) -> float:
        """The percentage of our cores' time that went to others, the hypervisor included."""
        elapsed_s = (time.monotonic() - self._began_s) * len(self._cores)
        spent_s = self._foreign_seconds() - self._foreign_s
        return max(0.0, 100 * spent_s / elapsed_s)

    def _foreign_seconds(self) -> float:
        every_core = psutil.cpu_times(percpu=True)
        ours = [every_core[core] for core in self._cores]
        spent_s = sum(sum(times) for times in ours)
        idle_s = sum(getattr(times, name, 0.0) for times in ours for name in _NOT_BUSY)
        return spent_s - idle_s - _our_seconds()


def _our_seconds() -> float:
    """CPU seconds of this process and its children, the ended ones included."""
    ended = os.times()
    alive = (child.cpu_times() for child in psutil.Process().children(recursive=True))
    return (
        time.process_time()
        + ended.children_user
        + ended.children_system
        + sum(times.user + times.system for times in alive)
    )


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
