"""Fields of a request body, checked as the real APIs check them.

Every function raises ApiError with status 400, whose message never repeats a value.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from simulator.errors import ApiError, invalid
from simulator.models import Model, find_model

_Kind = TypeVar("_Kind")


def read_object(body: bytes) -> dict[str, Any]:
    """The body, which has to be a JSON object."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ApiError(400, "The request body is not a JSON object.")
    return fields


def read_model(fields: Mapping[str, Any], models: Mapping[str, Model]) -> Model:
    """The model that is asked for. Raises ApiError: 404 too, for an unknown one."""
    name = fields.get("model")
    if not isinstance(name, str) or not name:
        raise invalid("model", "A model has to be named, as a string.")
    model = find_model(models, name)
    if model is None:
        raise ApiError(404, "There is no model of that name here.", "model_not_found", "model")
    return model


def optional(fields: Mapping[str, Any], name: str, kind: type[_Kind]) -> _Kind | None:
    """A field of one type; None where it is absent or null."""
    value = fields.get(name)
    if value is not None and not isinstance(value, kind):
        raise invalid(name, f"{name} has the wrong type.", "invalid_type")
    return value


def boolean(fields: Mapping[str, Any], name: str) -> bool:
    """A flag, which is not set unless it is true."""
    return optional(fields, name, bool) or False


def integer(fields: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number in its bounds; None where it is absent or null."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, f"{name} has to be an integer.", "invalid_type")
    if not least <= value <= most:
        raise invalid(name, f"{name} has to be from {least} to {most}.", "invalid_value")
    return value
