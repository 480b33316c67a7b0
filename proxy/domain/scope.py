"""Scopes: the paths that a subject spends under, and the patterns that name them.

A scope is written `tenant:acme/agent:bot`. Levels that the subject does not give are
skipped, so that every scope is a prefix of the next.

Source: cycles-protocol-v0.yaml, "SCOPE DERIVATION"; encoding of foreign values in
docs/semantics.md.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

from proxy.domain.subject import LEVELS, Subject

Scope = NewType("Scope", str)

_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ENCODED_PREFIX = "enc-"
_ENCODED_LENGTH = 20


def encode_value(value: str) -> str:
    """The value as it stands in a scope: lower case, or `enc-` and a digest when it cannot.

    A value with other characters than `[A-Za-z0-9_.-]`, longer than 128, or one that
    already starts with `enc-` (so that nobody can pose as another's digest) becomes
    `enc-` and the first 20 characters of the base32 of its SHA-256.
    """
    if _PLAIN_VALUE.fullmatch(value) and not value.lower().startswith(_ENCODED_PREFIX):
        return value.lower()
    digest = base64.b32encode(hashlib.sha256(value.encode()).digest())
    return _ENCODED_PREFIX + digest[:_ENCODED_LENGTH].decode().lower()


@lru_cache(maxsize=4096)
def _paths(*values: str | None) -> tuple[Scope, ...]:
    path = ""
    paths = []
    for level, value in zip(LEVELS, values, strict=True):
        if value is not None:
            path = f"{path}/{level}:{value}" if path else f"{level}:{value}"
            paths.append(Scope(path))
    return tuple(paths)


def derive(subject: Subject) -> tuple[Scope, ...]:
    """Every scope of the subject, outermost first; the last is its scope path."""
    return _paths(
        subject.tenant,
        subject.workspace,
        subject.app,
        subject.workflow,
        subject.agent,
        subject.toolset,
    )


@dataclass(frozen=True, slots=True)
class ScopePattern:
    """The scopes a budget or a policy is meant for.

    `tenant:dev/agent:*`  paths with exactly these two segments (one trailing wildcard)
    `tenant:dev/*`        `tenant:dev` and everything below it (policies only)
    """

    text: str

    @property
    def is_template(self) -> bool:
        """Whether a budget of this pattern is made for each scope that it matches."""
        return self.text.endswith(":*")

    @property
    def is_subtree(self) -> bool:
        """Whether the pattern means a scope and all below it."""
        return self.text.endswith("/*") or self.text == "*"

    @property
    def depth(self) -> int:
        """How many segments are spelled out; the more, the more specific."""
        return len([s for s in self.text.split("/") if s != "*"])

    def matches(self, scope: Scope) -> bool:
        """Whether this one scope is meant."""
        if self.text == "*":
            return True
        if self.is_subtree:
            root = self.text[:-2]
            return scope == root or scope.startswith(f"{root}/")
        if self.is_template:
            head = self.text[:-1]
            return scope.startswith(head) and "/" not in scope[len(head) :]
        return scope == self.text


def parse_pattern(text: str, *, subtree: bool) -> ScopePattern:
    """Read a pattern as configuration writes it; values are lower-cased.

    `subtree` says whether a trailing `/*` is allowed.

    Raises:
        ValueError: levels unknown, repeated or out of order, a value with characters
            that no scope can have, or a wildcard where none is allowed.
    """
    if subtree and text == "*":
        return ScopePattern(text)
    body = text[:-2] if subtree and text.endswith("/*") else text
    place = -1
    segments = body.split("/")
    for number, segment in enumerate(segments):
        level, colon, value = segment.partition(":")
        if not colon or level not in LEVELS:
            raise ValueError(
                f"{segment!r} in {text!r} is not level:value; levels: {', '.join(LEVELS)}"
            )
        if LEVELS.index(level) <= place:
            raise ValueError(
                f"{level!r} in {text!r} is out of order; the order is {', '.join(LEVELS)}"
            )
        place = LEVELS.index(level)
        if value == "*" and number == len(segments) - 1 and body == text:
            continue
        if "*" in value:
            raise ValueError(f"{text!r}: a wildcard stands only as the whole last value")
        if not _PLAIN_VALUE.fullmatch(value):
            raise ValueError(f"{value!r} in {text!r} has characters outside [A-Za-z0-9_.-]")
    return ScopePattern(text.lower())
