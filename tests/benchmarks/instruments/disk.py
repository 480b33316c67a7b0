"""Which disk files are written to. In memory a file survives no power cut, whatever it costs."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import psutil

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def filesystem_of(directory: Path) -> str:
    """The kind of file system that a directory is on, or `unknown`."""
    mounts = ((Path(part.mountpoint), part.fstype) for part in psutil.disk_partitions(all=True))
    return innermost(directory.resolve(), mounts)


def innermost(path: Path, mounts: Iterable[tuple[Path, str]]) -> str:
    """What is mounted where this path is; of two mounts on one place the later one."""
    around = [mount for mount in mounts if path.is_relative_to(mount[0])]
    depth = max((len(place.parts) for place, _ in around), default=0)
    kinds = [kind for place, kind in around if len(place.parts) == depth]
    return kinds[-1] if kinds else "unknown"


def durable_directory() -> Path:
    """Where temporary files go, or the working directory where those are kept in memory."""
    usual = Path(tempfile.gettempdir())
    return Path.cwd() if filesystem_of(usual) in _IN_MEMORY else usual
