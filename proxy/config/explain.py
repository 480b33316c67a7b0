"""What a validation error says to the person who wrote the file."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config.describe import accepted, kind_at
from proxy.config.findings import Finding, Path
from proxy.config.sections.base import NOT_SUPPORTED
from proxy.config.source import Document

_KEY_MARK: Final = "[key]"
"""What pydantic adds to the location of a map's key."""

_PROBLEMS: Final[Mapping[str, str]] = {
    "missing": "missing",
    "literal_error": "not one of the accepted values",
    "greater_than": "out of range",
    "greater_than_equal": "out of range",
    "less_than": "out of range",
    "less_than_equal": "out of range",
    "finite_number": "not a finite number",
    "int_from_float": "not a whole number",
    "too_short": "empty",
    "string_too_short": "empty",
    "string_too_long": "too long",
    "string_pattern_mismatch": "not written as it must be",
}


def explain(error: ValidationError, document: Document) -> Iterator[Finding]:
    """One finding for each thing that is wrong, without those the document has already."""
    for detail in error.errors(include_url=False, include_input=False):
        path, problem = _problem(detail, document)
        if any(path[: len(broken)] == broken for broken in document.broken):
            continue
        if detail["type"] == "too_short" and _value_at(document.value, path):
            continue  # pydantic counts good entries only, and the bad ones have findings
        if variables := document.variables.get(path):
            holders = " and ".join(f"${{{name}}}" for name in variables)
            problem = f"what {holders} holds is not accepted here"
        kind = kind_at(path) or kind_at(path[:-1])
        yield Finding(
            path,
            problem,
            accepted(kind) if kind is not None else "",
            file=document.file,
            line=document.origin.line_of(path),
        )


def _problem(detail: ErrorDetails, document: Document) -> tuple[Path, str]:
    path: Path = tuple(step for step in detail["loc"] if step != _KEY_MARK)
    code = detail["type"]
    if code == "config":
        context = detail["ctx"]
        return (*path, *context["at"]), context["problem"]
    if code == "extra_forbidden":
        return path, _unknown_key(path)
    if code in _PROBLEMS:
        return path, _PROBLEMS[code]
    return path, _wrong_kind(_value_at(document.value, path), wants_text=code == "string_type")


def _unknown_key(path: Path) -> str:
    kind = kind_at(path[:-1])
    section = kind.section if kind is not None else None
    assert section is not None, "only sections know which keys they have"
    key = str(path[-1])
    if key in section.later_keys:
        return NOT_SUPPORTED
    known = [*section.model_fields, *section.later_keys]
    near = get_close_matches(key, known, n=1)
    return f'unknown key; did you mean "{near[0]}"?' if near else "unknown key"


def _wrong_kind(value: object, *, wants_text: bool) -> str:
    match value:
        case None:
            return "no value"
        case bool() | int() | Decimal() if wants_text:
            return "not text: put it in quotes"
        case Mapping():
            return "a map"
        case str():
            return "text that cannot be read as such"
        case Sequence():
            return "a list"
        case _:
            return "not of the kind that is accepted"


def _value_at(value: object, path: Path) -> object:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
    return value
