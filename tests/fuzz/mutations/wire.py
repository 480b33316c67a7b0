"""Changes to the bytes on the wire, to the pieces they come in, and to how they end."""

from collections.abc import Callable
from random import Random
from typing import Final

from tests.fuzz.message import Message
from tests.fuzz.mutations.body import cut, delete, flip, insert, noise, repeat

GARBAGE: Final = (
    *(b"\r\n", b"\n", b"\x00", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    *(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def _on_wire(change: Callable[[Random, bytes], bytes]) -> Callable[[Random, Message], None]:
    def mutate(random: Random, message: Message) -> None:
        message.wire = change(random, message.wire)

    return mutate


def _in_head(change: Callable[[Random, bytes], bytes]) -> Callable[[Random, Message], None]:
    def mutate(random: Random, message: Message) -> None:
        head, gap, body = message.wire.partition(b"\r\n\r\n")
        message.wire = change(random, head + gap) + body

    return mutate


def _follow(random: Random, message: Message) -> None:
    message.wire += random.choice((*GARBAGE, message.wire))


def _precede(random: Random, message: Message) -> None:
    message.wire = random.choice(GARBAGE) + message.wire


def _bare_line_ends(random: Random, message: Message) -> None:
    head, gap, body = message.wire.partition(b"\r\n\r\n")
    end = random.choice((b"\n", b"\r"))
    message.wire = (head + gap).replace(b"\r\n", end) + body


def _bad_chunk(random: Random, message: Message) -> None:
    """Of what is not in chunks this makes something else."""
    head, gap, body = message.wire.partition(b"\r\n\r\n")
    _, line_end, rest = body.partition(b"\r\n")
    sizes = (
        b"-1",
        b"0x5",
        b"",
        b"fffffffffffffffff",
        b"5;a=b",
        b" 5",
        b"5 ",
        b"zz",
        b"0",
        b"g" * 9_999,
    )
    message.wire = head + gap + random.choice(sizes) + line_end + rest


def _divide(random: Random, message: Message) -> None:
    message.cuts = [random.randrange(1_000) for _ in range(random.choice((1, 3, 40)))]


def _crumble(random: Random, message: Message) -> None:
    message.cuts = list(range(1_000))
    message.pause_ms = 0


def _dawdle(random: Random, message: Message) -> None:
    message.cuts = [random.randrange(1_000) for _ in range(random.choice((1, 3)))]
    message.pause_ms = random.choice((50, 190, 260, 600))


def _shut(random: Random, message: Message) -> None:
    message.end = "shut"


def _reset(random: Random, message: Message) -> None:
    message.end = "reset"


WIRE: Final = {
    "flip bits on the wire": _on_wire(flip),
    "insert on the wire": _on_wire(insert),
    "delete from the wire": _on_wire(delete),
    "repeat on the wire": _on_wire(repeat),
    "cut the wire": _on_wire(cut),
    "make the wire noise": _on_wire(noise),
    "flip bits of the head": _in_head(flip),
    "insert into the head": _in_head(insert),
    "delete from the head": _in_head(delete),
    "cut the head": _in_head(cut),
    "end lines of the head barely": _bare_line_ends,
    "size a chunk badly": _bad_chunk,
    "follow": _follow,
    "precede": _precede,
}
ENDS: Final = {
    "divide": _divide,
    "crumble": _crumble,
    "dawdle": _dawdle,
    "shut": _shut,
    "reset": _reset,
}
