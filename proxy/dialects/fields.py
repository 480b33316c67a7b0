"""Fields that requests of several dialects have in common."""

from collections.abc import Mapping
from typing import Any, Final

from proxy.dialects.wire.json_text import invalid, optional
from proxy.domain.money import INT64_MAX

_MAX_MODEL_CHARS: Final = 256
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}


def read_model(fields: Mapping[str, Any]) -> str:
    """The model's name: printable, since it goes on into headers, logs and metrics.

    Raises:
        Refused: INVALID_REQUEST.
    """
    model = fields.get("model")
    if type(model) is str and 0 < len(model) <= _MAX_MODEL_CHARS and model.isprintable():
        return model
    raise invalid("model", f"must be a string of 1 to {_MAX_MODEL_CHARS} printable characters")


def read_number(
    fields: Mapping[str, Any], name: str, least: int, most: int = INT64_MAX
) -> int | None:
    """A whole number, None where it is absent or null.

    Raises:
        Refused: INVALID_REQUEST.
    """
    accepted = f"a whole number from {least} to {most}"
    if most == INT64_MAX:
        accepted = f"a whole number of at least {least}"
    number = optional(fields, name, int, accepted)
    if number is not None and not least <= number <= most:
        raise invalid(name, f"must be {accepted}")
    return number


def flag_of(text: str, name: str) -> bool:
    """A flag out of a form, in which everything is text.

    Raises:
        Refused: INVALID_REQUEST.
    """
    flag = _FLAGS.get(text.lower())
    if flag is None:
        raise invalid(name, "must be true or false")
    return flag


def read_messages(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a conversation: at least one.

    Raises:
        Refused: INVALID_REQUEST.
    """
    messages = fields.get("messages")
    if type(messages) is not list or not messages:
        raise invalid("messages", "must be an array of at least one message")
    return check_objects(messages, "messages")


def check_objects(items: list[Any], param: str) -> list[dict[str, Any]]:
    """The items of an array, each of which has to be an object.

    Raises:
        Refused: INVALID_REQUEST.
    """
    for place, item in enumerate(items):
        if type(item) is not dict:
            raise invalid(f"{param}[{place}]", "must be an object")
    return items
