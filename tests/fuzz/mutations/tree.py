"""Changes to the JSON of a message: what stands where something else is expected."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

from tests.fuzz.corpus import FIELDS
from tests.fuzz.message import Message, encoded

Place = tuple[Any, Any]
"""A list or an object, and the index or the name of something in it."""

VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, -7, 2, 1.5, -0.0, 1e300, "", "0", "12", "auto", "none"),
    *(10**9, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(2**63), 10**400),
    *([], {}, [[]], [{}], [None], {"": None}, {"type": 3}, {"type": []}, {"type": None}),
    *("\ud800", "a\udc00b", "\x00", "\u2028", "🏳️‍🌈", "data: [DONE]\n\n", "[DONE]", '"}'),
    *({"type": "text"}, {"type": "text", "text": None}, {"type": "image_url", "image_url": "x"}),
    *([1, 2, 3], [[1, 2], [3]], [1e999], {"name": {}}, {"function": None}, {"budget_tokens": -1}),
)

RAW: Final = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"-0", b"1E+2", b"01"),
    *(b'"\\ud83d"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\t"'),
    *(b"'a'", b"undefined", b"1.", b".5", b"0x10", b"1_000", b"tru", b"[1,]", b'{"a":1,}'),
    *(b'{"a":1,"a":2}', b'{"type":"text","type":3}', b'"' + b"\\" * 999, b"/**/1", b""),
    b'{"prompt_tokens":1,"prompt_tokens":-1,"completion_tokens":1,"completion_tokens":1e9}',
)
"""What is written where a value stands, JSON or not."""

DEPTHS: Final = (40, 300, 1_100, 20_000)
LENGTHS: Final = (200, 5_000, 70_000)


def _places(value: Any) -> Iterator[Place]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in inner:
        yield value, name
        if isinstance(each, (dict, list)):
            yield from _places(each)


def _roots(random: Random, message: Message) -> Any:
    """The JSON to change: of a stream, that of one event."""
    if message.events is None:
        return message.value
    trees = [data for _, data in message.events if isinstance(data, (dict, list))]
    return random.choice(trees) if trees else None


def _change(make: Callable[[Random, Message, Any], Any]) -> Callable[[Random, Message], None]:
    """Put something in a place that chance picks; `make` knows what stood there."""

    def change(random: Random, message: Message) -> None:
        root = _roots(random, message)
        places = list(_places(root)) if isinstance(root, (dict, list)) else []
        if places:
            holder, name = random.choice(places)
            holder[name] = make(random, message, holder[name])

    return change


def _nest(random: Random, message: Message, _: Any) -> str:
    depth = random.choice((*DEPTHS, random.randint(850, 1_000)))
    first, last = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"content":[', b"]}")))
    closed = random.random() < 0.8
    return message.put_raw(first * depth + b"1" + (last * depth if closed else b""))


def _lengthen(random: Random, _: Message, old: Any) -> Any:
    length = random.choice(LENGTHS)
    if isinstance(old, list) and old:
        return (old * length)[: min(length, 2_000)]
    return random.choice(("a", "é", "a ", "\n", "0", '"', "\\", "🏳️‍🌈")) * length


def _name(random: Random, message: Message) -> None:
    """Give an object a field that some API has."""
    root = _roots(random, message)
    if not isinstance(root, dict):
        return
    objects = [root, *(h[n] for h, n in _places(root) if isinstance(h[n], dict))]
    value = deepcopy(random.choice(VALUES))
    random.choice(objects)[random.choice(FIELDS)] = value


def _rename(random: Random, message: Message) -> None:
    root = _roots(random, message)
    places = [p for p in _places(root)] if isinstance(root, (dict, list)) else []
    named = [(holder, name) for holder, name in places if isinstance(holder, dict)]
    if named:
        holder, name = random.choice(named)
        value = holder.pop(name)
        holder[random.choice((*FIELDS, "", "\ud800", name + " ", name.upper()))] = value


def _drop(random: Random, message: Message) -> None:
    root = _roots(random, message)
    places = list(_places(root)) if isinstance(root, (dict, list)) else []
    if places:
        holder, name = random.choice(places)
        del holder[name]


def _say_twice(random: Random, message: Message, old: Any) -> Any:
    """An object with a name that stands in it twice."""
    if not isinstance(old, dict) or not old:
        return old
    name = random.choice(list(old))
    again = encoded(name) + b": " + encoded(random.choice(VALUES))
    inner = encoded(old)[1:-1]
    parts = [inner, again] if random.random() < 0.5 else [again, inner]
    return message.put_raw(b"{" + b", ".join(parts) + b"}")


def _replace_all(random: Random, message: Message) -> None:
    """Something else altogether."""
    if message.events is None:
        message.value = deepcopy(random.choice(VALUES))


TREE: Final = {
    "put a value": _change(lambda random, *_: deepcopy(random.choice(VALUES))),
    "put another value": _change(lambda random, *_: deepcopy(random.choice(VALUES))),
    "write a value": _change(lambda random, message, _: message.put_raw(random.choice(RAW))),
    "nest": _change(_nest),
    "lengthen": _change(_lengthen),
    "wrap": _change(lambda random, _, old: random.choice(([old], {"a": old}, [[old, old]]))),
    "say twice": _change(_say_twice),
    "name": _name,
    "rename": _rename,
    "drop": _drop,
    "replace all": _replace_all,
}
