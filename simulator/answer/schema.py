"""A value that a JSON schema accepts: the part of JSON Schema that structured outputs allow.

A `pattern` is not followed. Source: https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas
"""

import math
from collections.abc import Mapping
from random import Random
from typing import Any

from simulator.answer.words import WORDS

# A schema may refer to itself; below this depth lists are empty and choices take null.
_DEEPEST = 6
# A schema may ask for more than anybody wants to read.
_MOST_VALUES = 5_000
_LONGEST_STRING = 10_000

_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1M",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def make_value(schema: Mapping[str, Any], random: Random) -> Any:
    """A value that `schema` accepts, chosen with `random`; `{}` is taken as an object.

    Raises ValueError: it is no schema, or one that no value of bearable size can satisfy.
    """
    try:
        return _Maker(schema, random).value(schema, 0)
    # A schema is whatever somebody wrote: all the ways in which it can be none end here.
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError("the schema cannot be followed") from error


class _Maker:
    def __init__(self, root: Mapping[str, Any], random: Random) -> None:
        self._root = root
        self._random = random
        self._steps = 0

    def value(self, schema: Mapping[str, Any], depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        for branches in ("anyOf", "oneOf"):
            if branches in schema:
                return self.value(self._branch(schema[branches], depth), depth + 1)
        return self._typed(schema, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        self._step()
        while isinstance(reference := schema.get("$ref"), str):
            self._step()
            schema = self._root
            for step in reference.removeprefix("#").strip("/").split("/"):
                schema = schema[step] if step else schema
        return schema

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_VALUES:
            raise ValueError("the schema asks for too many values")

    def _branch(self, branches: list[Mapping[str, Any]], depth: int) -> Mapping[str, Any]:
        plain = [branch for branch in branches if branch.get("type") not in (None, "object")]
        return self._random.choice(plain if depth >= _DEEPEST and plain else branches)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object")
        if isinstance(kind, list):
            kind = "null" if depth >= _DEEPEST and "null" in kind else self._random.choice(kind)
        match kind:
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(schema)
            case "boolean":
                return self._random.random() < 0.5
            case "null":
                return None
            case "array":
                return self._array(schema, depth)
            case _:
                return self._object(schema, depth)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required", ())
        wanted = properties if depth < _DEEPEST else [n for n in properties if n in required]
        return {name: self.value(properties[name], depth + 1) for name in wanted}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        length = least if depth >= _DEEPEST else max(least, min(2, schema.get("maxItems", 2)))
        return [self.value(schema.get("items") or {}, depth + 1) for _ in range(length)]

    def _string(self, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if schema.get("minLength", 0) > _LONGEST_STRING:
            raise ValueError("the schema asks for too long a string")
        text = self._random.choice(WORDS)
        while len(text) < schema.get("minLength", 0):
            text += " " + self._random.choice(WORDS)
        return text[: schema.get("maxLength", len(text))]

    def _number(self, schema: Mapping[str, Any]) -> float:
        step = schema.get("multipleOf", 1)
        if "minimum" in schema or "exclusiveMinimum" in schema:
            least = max(
                schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + step
            )
            smallest: float = math.ceil(least / step) * step
            return smallest
        most = min(schema.get("maximum", step), schema.get("exclusiveMaximum", math.inf) - step)
        largest: float = math.floor(most / step) * step
        return largest
