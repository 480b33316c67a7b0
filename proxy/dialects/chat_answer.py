"""What an answer says about itself, and the texts it delivered."""

import re
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from typing import Any, Final, Literal

import msgspec

from pricing.usage import Usage
from proxy.dialects.chat_usage import UsageFault, read_usage, reported_usage
from proxy.dialects.json_text import encode, member, read_leniently, with_members

MAX_TEXT_CHARS: Final = 4 * 2**20
"""About a million tokens, more than any model writes; beyond it texts are no longer kept."""

MAX_CHOICES_KEPT: Final = 1_024
"""Eight times what the API allows."""

_PLACE_CHARS: Final = 64
"""What a new place for text takes of MAX_TEXT_CHARS, so that places are bounded, too."""

_FRAGMENT: Final = re.compile(
    rb'"(?:content|refusal|reasoning_content|reasoning|transcript|name|arguments|input)"'
    rb'\s*+:\s*+"([^"\\]*+(?:\\.[^"\\]*+)*+)'
)
"""A text that was delivered, in JSON that breaks off."""


class Answer(msgspec.Struct, frozen=True):
    """What is known of an answer.

    `usage` is None when none was reported, or one that cannot be (`usage_fault`).
    `model` and `service_tier` are what served, as the answer names them. `complete` says
    that nothing is missing: a whole JSON answer, or a stream that came to its end.
    """

    usage: Usage | None
    usage_fault: UsageFault | None
    model: str | None
    service_tier: str | None
    complete: bool
    delivered: "Callable[[], DeliveredTexts]"

    @property
    def choices(self) -> int:
        """How many answers came, whatever `n` asked for."""
        return self.delivered().choices

    @property
    def countable(self) -> bool:
        """Whether `delivered_texts` is all that came. If not, counting it is no bound."""
        return not self.delivered().is_partial

    def delivered_texts(self) -> tuple[str, ...]:
        """Every text that came, for counting: contents, refusals, shown reasoning, names
        and arguments of tool calls, transcripts. Each is joined from its pieces.
        """
        return self.delivered().texts()


def read_answer(body: bytes) -> Answer:
    """Read a whole JSON answer; never fails, an unreadable one is merely not complete."""
    decoded = read_leniently(body)
    fields: Mapping[str, Any] = decoded if isinstance(decoded, dict) else {}
    usage, fault = read_usage(reported_usage(fields))

    def delivered() -> DeliveredTexts:
        texts = DeliveredTexts()
        if fields:
            texts.add(fields.get("choices"), "message")
        else:
            texts.add_fragment(body)
        return texts

    return Answer(
        usage,
        fault,
        text_or_none(fields.get("model")),
        text_or_none(fields.get("service_tier")),
        isinstance(fields.get("choices"), list),
        delivered,
    )


def add_cost(answer: bytes, cost_usd: str) -> bytes:
    """The JSON answer, or chunk, with `usage.cost_usd`; unchanged when it has no usage.

    `cost_usd` is a decimal string. Everything else keeps its bytes.
    """
    try:
        usage = with_members(member(answer, "usage"), {"cost_usd": encode(cost_usd)})
        return with_members(answer, {"usage": usage})
    except (ValueError, KeyError):
        return answer


def text_or_none(value: object) -> str | None:
    """The value if it is text."""
    return value if isinstance(value, str) else None


class DeliveredTexts:
    """The texts of an answer, by choice and by where they belong."""

    def __init__(self) -> None:
        self.is_partial = False
        self._pieces: dict[tuple[object, ...], StringIO] = {}
        self._finished: dict[object, bool] = {}
        self._chars = 0

    @property
    def choices(self) -> int:
        return len(self._finished)

    @property
    def finished(self) -> bool:
        """Whether every choice that came has said why it ended."""
        return bool(self._finished) and all(self._finished.values())

    def add(self, choices: object, part: Literal["message", "delta"]) -> None:
        """Take in the `choices` of an answer or of a chunk."""
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = _index(choice, place)
            if index not in self._finished and len(self._finished) >= MAX_CHOICES_KEPT:
                self.is_partial = True
                continue
            finished = choice.get("finish_reason") is not None
            self._finished[index] = finished or self._finished.get(index, False)
            if isinstance(message := choice.get(part), dict):
                for where, text in _texts(message):
                    self._keep((index, *where), text)

    def add_fragment(self, text: bytes) -> None:
        """Take in what can be seen of JSON that breaks off."""
        for match in _FRAGMENT.finditer(text):
            self._keep(("fragment", self._chars), match[1].decode("utf-8", "replace"))

    def texts(self) -> tuple[str, ...]:
        return tuple(pieces.getvalue() for pieces in self._pieces.values())

    def _keep(self, where: tuple[object, ...], text: str) -> None:
        if not text:
            return
        self._chars += len(text) if where in self._pieces else len(text) + _PLACE_CHARS
        if self._chars > MAX_TEXT_CHARS:
            self.is_partial = True
        else:
            self._pieces.setdefault(where, StringIO()).write(text)


def _texts(message: Mapping[str, Any]) -> Iterator[tuple[tuple[object, ...], str]]:
    """The texts of a message or delta, each with where it goes on in the next delta."""
    for name in ("content", "refusal", "reasoning_content", "reasoning"):
        value = message.get(name)
        if isinstance(value, str):
            yield (name,), value
        elif isinstance(value, list):
            for part in value:
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    yield (name,), part["text"]
    audio = message.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("transcript"), str):
        yield ("audio",), audio["transcript"]
    yield from _called(message.get("function_call"), ("function_call",))
    calls = message.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            where = ("tool_calls", _index(call, place))
            yield from _called(call.get("function"), where)
            yield from _called(call.get("custom"), where)


def _called(call: object, where: tuple[object, ...]) -> Iterator[tuple[tuple[object, ...], str]]:
    if isinstance(call, dict):
        for name in ("name", "arguments", "input"):
            if isinstance(call.get(name), str):
                yield (*where, name), call[name]


def _index(numbered: Mapping[str, Any], place: int) -> int:
    index = numbered.get("index")
    return index if type(index) is int else place
