"""Starts and pins processes; reads their CPU time and memory, children included."""

import os
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import psutil

from tests.benchmarks.instruments.generator import Job, Tally

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
_POLL_S = 0.005
_STOP_S = 5.0
_ENDED_EARLY = "an instrument ended early; its traceback is above"
_HAS_CPU_CLOCKS = platform.system() == "Linux"


class CannotMeasure(Exception):
    """A contender did not start, or answered wrongly; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the contender has for itself, and which the instruments share.

    None where the machine has but one core or cannot pin: figures then include the
    instruments' share of the core, and only ratios mean anything.
    """

    contender: int | None
    instruments: int | None

    @property
    def used(self) -> tuple[int, ...]:
        """Those that anything is pinned to."""
        return tuple(core for core in (self.contender, self.instruments) if core is not None)


def choose_cores() -> Cores:
    """The first two cores this process may run on."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores(None, None)
    cores = sorted(os.sched_getaffinity(0))
    return Cores(cores[0], cores[1]) if len(cores) > 1 else Cores(None, None)


def pin(pid: int, core: int | None) -> None:
    """Keep a process on one core; threads that it starts later stay there too."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this process on one core for a while."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this checkout."""
    return [sys.executable, "-m", module, *arguments]


class Process:
    """A child process, pinned, with everything it says in one file."""

    def __init__(self, command: Sequence[str], *, core: int | None, log: IO[bytes]) -> None:
        self._log_path = Path(log.name)
        self.started_ns = time.monotonic_ns()
        self._popen = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        pin(self._popen.pid, core)
        self._process = psutil.Process(self._popen.pid)

    def wait_ready(self, url: str, patience_s: float) -> float:
        """Seconds from the start to the first 200 of `url`.

        Raises:
            CannotMeasure: it ended, or is not ready in time; with the end of its log.
        """
        while True:
            ready = answers(url)
            elapsed_s = (time.monotonic_ns() - self.started_ns) / 1e9
            if ready:
                return elapsed_s
            if self._popen.poll() is not None:
                raise CannotMeasure(f"ended with {self._popen.returncode}: {self._last_words()}")
            if elapsed_s > patience_s:
                raise CannotMeasure(f"not ready after {patience_s:.0f} s: {self._last_words()}")
            time.sleep(_POLL_S)

    def _last_words(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"

    def cpu_s(self) -> float:
        """CPU seconds since the start, user and system, of it and its children."""
        return sum(_cpu_s(process) for process in self._tree())

    def rss_mb(self) -> float:
        """Resident memory of it and its children, in 10^6 bytes."""
        return sum(process.memory_info().rss for process in self._tree()) / 1e6

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        self._popen.terminate()
        try:
            self._popen.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def _cpu_s(process: psutil.Process) -> float:
    if _HAS_CPU_CLOCKS:
        # The clock of another process's CPU time, in nanoseconds, where the times of
        # psutil step by 10 ms: clock_getcpuclockid(3), clock id (~pid << 3) | CPUCLOCK_SCHED.
        return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()
    return times.user + times.system


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:
            status: int = answer.status
            return status == 200
    except (OSError, urllib.error.HTTPError):
        return False


class Instrument:
    """A process of ours that talks over its standard input and output."""

    def __init__(self, module: str, *, core: int | None) -> None:
        self._popen = subprocess.Popen(
            python(module),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        pin(self._popen.pid, core)

    def read_line(self) -> bytes:
        """Its next line.

        Raises:
            CannotMeasure: it ended instead.
        """
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            # It lets go of its output a moment before it is gone.
            self._popen.wait(_STOP_S)
            raise CannotMeasure(_ENDED_EARLY)
        return line

    def write_line(self, line: bytes) -> None:
        """Give it one line.

        Raises:
            CannotMeasure: it has ended.
        """
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(line + b"\n")
            self._popen.stdin.flush()
        except BrokenPipeError:
            raise CannotMeasure(_ENDED_EARLY) from None

    def stop(self) -> None:
        """End it."""
        self._popen.terminate()
        self._popen.communicate()


class Generator(Instrument):
    """The load generator's process."""

    def __init__(self, *, core: int | None) -> None:
        super().__init__("tests.benchmarks.instruments.generator", core=core)

    def run(self, job: Job) -> Tally:
        """Do one job.

        Raises:
            CannotMeasure: some call was not answered with 200, or not wholly.
        """
        self.write_line(msgspec.json.encode(job))
        tally = msgspec.json.decode(self.read_line(), type=Tally)
        if tally.failure is not None:
            raise CannotMeasure(tally.failure)
        return tally


class Upstream(Instrument):
    """The fake upstream's process."""

    def __init__(self, *, core: int | None) -> None:
        super().__init__("tests.benchmarks.instruments.upstream", core=core)
        self.port = int(self.read_line())
