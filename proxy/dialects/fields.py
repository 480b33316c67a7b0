"""Fields that requests of several dialects have in common."""

from collections.abc import Mapping
from typing import Any, Final

from proxy.dialects.wire.json_text import invalid, optional
from proxy.domain.money import INT64_MAX

_MAX_MODEL_CHARS: Final = 256


def read_model(fields: Mapping[str, Any]) -> str:
    """The model's name: printable, since it goes on into headers, logs and metrics.

    Raises:
        Refused: INVALID_REQUEST.
    """
    model = fields.get("model")
    if type(model) is str and 0 < len(model) <= _MAX_MODEL_CHARS and model.isprintable():
        return model
    raise invalid("model", f"must be a string of 1 to {_MAX_MODEL_CHARS} printable characters")


def read_limit(fields: Mapping[str, Any], name: str) -> int | None:
    """A limit in tokens, None where it is absent or null.

    Raises:
        Refused: INVALID_REQUEST.
    """
    accepted = "a whole number of at least 1"
    limit = optional(fields, name, int, accepted)
    if limit is not None and not 1 <= limit <= INT64_MAX:
        raise invalid(name, f"must be {accepted}")
    return limit
