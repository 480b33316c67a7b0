"""Scopes: the paths that a subject spends under, and the patterns that name them.

A scope is written `tenant:acme/agent:bot`. Levels that the subject does not give are
skipped, so that every scope is a prefix of the next.

Source: cycles-protocol-v0.yaml, "SCOPE DERIVATION"; encoding of foreign values in
docs/semantics.md.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NewType

from proxy.domain.subject import LEVELS, PURSE, RUN, STEPS, Subject

Scope = NewType("Scope", str)

_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ENCODED_PREFIX = "enc-"
_ENCODED_LENGTH = 20
_BETWEEN = "**"
_PER_RUN = "-run"
_PER_DAY = "-day"


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


@lru_cache(maxsize=4096)
def _with_runs(scopes: tuple[Scope, ...], run: str) -> tuple[Scope, ...]:
    value = encode_value(run)
    return tuple(s for scope in scopes for s in (scope, Scope(f"{scope}/{RUN}:{value}")))


def tenant_of(scope: Scope | str) -> str:
    """Whose books a scope's budgets are in; empty where it names no tenant."""
    level, _, value = scope.partition("/")[0].partition(":")
    return value if level == "tenant" else ""


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


def budget_scopes(subject: Subject) -> tuple[Scope, ...]:
    """Where the budgets of the subject stand that hold for it: its scopes, each with its run.

    A run is no level of the protocol: `tenant:dev/run:7` holds a budget and is in nobody's
    `affected_scopes`. Who spends from a purse is held by it and by what is below the scope
    that it was carved at; for that scope and those above, the carve holds already. Where the
    calls of a policy are counted comes last.
    Rules: docs/decisions/sub-budgets.md, docs/decisions/steps.md.
    """
    purse = subject.dimensions.get(PURSE)
    scopes = _places(subject)
    if purse is not None:
        scopes = _beside_purse(derive(subject), subject.dimensions.get(RUN), Scope(purse))
    steps = subject.dimensions.get(STEPS)
    return scopes if steps is None else (*scopes, Scope(steps))


_COUNTED: Final = f"/{STEPS}:"


def steps_scope(scopes: Sequence[Scope], pattern: "ScopePattern", name: str) -> Scope:
    """Where the calls are counted that a policy of this pattern paces by this name.

    `scopes` are those of the call, one of which matches. The calls of a run are counted
    together, whoever makes them; calls without one for whoever makes them, each day.
    """
    matching = [scope for scope in scopes if pattern.matches(scope)]
    run = next((s for s in scopes if s.startswith(f"{matching[0]}/{RUN}:")), None)
    place, span = (matching[-1], _PER_DAY) if run is None else (run, _PER_RUN)
    return Scope(f"{place}{_COUNTED}{encode_value(name + span)}")


def steps_patterns(name: str) -> tuple["ScopePattern", "ScopePattern"]:
    """What `steps_scope` makes of this name: for runs, and for calls without one."""
    return (
        ScopePattern(f"tenant:*/{_BETWEEN}/{RUN}:*{_COUNTED}{encode_value(name + _PER_RUN)}"),
        ScopePattern(f"tenant:*/{_BETWEEN}{_COUNTED}{encode_value(name + _PER_DAY)}"),
    )


def is_level_scope(scope: Scope) -> bool:
    """Whether levels alone make the scope: no run, no purse, no count of calls."""
    return all(f"/{mark}:" not in scope for mark in (RUN, PURSE, STEPS))


def all_scopes(subject: Subject) -> tuple[Scope, ...]:
    """Every scope that the subject is at or below: its levels, their runs, and its purse.

    So a sub-budget takes its subject out of no policy and of no list, whoever holds the money.
    """
    purse = subject.dimensions.get(PURSE)
    places = _places(subject)
    return places if purse is None else (*places, Scope(purse))


def _places(subject: Subject) -> tuple[Scope, ...]:
    scopes = derive(subject)
    run = subject.dimensions.get(RUN)
    return scopes if run is None else _with_runs(scopes, run)


_PURSE_SEGMENT = re.compile(rf"/{PURSE}:([^/]+)")


def purse_of(subject: Subject, reservation_id: str) -> Scope:
    """The scope of the purse that a carve of this subject fills.

    It names the run where the carve held in the budgets of one.
    """
    run = subject.dimensions.get(RUN)
    place = derive(subject)[-1] + ("" if run is None else f"/{RUN}:{encode_value(run)}")
    return Scope(f"{place}/{PURSE}:{reservation_id}")


def carve_of(purse: Scope) -> str | None:
    """The id of the hold that fills a purse; None for a scope that is no purse."""
    place, _, segment = purse.rpartition("/")
    found = _PURSE_SEGMENT.fullmatch(f"/{segment}")
    return found[1] if place and found else None


@lru_cache(maxsize=4096)
def _beside_purse(scopes: tuple[Scope, ...], run: str | None, purse: Scope) -> tuple[Scope, ...]:
    path, _, held_run = purse.rpartition("/")[0].partition(f"/{RUN}:")
    above = tuple(scope for scope in scopes if path == scope or path.startswith(f"{scope}/"))
    below = scopes[len(above) :]
    if run is None:
        return purse, *below
    # A run that the carve did not hold in may have budgets of its own beside each scope.
    runs = () if held_run else _with_runs(above, run)[1::2]
    return *runs, purse, *_with_runs(below, run)


@dataclass(frozen=True, slots=True)
class ScopePattern:
    """The scopes a budget or a policy is meant for.

    `tenant:dev/agent:*`      paths with exactly these two segments
    `tenant:dev/**/agent:*`   with any levels between them, or none
    `tenant:dev/run:*`        each run under exactly `tenant:dev`
    `tenant:dev/*`            `tenant:dev` and everything below it (policies only)
    """

    text: str

    @property
    def is_template(self) -> bool:
        """Whether a budget of this pattern is made for each scope that it matches."""
        return not self.is_subtree and "*" in self.text

    @property
    def is_subtree(self) -> bool:
        """Whether the pattern means a scope and all below it."""
        return self.text == "*" or self.text.endswith("/*")

    @property
    def depth(self) -> int:
        """How many segments are spelled out; the more, the more specific."""
        return len([s for s in self.text.split("/") if s not in ("*", _BETWEEN)])

    @property
    def specificity(self) -> tuple[int, int, str]:
        """Sorts templates that match one scope: the greatest governs it."""
        segments = self.text.split("/")
        return (len([s for s in segments if "*" not in s]), self.depth, self.text)

    def matches(self, scope: Scope) -> bool:
        """Whether this one scope is meant."""
        return _expression(self.text).fullmatch(scope) is not None

    def per_run(self) -> "ScopePattern":
        """Each run under the scopes of this pattern."""
        return ScopePattern(f"{self.text}/{RUN}:*")


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    if pattern == "*":
        return re.compile(".*")
    if pattern.endswith("/*"):
        return re.compile(f"{re.escape(pattern[:-2])}(/.*)?")
    segments = (
        "(?:/[^/]+)*" if segment == _BETWEEN else f"/{_segment(segment)}"
        for segment in pattern.split("/")
    )
    return re.compile("".join(segments)[1:])


def _segment(segment: str) -> str:
    level, _, value = segment.partition(":")
    return f"{level}:[^/]+" if value == "*" else re.escape(segment)


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
    segments = body.split("/")
    if _BETWEEN in (segments[0], segments[-1]) or f"{_BETWEEN}/{_BETWEEN}" in body:
        raise ValueError(f"{text!r}: ** stands between two levels")
    place = -1
    for segment in segments:
        if segment != _BETWEEN:
            place = _checked_place(segment, text, place)
    return ScopePattern(text.lower())


def _checked_place(segment: str, text: str, place: int) -> int:
    """The place of the segment's level in the order of levels, which is after the last one."""
    level, colon, value = segment.partition(":")
    if not colon or level not in LEVELS:
        raise ValueError(f"{segment!r} in {text!r} is not level:value; levels: {', '.join(LEVELS)}")
    if LEVELS.index(level) <= place:
        raise ValueError(f"{level!r} in {text!r} is out of order; the order is {', '.join(LEVELS)}")
    if value == "*":
        return LEVELS.index(level)
    if "*" in value:
        raise ValueError(f"{text!r}: a wildcard stands only as a whole value")
    if not _PLAIN_VALUE.fullmatch(value):
        raise ValueError(f"{value!r} in {text!r} has characters outside [A-Za-z0-9_.-]")
    return LEVELS.index(level)
