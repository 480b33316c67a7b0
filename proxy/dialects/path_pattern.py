"""Paths by method and wildcard, where no wildcard leads anywhere else.

What a wildcard stands for is plain: no part of it is empty, begins with a dot or is
percent-encoded, so that nothing behind us reads it as the way to another path.
"""

import re
from dataclasses import dataclass, field
from typing import Final

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_PLAIN: Final = re.compile(r"(?:/[\w~:@+=,-][\w.~:@+=,-]*)+", re.ASCII)
_WRITTEN: Final = re.compile(r"(?:/[\w~:@+=,*-][\w.~:@+=,*-]*)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """`GET /v1/files*`: a method and a path.

    A `*` stands for characters of one part of the path; the last one of a path that ends
    with it stands for all that follows, parts below it too, or for nothing.
    """

    method: str
    path: str
    _form: re.Pattern[str] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def examples(self) -> tuple[str, ...]:
        """Paths that it means: with its wildcards for little, and for more."""
        path = self.path.removesuffix("*").replace("*", "x")
        return (path, f"{path}/x") if self.path.endswith("*") else (path,)

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is meant. `path` is as it came, without its query."""
        return (
            method == self.method
            and _PLAIN.fullmatch(path) is not None
            and self._form.fullmatch(path) is not None
        )


def parse_path_pattern(text: str) -> PathPattern:
    """Read `METHOD /path`.

    Raises:
        ValueError: it says what is wrong.
    """
    method, blank, path = text.partition(" ")
    if not blank or method not in METHODS:
        raise ValueError(f"does not begin with a method ({', '.join(METHODS)}) and a blank")
    if _WRITTEN.fullmatch(path) is None:
        raise ValueError("not a plain path: no part may be empty, begin with a dot or have a %")
    parts = map(re.escape, path.removesuffix("*").split("*"))
    form = "[^/]*".join(parts) + (".*" if path.endswith("*") else "")
    return PathPattern(method, path, re.compile(form))
