"""JSON as bytes: strict with what callers send, lenient with what upstreams send.

An object is edited member by member: a value that is not changed keeps its bytes, so that
no number loses digits and no text is escaped anew.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from proxy.domain.errors import Reason, Refused

MAX_DEPTH: Final = 128
"""Levels of nesting a request may have. JSON schemas of real tools stay under forty."""

T = TypeVar("T")

# The hook gives 1e400 a value (infinity) instead of an error: a number that we do not read
# is between the caller and the upstream.
_DECODER: Final = msgspec.json.Decoder(float_hook=float)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_KEY_END: Final = re.compile(rb'"[ \t\r\n]*+:')
_SPACED_KEY_END: Final = re.compile(rb'"[ \t\r\n]++:')
_CONTAINERS: Final = frozenset({dict, list})


def read_object(text: bytes) -> dict[str, Any]:
    """The object that a request body is.

    Raises:
        Refused: INVALID_REQUEST for text that is no JSON object in UTF-8, that repeats a
            key anywhere (two readers may then see two different calls), or that nests
            deeper than MAX_DEPTH. The message quotes nothing of the text.
    """
    try:
        tree = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise _refused("The request body is not valid UTF-8.") from None
    except ValueError as error:
        why = str(error).removeprefix("JSON is malformed: ")
        raise _refused(f"The request body is not valid JSON: {why}.") from None
    except RecursionError:
        raise _too_deep() from None
    if type(tree) is not dict:
        raise _refused("The request body must be a JSON object.")
    keys, depth = _measure(tree)
    if depth > MAX_DEPTH:
        raise _too_deep()
    if _has_more_keys(text, keys):
        raise _refused("The request body gives a key twice in the same object.")
    return tree


def optional(fields: Mapping[str, Any], name: str, kind: type[T], accepted: str) -> T | None:
    """A member of exactly this type, None when it is absent or null.

    Raises:
        Refused: INVALID_REQUEST for anything else; `accepted` says what would do.
    """
    value = fields.get(name)
    if value is None or type(value) is kind:
        return value
    raise invalid(name, f"must be {accepted}")


def invalid(param: str, rule: str) -> Refused:
    """The refusal of a request whose field `param` breaks a rule. Quotes no value."""
    return Refused(Reason.INVALID_REQUEST, f"{param} {rule}.", param=param)


def read_leniently(text: bytes) -> object:
    """What an upstream sent, None when it cannot be read.

    Takes what real servers send beside JSON: NaN and Infinity, control characters and
    lone surrogates in strings, broken UTF-8, a byte order mark.
    """
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        tree: object = json.loads(text.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return tree


def encode(value: object) -> bytes:
    """The value as compact JSON."""
    return _ENCODER.encode(value)


def with_members(text: bytes, changes: Mapping[str, bytes | None]) -> bytes:
    """The object with members set to other JSON text, or removed where that is None.

    All other members keep their place and the bytes of their value. New ones come last.

    Raises:
        ValueError: the text is no JSON object, or nests too deep to be read.
    """
    members = _members(text)
    for key, value in changes.items():
        if value is None:
            members.pop(key, None)
        else:
            members[key] = msgspec.Raw(value)
    return _ENCODER.encode(members)


def member(text: bytes, key: str) -> bytes:
    """The JSON text of one member of an object.

    Raises:
        ValueError: the text is no JSON object, or nests too deep to be read.
        KeyError: it has no such member.
    """
    return bytes(_members(text)[key])


def items_of(text: bytes) -> list[bytes]:
    """The JSON text of each item of an array.

    Raises:
        ValueError: the text is no JSON array.
    """
    return [bytes(item) for item in _ITEMS.decode(text)]


def with_last(text: bytes, item: bytes) -> bytes:
    """The array with one more item at its end; the others keep their bytes.

    Raises:
        ValueError: the text is no JSON array.
    """
    return array_of([*items_of(text), item])


def array_of(items: Iterable[bytes]) -> bytes:
    """The array of items that are JSON text."""
    return b"[%b]" % b",".join(items)


def with_items(text: bytes, kept: Iterable[bool]) -> bytes:
    """The array with only the items that are kept; their bytes are unchanged."""
    items = zip(_ITEMS.decode(text), kept, strict=True)
    return _ENCODER.encode([item for item, is_kept in items if is_kept])


def _members(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _MEMBERS.decode(text)
    except RecursionError:
        raise ValueError("too deep") from None


def _measure(tree: dict[str, Any]) -> tuple[int, int]:
    """How many keys its objects have together, and how deep it nests."""
    keys = depth = 0
    level: list[Any] = [tree]
    while level:
        depth += 1
        below: list[Any] = []
        for container in level:
            values = container
            if type(container) is dict:
                keys += len(container)
                values = container.values()
            for value in values:
                if type(value) in _CONTAINERS:
                    below.append(value)
        level = below
    return keys, depth


def _has_more_keys(text: bytes, keys: int) -> bool:
    """Whether the text spells more keys than the tree that was read from it has.

    Keys are counted by their ends. A string may have what looks like one inside, so only the
    second count, which leaves the insides of strings out, finds no more than there are.
    """
    if text.count(b'":') == keys and _SPACED_KEY_END.search(text) is None:
        return False
    return len(_KEY_END.findall(_STRING.sub(b'"', text))) != keys


def _too_deep() -> Refused:
    return _refused(f"The request body nests deeper than {MAX_DEPTH} levels.")


def _refused(message: str) -> Refused:
    return Refused(Reason.INVALID_REQUEST, message)
