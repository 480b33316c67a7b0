"""The real program as a process of its own, with the simulated upstream in this one."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.domain.clock import SystemClock
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.e2e.stack import config_text
from tests.e2e.wire import PATIENCE_S

ENVIRONMENT = {name: value for name, value in os.environ.items() if "OPENAI" not in name}
START_S = 30.0
"""A process that shares its machine with others may start slowly."""


class Died(Exception):
    """The process has ended, and will not write what a test waits for."""


@dataclass
class Output:
    """What a process writes, line by line as it comes."""

    lines: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    async def read_on(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.lines.append(line.decode().rstrip("\n"))
            self.changed.set()
        self.is_over = True
        self.changed.set()

    async def change(self) -> None:
        """Until there is more of it. Raises Died: there will be no more."""
        if self.is_over:
            raise Died
        self.changed.clear()
        await self.changed.wait()


@dataclass
class Program:
    """One running `serve`."""

    process: asyncio.subprocess.Process
    log: Output = field(default_factory=Output)
    errors: Output = field(default_factory=Output)

    @property
    def base_url(self) -> str:
        return f"http://{self.events('listening')[0]['proxy']}/v1"

    @property
    def admin_url(self) -> str:
        return f"http://{self.events('listening')[0]['admin']}"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of an event so far."""
        lines = [json.loads(line) for line in self.log.lines]
        return [line for line in lines if line["event"] == name]

    async def until(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of an event, once there are so many."""
        async with self._patience():
            while len(self.events(name)) < count:
                await self.log.change()
        return self.events(name)

    async def until_it_says(self, words: str) -> str:
        """The line on standard error that has these words."""
        async with self._patience():
            while not (found := [line for line in self.errors.lines if words in line]):
                await self.errors.change()
        return found[0]

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Waits for a while, and no longer than the process lives. Raises Died with its words."""
        try:
            async with asyncio.timeout(START_S):
                yield
        except Died:
            code = await self.process.wait()
            while not self.errors.is_over:
                await self.errors.change()
            said = "\n".join(self.errors.lines)
            raise Died(f"it ended with code {code} and said:\n{said}") from None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def until_it_ends(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()


@asynccontextmanager
async def program(*arguments: str, **environment: str) -> AsyncIterator[Program]:
    """`python -m proxy` with these arguments, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "proxy",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT | environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    started = Program(process)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(started.log.read_on(process.stdout))
        tasks.create_task(started.errors.read_on(process.stderr))
        try:
            yield started
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@asynccontextmanager
async def serving(config: Path, **environment: str) -> AsyncIterator[Program]:
    """`serve` with this file, ready for calls."""
    async with program("serve", "-c", str(config), **environment) as started:
        await started.until_it_says("is ready")
        await started.until("listening")
        yield started


async def ran(*arguments: str, **environment: str) -> tuple[int, str]:
    """A run that ends by itself: its exit code, and what it said on standard error."""
    async with program(*arguments, **environment) as started:
        code = await started.until_it_ends(START_S)
    return code, "\n".join(started.errors.lines)


def write_config(folder: Path, upstream: str, **changes: object) -> Path:
    """A configuration file; `changes` replace sections."""
    file = folder / "config.yaml"
    file.write_text(config_text(folder, upstream, changes))
    return file


@asynccontextmanager
async def books_of(folder: Path) -> AsyncIterator[SqliteLedger]:
    """The ledger as commands open it, beside the process or without one."""
    ids = (f"rsv_test_{number}" for number in range(1_000))
    books = SqliteLedger.open(
        folder / "ledger.db", clock=SystemClock(), new_id=lambda: next(ids), serves=False
    )
    try:
        yield books
    finally:
        await books.close()


def replace_config(file: Path, old: str, new: str) -> None:
    """Change a configuration file in place."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
