"""Changes to the bytes of a body, before and after it is compressed."""

import gzip
from functools import cache
from random import Random
from typing import Final

from tests.fuzz.message import CODERS, Message

BYTES: Final = (
    *(b"\x00", b"\xff", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\r\n"),
    *(
        b" ",
        b"\xed\xa0\x80",
        b"\xf0\x9f",
        b"data: ",
        b'"usage":',
        b"\xef\xbb\xbf",
        b"0",
        b"-",
        b"e",
    ),
)
BOMB_BYTES: Final = (2**20, 40 * 2**20)
"""What a bomb expands to; the larger one is more than one piece may."""


def flip(random: Random, data: bytes) -> bytes:
    """Some bytes are others."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 20))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def insert(random: Random, data: bytes) -> bytes:
    """Something stands in between."""
    at = random.randint(0, len(data))
    return data[:at] + random.choice(BYTES) * random.choice((1, 1, 2, 700)) + data[at:]


def delete(random: Random, data: bytes) -> bytes:
    """A stretch is missing."""
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.choice((1, 1, 2, 17, 400)) :]


def repeat(random: Random, data: bytes) -> bytes:
    """A stretch stands there twice, or more often."""
    at = random.randint(0, len(data))
    until = at + random.choice((1, 8, 300))
    return data[:until] + data[at:until] * random.choice((1, 1, 60)) + data[until:]


def cut(random: Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: random.randint(0, len(data))]


def noise(random: Random, _: bytes) -> bytes:
    """Nothing that anybody ever meant."""
    return random.randbytes(random.choice((0, 1, 16, 3_000)))


@cache
def _bomb(coding: str, size: int) -> bytes:
    return CODERS[coding](b" " * size)


def _code(random: Random, message: Message) -> None:
    message.coding = random.choice(list(CODERS))


def _mislabel(random: Random, message: Message) -> None:
    labels = ("gzip", "br", "zstd", "deflate", "x-gzip", "gzip, br", "identity", "?", "GZIP ")
    message.headers.append(("Content-Encoding", random.choice(labels)))


def _explode(random: Random, message: Message) -> None:
    coding = random.choice(list(CODERS))
    message.body = _bomb(coding, random.choice(BOMB_BYTES))
    message.headers.append(("Content-Encoding", coding))


def _follow(random: Random, message: Message) -> None:
    message.body += random.choice((gzip.compress(b"more"), gzip.compress(b""), b"padding", b"\x1f"))


def _flip(random: Random, message: Message) -> None:
    message.body = flip(random, message.body)


def _insert(random: Random, message: Message) -> None:
    message.body = insert(random, message.body)


def _delete(random: Random, message: Message) -> None:
    message.body = delete(random, message.body)


def _repeat(random: Random, message: Message) -> None:
    message.body = repeat(random, message.body)


def _cut(random: Random, message: Message) -> None:
    message.body = cut(random, message.body)


def _noise(random: Random, message: Message) -> None:
    message.body = noise(random, message.body)


BODY: Final = {
    "flip bits of the body": _flip,
    "insert into the body": _insert,
    "delete from the body": _delete,
    "repeat in the body": _repeat,
    "cut the body": _cut,
    "make the body noise": _noise,
}

CODING: Final = {"compress": _code, "mislabel": _mislabel, "compress again": _code}

CODED: Final = {
    "explode": _explode,
    "corrupt what is compressed": _flip,
    "cut what is compressed": _cut,
    "follow what is compressed": _follow,
}
