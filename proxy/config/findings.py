"""What is wrong with a configuration, where, and what is accepted."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Path = tuple[str | int, ...]
"""The way to a value: keys and, in lists, places from 0."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_QUOTABLE_KEY: Final = re.compile(r"[A-Za-z0-9_./*?-]{1,64}")


def spell(path: Path) -> str:
    """The path as people write it: `budgets[1].allocated`.

    A key that is neither short nor plain is not repeated: it may be a secret whose blank
    after the colon was forgotten.
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]' if text and _QUOTABLE_KEY.fullmatch(step) else "[…]"
    return text


@dataclass(frozen=True, slots=True)
class Origin:
    """Where values were written. Two configurations that say the same are equal without it.

    `variables` are the environment variables that a value was made of.
    """

    file: str = field(default="", compare=False)
    lines: Mapping[Path, int] = field(default_factory=dict, compare=False)
    variables: Mapping[Path, tuple[str, ...]] = field(default_factory=dict, compare=False)

    def line_of(self, path: Path) -> int | None:
        """The line of the value, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or, as a warning, hardly what anybody means.

    Never holds a secret: only values that were not taken from the environment appear, and
    of those only amounts, scopes and short keys.
    """

    path: Path
    problem: str
    accepted: str = ""
    severity: Literal["error", "warning"] = "error"
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.file and self.line else self.file
        parts = [part for part in (where, spell(self.path), self.problem) if part]
        accepted = f" (accepted: {self.accepted})" if self.accepted else ""
        warning = "warning: " if self.severity == "warning" else ""
        return f"{warning}{': '.join(parts)}{accepted}"


class ConfigError(Exception):
    """A configuration that cannot be used; `findings` are all the reasons."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: finding.line or 0))
        super().__init__("\n".join(map(str, self.findings)))
