"""Values that a published schema accepts, and values that it nearly accepts."""

from typing import Any

from hypothesis import strategies as st

from proxy.domain.money import INT64_MAX
from tests.cycles_wire.published import resolved

NOT_SERVED = frozenset({"cycles_evidence", "evidence"})
"""Signed evidence is optional in the protocol, and strict clients stumble over it."""

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_PLAIN = st.none() | st.booleans() | _TEXT | st.integers(-INT64_MAX, INT64_MAX)
_ANY = st.recursive(
    _PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=4,
)
_WRONG = st.sampled_from(
    [None, True, -1, 0, 0.5, "", "x", "ALLOW", "x" * 300, [], {}, {"x": 1}, ["x"], [None]]
)


def accepted(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What the schema accepts, its limits and one beyond among it."""
    part = resolved(part)
    if "enum" in part:
        return st.sampled_from(part["enum"])
    match part["type"]:
        case "string":
            return _text(part)
        case "integer":
            low, high = part.get("minimum", -INT64_MAX), part.get("maximum", INT64_MAX)
            return st.sampled_from([low, high]) | st.integers(low, high)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(accepted(part["items"]), max_size=part.get("maxItems", 2))
        case _:
            return _object(part)


def _text(part: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in part:
        return st.from_regex(part["pattern"].replace("$", r"\Z"))
    edges = {part.get("minLength", 0), part.get("maxLength", 3)}
    return st.sampled_from(sorted(edges)).map(lambda length: "é" * length) | _TEXT.filter(
        lambda text: len(text) >= part.get("minLength", 0)
    )


def _object(part: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in part:
        inner = part["additionalProperties"]
        values = accepted(inner) if isinstance(inner, dict) else _ANY
        return st.dictionaries(_TEXT, values, max_size=part.get("maxProperties", 2))
    members = {
        name: accepted({"minimum": 0, **inner} if name.endswith("_ms") else inner)
        for name, inner in part["properties"].items()
        if name not in NOT_SERVED
    }
    required = {*part.get("required", ()), *part.get("anyOf", [{}])[0].get("required", ())}
    return st.fixed_dictionaries(
        {name: members[name] for name in members if name in required},
        optional={name: members[name] for name in members if name not in required},
    )


@st.composite
def nearly(draw: st.DrawFn, part: dict[str, Any]) -> Any:
    """An accepted value with one thing in it changed, added or taken away."""
    value = draw(accepted(part).filter(bool))
    places = list(_places(value))
    holder, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "remove":
            del holder[key]
        case "add" if isinstance(holder, dict):
            holder[draw(_TEXT)] = draw(_WRONG)
        case _:
            holder[key] = draw(_WRONG | _longer(holder[key]))
    return value


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _longer(value: Any) -> st.SearchStrategy[Any]:
    """One beyond where the value is, which may be at its limit."""
    if isinstance(value, bool):
        return st.just("true")
    if isinstance(value, int):
        return st.sampled_from([value + 1, value - 1])
    if isinstance(value, str):
        return st.sampled_from([value + "é", value[1:]])
    if isinstance(value, list):
        return st.just(value + value[:1])
    if isinstance(value, dict):
        return st.just({**value, **{f"more-{number}": "x" for number in range(16)}})
    return st.nothing()
