"""The scripts of the ledger: files in `lua/`, each sent as one text.

A script states what it builds upon in the first lines of its file:

    -- include: lib/int64.lua
    -- include: lib/window.lua

The files named stand before it, in this order. They are shared chunks of Lua: their locals
are seen by all that follows. They name nothing themselves, so that the order is in one place.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

_INCLUDE: Final = re.compile(r"^-- include: (\S+)$", re.MULTILINE)


_PLACE: Final = re.compile(r"user_script:\s?(\d+)")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a script."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """One operation of the ledger. `sha1` is what the server calls it by."""

    name: str
    parts: tuple[Part, ...] = field(repr=False)
    source: str = field(init=False, repr=False)
    sha1: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        source = "".join(part.text for part in self.parts)
        digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "sha1", digest)

    def locate(self, text: str) -> str:
        """A server's message, with the lines of the whole script told as lines of its files."""
        return _PLACE.sub(lambda place: self._place(int(place.group(1))), text)

    def _place(self, line: int) -> str:
        for part in self.parts:
            lines = part.text.count("\n")
            if line <= lines:
                return f"{part.path}:{line}"
            line -= lines
        return f"{self.name} beyond its end"


def read_package_file(path: str) -> str:
    """A file of `lua/`, by its path there."""
    return files(__package__).joinpath("lua", path).read_text("utf-8")


def assemble(name: str, read: Callable[[str], str] = read_package_file) -> Script:
    """The script `{name}.lua`, after all that it includes.

    Raises:
        ValueError: an included file includes others, one is included twice, or a file does
            not end with its line.
    """
    path = f"{name}.lua"
    paths = [*_INCLUDE.findall(read(path)), path]
    if len(set(paths)) < len(paths):
        raise ValueError(f"{path} includes a file twice")
    parts = tuple(Part(path, read(path)) for path in paths)
    for part in parts:
        if part.path != path and _INCLUDE.search(part.text):
            raise ValueError(f"{part.path} includes files; only a script does")
        if not part.text.endswith("\n"):
            raise ValueError(f"{part.path} does not end with a line break")
    return Script(name, parts)
