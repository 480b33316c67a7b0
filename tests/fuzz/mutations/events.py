"""Changes to the events of a stream: what is missing, twice, out of order, or ends oddly."""

from copy import deepcopy
from random import Random
from typing import Any, Final

from tests.fuzz.message import Message

NONSENSE: Final[tuple[Any, ...]] = (
    *("", " ", "[DONE]", "[DONE] ", "{", "[]", "null", "{}", "3", '"usage"', "\ufeff{}", "\x00"),
    {"usage": {"prompt_tokens": -1, "completion_tokens": 10**20, "total_tokens": 0}},
    {"usage": {"prompt_tokens": 1e300, "completion_tokens": "x"}, "choices": [None, 3, {}]},
    {"type": "message_delta", "usage": {"output_tokens": -5, "input_tokens": True}},
    {"type": "message_start", "message": {"usage": None, "model": 7, "content": {}}},
    {"type": "content_block_delta", "index": 10**30, "delta": {"type": "text_delta", "text": 1}},
    {"type": "response.completed", "response": {"usage": [], "output": [[], None]}},
    {"type": "response.output_text.delta", "output_index": {}, "delta": ["x"]},
    {"type": "response.failed", "response": {"error": 3}},
    {"type": "error", "error": {"type": "overloaded_error"}},
    {"error": {"message": "no"}},
    {"choices": [{"index": [1], "delta": {"content": {"a": 1}, "tool_calls": {"x": 2}}}]},
)
ODD_LINES: Final = (
    *(b": hold the line", b"data", b"data:", b"data:{}", b"event:", b"id: 1\x00", b"retry: x"),
    *(b"\xef\xbb\xbf", b"\x00", b"data: {\ndata: }", b"DATA: {}", b"data : 1", b"event: error"),
)


def _drop(random: Random, message: Message) -> None:
    assert message.events is not None
    if message.events:
        del message.events[random.randrange(len(message.events))]


def _repeat(random: Random, message: Message) -> None:
    assert message.events is not None
    if message.events:
        at = random.randrange(len(message.events))
        again = [deepcopy(message.events[at]) for _ in range(random.choice((1, 2, 30, 1_500)))]
        message.events[at:at] = again


def _shuffle(random: Random, message: Message) -> None:
    assert message.events is not None
    random.shuffle(message.events)


def _interrupt(random: Random, message: Message) -> None:
    assert message.events is not None
    at = random.randint(0, len(message.events))
    name = random.choice((None, "error", "message_stop", "response.completed", ""))
    message.events.insert(at, (name, deepcopy(random.choice(NONSENSE))))


def _misname(random: Random, message: Message) -> None:
    assert message.events is not None
    if message.events:
        at = random.randrange(len(message.events))
        name = random.choice((None, "", "error", "ping", "message_stop", "x" * 9_999, "\ud7ff"))
        message.events[at] = (name, message.events[at][1])


def _end_lines(random: Random, message: Message) -> None:
    message.line_end = random.choice((b"\r\n", b"\r"))


def _cut(random: Random, message: Message) -> None:
    assert message.events is not None
    del message.events[random.randint(0, len(message.events)) :]


def _mix_line_ends(random: Random, message: Message) -> None:
    lines = message.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    message.body = b"".join(
        line + random.choice((b"\n", b"\r\n", b"\r", b"\n\r", b"\n\n")) for line in lines
    )


def _add_lines(random: Random, message: Message) -> None:
    lines = message.body.split(message.line_end)
    for _ in range(random.randint(1, 4)):
        lines.insert(random.randint(0, len(lines)), random.choice(ODD_LINES))
    message.body = message.line_end.join(lines)


EVENTS: Final = {
    "drop an event": _drop,
    "repeat an event": _repeat,
    "shuffle events": _shuffle,
    "interrupt": _interrupt,
    "misname an event": _misname,
    "end lines otherwise": _end_lines,
    "cut events": _cut,
}
LINES: Final = {
    "mix line ends": _mix_line_ends,
    "add lines": _add_lines,
}
"""Changes to the events as they are written down."""
