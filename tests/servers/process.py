"""One server process, from its first log line to its end.

Nobody polls: a server says in its log when it is ready, and so do clusters and sentinels.
"""

import ctypes
import queue
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any, Self

import redis

_LIBRARY = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

START_S = 20
"""More than any machine needs; who waits longer waits for something that will not come."""


@dataclass
class Server:
    """A Redis or Valkey in a directory of its own, on a socket and a loopback port."""

    binary: Path
    directory: Path
    port: int
    options: Mapping[str, str] = field(default_factory=dict)
    log: "list[str]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self.client = redis.Redis(
            unix_socket_path=str(self.socket_path), password=self.options.get("requirepass")
        )

    @property
    def socket_path(self) -> Path:
        return self.directory / "socket"

    @property
    def url(self) -> str:
        """Over the loopback port."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self) -> str:
        """Over the socket."""
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket_path),
            "dir": str(self.directory),
            "save": "",
            "repl-diskless-sync-delay": "0",
            **self.options,
        }
        self._run(*_flags(options))
        self.wait_for("Ready to accept connections")

    def start_sentinel(self, configuration: Path) -> None:
        """Start it as a sentinel, which answers on its port only."""
        self._run(str(configuration), "--sentinel")
        self.wait_for("+monitor master")

    def _run(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [self.binary, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_die_with_the_tests,
        )
        assert self._process.stdout is not None
        self._lines = queue.SimpleQueue()
        pipe = (self._process.stdout, self._lines)
        threading.Thread(target=self._read, args=pipe, daemon=True).start()

    def wait_for(self, text: str) -> None:
        """Read the log on, to the next line with this text."""
        while True:
            line = self._lines.get(timeout=START_S)
            if line is None:
                raise AssertionError(f"{self.binary.name} has ended:\n{''.join(self.log[-20:])}")
            if text in line:
                return

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it hear and say nothing until `resume`, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *parts: str | int | bytes) -> Any:
        """One command, over a client that shares no code with ours."""
        return self.client.execute_command(*parts)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _read(self, stdout: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
        with stdout:
            for line in stdout:
                self.log.append(line)
                lines.put(line)
        lines.put(None)


def _die_with_the_tests() -> None:
    """Where the kernel can (Linux): a run that is killed with -9 leaves no server behind."""
    if hasattr(_LIBRARY, "prctl"):
        _LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _flags(options: Mapping[str, str]) -> Iterator[str]:
    for name, value in options.items():
        yield f"--{name}"
        yield from value.split(" ") if value else [""]


def free_port() -> int:
    """A loopback port that is free, and so is the one 10,000 above (a cluster's bus)."""
    while True:
        port = random.randint(20_000, 30_000)
        try:
            for number in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port


@contextmanager
def running(binary: Path, **options: str) -> Iterator[Server]:
    """A server with these options; a `-` in their names is written `_`."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    with (
        TemporaryDirectory(prefix="store-") as directory,
        Server(binary, Path(directory), free_port(), named) as server,
    ):
        server.start()
        yield server
