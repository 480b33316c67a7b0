"""What is known of an answer, in any dialect, and the texts that it delivered."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, Final

import msgspec

from pricing.usage import Usage
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import encode, member, read_leniently, with_members

MAX_TEXT_CHARS: Final = 4 * 2**20
"""About a million tokens, more than any model writes; beyond it texts are no longer kept."""

MAX_CHOICES_KEPT: Final = 1_024
"""Eight times what the APIs allow."""

NAME: Final = "name"
"""Where, in the place of a call, the text is kept that names its tool."""

_PLACE_CHARS: Final = 64
"""What a new place for text takes of MAX_TEXT_CHARS, so that places are bounded, too."""


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

    def called_tools(self) -> Mapping[str, int]:
        """How often each tool was called, by the name that the answer has for it."""
        return self.delivered().called_tools()


class DeliveredTexts:
    """The texts of an answer, by where they belong, and its choices.

    `sound_tokens` is what came as sound and not as text.
    """

    def __init__(self) -> None:
        self.is_partial = False
        self.sound_tokens = 0
        self._pieces: dict[tuple[object, ...], StringIO] = {}
        self._calls: dict[tuple[object, ...], str] = {}
        self._finished: dict[object, bool] = {}
        self._chars = 0

    @property
    def choices(self) -> int:
        return len(self._finished)

    @property
    def finished(self) -> bool:
        """Whether every choice that came has said why it ended."""
        return bool(self._finished) and all(self._finished.values())

    def note(self, choice: object, *, finished: bool) -> bool:
        """A choice has come, or come to its end; whether there is still room for its texts."""
        if choice not in self._finished and len(self._finished) >= MAX_CHOICES_KEPT:
            self.is_partial = True
            return False
        self._finished[choice] = finished or self._finished.get(choice, False)
        return True

    def keep(self, where: tuple[object, ...], text: str) -> None:
        """Take in a piece of the text that belongs there."""
        if not text:
            return
        self._chars += len(text) if where in self._pieces else len(text) + _PLACE_CHARS
        if self._chars > MAX_TEXT_CHARS:
            self.is_partial = True
        else:
            self._pieces.setdefault(where, StringIO()).write(text)

    def keep_rest(self, where: tuple[object, ...], text: str) -> None:
        """Take in what is missing of the text that belongs there: this is all of it."""
        pieces = self._pieces.get(where)
        self.keep(where, text[pieces.tell() :] if pieces is not None else text)

    def note_call(self, where: tuple[object, ...], tool: str) -> None:
        """What belongs there is a call of this tool, whatever is named in it."""
        if where in self._calls or len(self._calls) < MAX_CHOICES_KEPT:
            self._calls[where] = tool
        else:
            self.is_partial = True

    def keep_fragments(self, pattern: re.Pattern[bytes], text: bytes) -> None:
        """Take in what can be seen of JSON that breaks off: the pattern's first groups."""
        for match in pattern.finditer(text):
            self.keep(("fragment", self._chars), match[1].decode("utf-8", "replace"))

    def texts(self) -> tuple[str, ...]:
        return tuple(pieces.getvalue() for pieces in self._pieces.values())

    def called_tools(self) -> Mapping[str, int]:
        """How often each tool was called. A name is kept in its call, as `name`."""
        named = {
            where[:-1]: pieces.getvalue()
            for where, pieces in self._pieces.items()
            if where[-1] == NAME
        }
        return Counter((named | self._calls).values())

    def text_at(self, where: tuple[object, ...]) -> str:
        """The text that belongs there, as far as it came."""
        pieces = self._pieces.get(where)
        return pieces.getvalue() if pieces is not None else ""

    def has_finished(self, choice: object) -> bool:
        """Whether this choice has said why it ended."""
        return self._finished.get(choice, False)


def uncountable() -> DeliveredTexts:
    """No texts, and they are not all that came."""
    texts = DeliveredTexts()
    texts.is_partial = True
    return texts


def read_fields(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a whole answer is; empty for anything else."""
    decoded = read_leniently(body)
    return decoded if isinstance(decoded, dict) else {}


def deliver_when_asked(
    body: bytes,
    fields: Mapping[str, Any],
    deliver: Callable[[DeliveredTexts, Mapping[str, Any]], None],
    fragment: re.Pattern[bytes],
) -> Callable[[], DeliveredTexts]:
    """The texts of a whole answer: as `deliver` takes them in from its `fields`, or as far as
    they can be seen in a body that has none. Nothing is read before somebody asks.
    """

    def delivered() -> DeliveredTexts:
        texts = DeliveredTexts()
        if fields:
            deliver(texts, fields)
        else:
            texts.keep_fragments(fragment, body)
        return texts

    return delivered


def add_cost(answer: bytes, cost_usd: str) -> bytes:
    """The JSON answer, or event, with `usage.cost_usd`; unchanged when it has no usage.

    `cost_usd` is a decimal string. Everything else keeps its bytes.
    """
    try:
        usage = with_members(member(answer, "usage"), {"cost_usd": encode(cost_usd)})
        return with_members(answer, {"usage": usage})
    except (ValueError, KeyError):
        return answer


def fragment_pattern(*names: str) -> re.Pattern[bytes]:
    """Finds the texts of these members in JSON that breaks off."""
    return re.compile(rb'"(?:%b)"\s*+:\s*+"([^"\\]*+(?:\\.[^"\\]*+)*+)' % "|".join(names).encode())


def fragment_bytes(pattern: re.Pattern[bytes], event: bytes) -> int:
    """How many bytes the texts take that can be seen in JSON: no fewer than they have."""
    return sum(map(len, pattern.findall(event)))


def text_or_none(value: object) -> str | None:
    """The value if it is text."""
    return value if isinstance(value, str) else None
