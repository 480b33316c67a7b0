"""Which scopes the calls of a configuration can have, and the budgets that do not fit them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from proxy.config.findings import Finding, Path
from proxy.config.model import Config
from proxy.config.sections.budgets import BudgetConfig
from proxy.domain.scope import Scope, ScopePattern, budget_scopes
from proxy.domain.subject import LEVELS, RUN, Subject

_ANY_OTHER: Final = "*"
"""A value that no pattern can spell out."""

CALL_UNITS: Final = ("USD_MICROCENTS", "TOKENS")
"""What a call is paid in: without a budget in one of them it is refused."""
_NO_VALUES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Base:
    """What is fixed of a subject before a call adds to it, and the levels that it may add."""

    fixed: Mapping[str, str]
    nameable: frozenset[str]

    @property
    def has_tenant(self) -> bool:
        """Whether a call can have one; without it every call is refused."""
        return "tenant" in self.fixed or "tenant" in self.nameable

    def scopes(self, *patterns: ScopePattern) -> Iterator[Scope]:
        """The scopes of all calls, as far as these patterns can tell them apart."""
        values = _spelled_out(patterns)
        for named in _subsets(self.nameable - {RUN}):
            if "tenant" in named or "tenant" in self.fixed:
                yield from self.scopes_of(named, values)

    def scopes_of(
        self, named: Iterable[str], values: Mapping[str, str] = _NO_VALUES
    ) -> tuple[Scope, ...]:
        """Those of a call that names these levels, and its run if it may."""
        levels = {level: values.get(level, _ANY_OTHER) for level in named}
        run = {RUN: _ANY_OTHER} if RUN in self.nameable else {}
        return budget_scopes(Subject(**{**levels, **self.fixed}, dimensions=run))


def bases(config: Config) -> Iterator[Base]:
    """The default subject, and what each key makes of it; without keys that contradict it."""
    default = _lowered(config.identity.default.given())
    accepts = frozenset(config.identity.accept)
    if not config.identity.require_key:
        yield Base(default, accepts - default.keys())
    for key in config.keys:
        subject = _lowered(key.subject.given())
        if all(default.get(level, value) == value for level, value in subject.items()):
            fixed = {**default, **subject}
            yield Base(fixed, accepts - fixed.keys())


def clients(config: Config) -> Iterator[Base]:
    """What clients of the authority spend as: the levels of a key, and any others they name."""
    for key in config.keys:
        tenant = {"tenant": config.identity.default.tenant, **key.subject.given()}
        fixed = _lowered({level: value for level, value in tenant.items() if value is not None})
        yield Base(fixed, frozenset({*LEVELS, RUN}) - fixed.keys() - {"tenant"})


def unreachable(config: Config) -> Iterator[Finding]:
    """Budgets and policies of scopes that no call can have, and no client of the authority."""
    callers = [*bases(config), *clients(config)]
    if not callers:
        return
    for number, budget in enumerate(config.budgets):
        if not _is_reached(budget.scope, callers):
            yield Finding(("budgets", number, "scope"), _NO_CALL)
        elif not _is_reached(budget.pattern, callers):
            problem = "no call can name its run: add run to identity.accept"
            yield Finding(("budgets", number, "per"), problem)
    for number, policy in enumerate(config.policies):
        if not _is_reached(policy.scope, callers):
            yield Finding(("policies", number, "scope"), _NO_CALL)


_NO_CALL: Final = "no call can have this scope, as identity.default, identity.accept and keys stand"


def ways_out(config: Config) -> Iterator[Finding]:
    """Accepted levels with which a call leaves every template that would hold it without."""
    lines = [budget for budget in config.budgets if budget.unit in CALL_UNITS]
    groups = {
        "budget template": [b.scope for b in lines if b.per is None and b.scope.is_template],
        "budget of its run": [b.pattern for b in lines if b.per is not None],
    }
    callers = list(bases(config))
    for number, level in enumerate(config.identity.accept):
        for what, templates in groups.items():
            if level != RUN and any(_leads_out(base, level, templates) for base in callers):
                yield Finding(
                    ("identity", "accept", number),
                    f"a call that names its {level} leaves every {what}: "
                    f"add a template with {level} or ** in it, or fix its {level}",
                )


def overlaps(config: Config) -> Iterator[Finding]:
    """Templates that would make the same budget as another: only one of them can."""
    templates = [
        (number, budget)
        for number, budget in enumerate(config.budgets)
        if budget.pattern.is_template
    ]
    callers = list(bases(config))
    for (number, one), (other_number, other) in combinations(templates, 2):
        if _can_make_the_same(one, other, callers):
            goes_before = one.pattern.specificity > other.pattern.specificity
            behind, before = (other_number, number) if goes_before else (number, other_number)
            path: Path = ("budgets", behind, "scope")
            yield Finding(path, f"entry [{before}] matches some of its scopes too, and goes before")


def _is_reached(pattern: ScopePattern, callers: Iterable[Base]) -> bool:
    return any(pattern.matches(scope) for base in callers for scope in base.scopes(pattern))


def _leads_out(base: Base, level: str, templates: Sequence[ScopePattern]) -> bool:
    def is_held(named: frozenset[str]) -> bool:
        scopes = base.scopes_of(named)
        return any(template.matches(scope) for template in templates for scope in scopes)

    return level in base.nameable and any(
        is_held(named) and not is_held(named | {level})
        for named in _subsets(base.nameable - {level, RUN})
    )


def _can_make_the_same(one: BudgetConfig, other: BudgetConfig, callers: Iterable[Base]) -> bool:
    if (one.unit, one.window) != (other.unit, other.window):
        return False
    patterns = (one.pattern, other.pattern)
    return any(
        all(pattern.matches(scope) for pattern in patterns)
        for base in callers
        for scope in base.scopes(*patterns)
    )


def _subsets(levels: Iterable[str]) -> Iterator[frozenset[str]]:
    ordered = sorted(levels)
    for size in range(len(ordered) + 1):
        yield from map(frozenset, combinations(ordered, size))


def _spelled_out(patterns: Iterable[ScopePattern]) -> dict[str, str]:
    """The values of levels that patterns name."""
    segments = (segment for pattern in patterns for segment in pattern.text.split("/"))
    pairs = (segment.split(":", 1) for segment in segments if ":" in segment)
    return {level: value for level, value in pairs if value != "*"}


def _lowered(levels: Mapping[str, str]) -> dict[str, str]:
    return {level: value.lower() for level, value in levels.items()}
