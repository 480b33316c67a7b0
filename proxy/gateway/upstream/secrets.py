"""Where the credential of an upstream comes from: the configuration, a file, or a command.

What a command writes, and what stands in a file, is in no message, log or repr.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.gateway.runtime.tasks import TaskSet
from proxy.gateway.upstream.credential import NoCredential

SECRET_BYTES_MAX: Final = 16_384
"""More than any token has; beyond it something else was meant."""

_KEPT: Final = 2
"""Secrets that an upstream may still repeat: the one in force, and the one before it."""


class GivenSecret:
    """A secret that stands in the configuration."""

    def __init__(self, secret: str) -> None:
        self.current = secret
        self.recent = (secret,)

    async def renew(self) -> None:
        """It is always what it was."""

    def refused(self, secret: str) -> None:
        """Nothing can be done."""


class SecretFile:
    """A secret in a file, read again whenever the file is another one.

    While the file is away, empty or half written, the secret that was read last stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.recent: tuple[str, ...] = ()

    @property
    def current(self) -> str:
        return self.recent[0] if self.recent else ""

    async def renew(self) -> None:
        """Look whether the file has changed: a call of the system, on a local file.

        Raises:
            NoCredential: there has never been one to be read.
        """
        try:
            found = self._path.stat()
            mark = (found.st_mtime_ns, found.st_ino, found.st_size)
            if mark != self._seen:
                self.recent = _recent(_checked(_read_file(self._path)), self.recent)
                self._seen = mark
        except OSError as failure:
            self._check_has_one(failure.strerror or "it cannot be read")
        except ValueError as fault:
            self._check_has_one(str(fault))

    def refused(self, secret: str) -> None:
        """The file is looked at before each call as it is."""

    def _check_has_one(self, why: str) -> None:
        if not self.recent:
            raise NoCredential(f"{why} (upstreams[].api_key_file)")


class SecretCommand:
    """A secret that a command writes, kept for a time or until it is refused."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        ttl_ms: int,
        timeout_ms: int,
        monotonic_ns: Callable[[], int],
    ) -> None:
        self._command = tuple(command)
        self._ttl_ns = ttl_ms * 1_000_000
        self._timeout_ms = timeout_ms
        self._monotonic_ns = monotonic_ns
        self._until_ns = 0
        self._run: asyncio.Task[None] | None = None
        self._runs = TaskSet()
        self._given_up = ""
        self.recent: tuple[str, ...] = ()

    @property
    def current(self) -> str:
        return self.recent[0] if self.recent else ""

    async def renew(self) -> None:
        """Run the command if its last word is too old. Whoever comes meanwhile waits with us.

        Raises:
            NoCredential: it failed. The next call runs it again.
        """
        if self.recent and self._monotonic_ns() < self._until_ns:
            return
        if self._run is None or self._run.done():
            self._run = self._runs.start(self._run_once(), name="ask for a credential")
        # A caller who leaves does not stop what others wait for.
        await asyncio.shield(self._run)

    def refused(self, secret: str) -> None:
        """The upstream did not accept it: the next call asks anew, once for each secret."""
        if secret == self.current and secret != self._given_up:
            self._given_up = secret
            self._until_ns = 0

    async def _run_once(self) -> None:
        try:
            secret = await _output_of(self._command, self._timeout_ms)
        except NoCredential as failure:
            raise NoCredential(f"{failure} (upstreams[].api_key_command)") from None
        self.recent = _recent(secret, self.recent)
        self._until_ns = self._monotonic_ns() + self._ttl_ns


async def _output_of(command: tuple[str, ...], timeout_ms: int) -> str:
    """What a command writes. Raises NoCredential, which repeats nothing of it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as failure:
        raise NoCredential(f"its command cannot be run: {failure.strerror}") from None
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            output = await _read_output(process)
            status = await process.wait()
    except BaseException as failure:
        # It leads a session: what it started ends with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if isinstance(failure, TimeoutError):
            raise NoCredential("its command took too long") from None
        raise
    if status != 0:
        raise NoCredential(f"its command ended with status {status}")
    try:
        return _checked(output)
    except ValueError as fault:
        raise NoCredential(f"its command wrote no secret: {fault}") from None


async def _read_output(process: asyncio.subprocess.Process) -> bytes:
    """All that it writes, of which no more is kept than tells that it is too much."""
    assert process.stdout is not None
    output = b""
    while piece := await process.stdout.read(SECRET_BYTES_MAX):
        output = (output + piece)[: SECRET_BYTES_MAX + 1]
    return output


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SECRET_BYTES_MAX + 1)


def _checked(text: bytes) -> str:
    """The secret in what was read, without the line end behind it.

    Raises:
        ValueError: it is no secret that a header can carry.
    """
    if len(text) > SECRET_BYTES_MAX:
        raise ValueError(f"more than {SECRET_BYTES_MAX:,} bytes")
    secret = text.strip()
    if not secret:
        raise ValueError("nothing is in it")
    if not all(0x20 < byte < 0x7F for byte in secret):
        raise ValueError("blanks, line ends or other characters that no HTTP header can carry")
    return secret.decode("ascii")


def _recent(secret: str, before: tuple[str, ...]) -> tuple[str, ...]:
    others = [each for each in before if each != secret]
    return (secret, *others)[:_KEPT]
