"""Whether a name surely means a listed model.

The look-up of genai-prices itself is generous: prefixes, substrings, other providers. That is
right for a report and wrong for a budget. Here a name must be a listed one, or a listed one
with no more than a date or version behind it.
"""

import re
from collections.abc import Iterator
from typing import Final

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
)

EXACT: Final = 1_000_000
"""How well an exact name fits: better than any part of one."""

_RELEASE: Final = re.compile(
    r"(?:[-@:](?:latest|preview|\d{8}|\d{4}-\d\d-\d\d|\d\d-\d\d|\d\d-\d{4}|\d{3,4}))+$"
)
"""What providers put behind a model's name for one release of it."""


def fit(clause: MatchLogic, name: str) -> int:
    """How surely `clause` means `name`: EXACT, the length of the part it names, or 0."""
    match clause:
        case ClauseEquals(equals=literal):
            return EXACT if name == literal.lower() else 0
        case ClauseRegex(regex=regex):
            anchored = regex.startswith("^") and regex.endswith("$")
            return EXACT - 1 if anchored and re.search(regex, name) else 0
        case ClauseStartsWith(starts_with=literal) | ClauseContains(contains=literal):
            return _prefix_fit(literal.lower(), name)
        case ClauseEndsWith(ends_with=literal):
            return EXACT if name == literal.lower() else 0
        case ClauseOr(or_=clauses):
            return max(fit(each, name) for each in clauses)
        case ClauseAnd(and_=clauses):
            return max(fit(each, name) for each in clauses) if clause.is_match(name) else 0


def _prefix_fit(literal: str, name: str) -> int:
    """Whether `name` is `literal` and at most the release of it behind."""
    if not name.startswith(literal):
        return 0
    if literal.startswith("ft:"):
        return len(literal)
    stem = _RELEASE.sub("", name)
    return len(literal) if len(literal) >= len(stem) else 0


def literals(clause: MatchLogic) -> Iterator[str]:
    """Every name that `clause` spells out."""
    match clause:
        case ClauseEquals(equals=literal):
            yield literal
        case ClauseOr(or_=clauses):
            for each in clauses:
                yield from literals(each)
