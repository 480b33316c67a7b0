"""Bytes to a request, or one sentence about what is wrong with them."""

import json
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

from proxy.cycles_wire.schemas import Schema

MAX_DEPTH: Final = 64
"""Levels of nesting that a request may have; only metadata nests at all."""

_MESSAGE_CHARACTERS_MAX: Final = 300
"""A name that a client made up stands in the message, and can be as long as its body."""

Request = TypeVar("Request", bound=Schema)


class MalformedRequest(ValueError):
    """The request is not what the protocol says. `str()` of it is for the client."""


def read_request(body: bytes, kind: type[Request]) -> Request:
    """The request that a body is.

    Raises:
        MalformedRequest: no JSON in UTF-8, a schema's rule broken, a key given twice in one
            object, or nested deeper than MAX_DEPTH. No value of the body is quoted.
    """
    try:
        request: Request = _decoder(kind).decode(body)
        tree = json.loads(body, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not valid UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise MalformedRequest(_told(error)) from None
    # With fewer brackets than levels there is nothing to look for.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(tree, MAX_DEPTH)
    return request


@lru_cache(maxsize=32)
def _decoder(kind: type[Request]) -> msgspec.json.Decoder[Request]:
    return msgspec.json.Decoder(kind)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers of an object that gives a key twice may read two different requests."""
    found = dict(members)
    if len(found) < len(members):
        raise MalformedRequest("a key is given twice in the same object")
    return found


def _check_depth(value: Any, levels: int) -> None:
    if not isinstance(value, dict | list):
        return
    if levels == 0:
        raise _too_deep()
    for inner in value.values() if isinstance(value, dict) else value:
        _check_depth(inner, levels - 1)


def _too_deep() -> MalformedRequest:
    return MalformedRequest(f"The body nests deeper than {MAX_DEPTH} levels.")


def _told(error: ValueError) -> str:
    return f"The body is not valid: {error}."[:_MESSAGE_CHARACTERS_MAX]
