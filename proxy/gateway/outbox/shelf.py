"""The file in which one process keeps its records, and the files that dead processes left.

    LEDGER-OWNER.lock    locked as long as its process lives, whatever it dies of
    LEDGER-OWNER.jsonl   its records
    quarantine           lines that nobody can read or carry out, of all processes

`LEDGER` is a digest of where the ledger is: who serves another one has no business with
these records. Several processes may share a directory. All of this waits for the disk.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Final

Write = Callable[[int, bytes], None]

_DIGEST_DIGITS: Final = 16
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


def write_through(descriptor: int, data: bytes) -> None:
    """Write it all, and return when the disk has it.

    Raises:
        OSError.
    """
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


class Shelf:
    """The records of this process. Nothing is on the disk before the first.

    `ledger` says where the ledger is, `owner` which process this is: names that sort by
    the time of their start. Safe to use from several threads.
    """

    def __init__(
        self, directory: Path, *, ledger: str, owner: str, write: Write = write_through
    ) -> None:
        self._directory = directory
        self._ledger = sha256(ledger.encode()).hexdigest()[:_DIGEST_DIGITS]
        self._path = directory / f"{self._ledger}-{owner}.jsonl"
        self._write = write
        self._turn = RLock()
        self._lock: int | None = None
        self._file: int | None = None

    @property
    def quarantine(self) -> Path:
        """Where lines lie that nobody can read or carry out."""
        return self._directory / "quarantine"

    def append(self, lines: bytes) -> None:
        """Keep these lines: the disk has them when this returns.

        Raises:
            OSError: it has not.
        """
        with self._turn:
            file = self._open()
            size_bytes = os.fstat(file).st_size
            half = b"" if _ends_a_line(file, size_bytes) else b"\n"
            try:
                self._write(file, half + lines)
            except OSError:
                # No half of a line is left, or the next one begins on a line of its own.
                with suppress(OSError):
                    os.ftruncate(file, size_bytes)
                raise

    def replace(self, lines: bytes) -> None:
        """Keep these lines and no others.

        Raises:
            OSError: it keeps what it had.
        """
        with self._turn:
            if self._lock is None and not lines:
                return
            self._open()
            beside = self._path.with_suffix(".new")
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
            try:
                self._write(file, lines)
                beside.rename(self._path)
            finally:
                os.close(file)
            _sync_directory(self._directory)
            self._let_go_of_file()

    def set_aside(self, lines: bytes) -> None:
        """Add lines to the quarantine.

        Raises:
            OSError: they are not there.
        """
        _make_directory(self._directory)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self.quarantine, flags, _FILE_MODE)
        try:
            self._write(file, lines)
        finally:
            os.close(file)

    @contextmanager
    def orphans(self) -> Iterator[bytes]:
        """What dead processes left, oldest first. It is gone when the block ends without an error.

        Raises:
            OSError: something cannot be read, or not be removed.
        """
        with self._turn:
            left = [
                (lock, descriptor)
                for lock in sorted(self._directory.glob(f"{self._ledger}-*.lock"))
                if (descriptor := _try_lock(lock, os.O_RDWR)) is not None
            ]
            try:
                files = [lock.with_suffix(".jsonl") for lock, _ in left]
                yield b"".join(_whole_lines(file) for file in files if file.exists())
                for lock, _ in left:
                    for suffix in (".jsonl", ".new", ".lock"):
                        lock.with_suffix(suffix).unlink(missing_ok=True)
            finally:
                for _, descriptor in left:
                    os.close(descriptor)

    def close(self) -> None:
        """Leave what is kept to whoever comes next; nothing is left of an empty shelf."""
        with self._turn:
            if self._lock is None:
                return
            is_empty = not self._path.exists() or self._path.stat().st_size == 0
            self._let_go_of_file()
            if is_empty:
                self._path.unlink(missing_ok=True)
                self._path.with_suffix(".lock").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _open(self) -> int:
        if self._lock is None:
            _make_directory(self._directory)
            self._lock = _own_lock(self._path.with_suffix(".lock"))
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, _FILE_MODE)
            _sync_directory(self._directory)
        return self._file

    def _let_go_of_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _ends_a_line(file: int, size_bytes: int) -> bool:
    return size_bytes == 0 or os.pread(file, 1, size_bytes - 1) == b"\n"


def _whole_lines(file: Path) -> bytes:
    """All of a file; a line that was cut short gets an end, so that it is seen."""
    lines = file.read_bytes()
    return lines if not lines or lines.endswith(b"\n") else lines + b"\n"


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
        _sync_directory(directory.parent)


def _own_lock(path: Path) -> int:
    """The lock of a process that lives, on a file that has this name.

    Between its making and its locking somebody may take it for one that was left, lock it
    and remove it.
    """
    while True:
        descriptor = _try_lock(path, os.O_RDWR | os.O_CREAT)
        if descriptor is not None:
            return descriptor


def _try_lock(path: Path, flags: int) -> int | None:
    """An open file that is locked and still has this name; None if it is another's, or gone."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, _FILE_MODE)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        named, opened = path.stat(), os.fstat(descriptor)
        if (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _sync_directory(directory: Path) -> None:
    """A new name is on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
