"""A streamed answer: relayed as it comes, and read along.

Per chunk only the ends of events are found, and `"usage"` is searched in them. Deltas are
kept as they came, and decoded when somebody asks what was delivered, or 128 KiB at a time.

Source: https://platform.openai.com/docs/api-reference/chat-streaming; field-report 39, 40.
"""

import re
from collections.abc import Callable
from typing import Any, Final, Literal

from pricing.usage import Usage
from proxy.dialects.chat_answer import Answer, DeliveredTexts, add_cost, text_or_none
from proxy.dialects.chat_usage import UsageFault, read_usage, reported_usage
from proxy.dialects.json_text import read_leniently
from proxy.dialects.sse import EventSplitter, data_of

MAX_HELD_BYTES: Final = 64 * 2**10
"""The most of an unfinished event that waits for its end before it is relayed."""

MAX_RAW_BYTES: Final = 128 * 2**10
"""The most of the stream that is kept undecoded."""

_OBJECT_BYTES: Final = 48

# No text can look like this: inside a JSON string the quotes are escaped.
_USAGE_GIVEN: Final = re.compile(rb'"usage"\s*+:\s*+[^n]')
_DONE: Final = b"[DONE]"
_MAX_DONE_BYTES: Final = 64


class AnswerStream:
    """Takes a stream in pieces and gives what goes to the client.

    strip_usage: the usage was asked for by us, not by the client: the chunk that was sent
        for it alone is taken out. (The `"usage": null` on the other chunks stays; every
        client knows it.) Otherwise every piece goes on at once, as the same object.
    cost_of: gives the cost in dollars, as a decimal string, of the answer whose usage has
        just come; it is added to that usage. None adds nothing.
    n: how many choices were asked for; before that many have ended, or `[DONE]` came, an
        answer is not complete.

    Only where something may be taken out or added does the unfinished end of a piece wait,
    at most MAX_HELD_BYTES of it.
    """

    def __init__(
        self,
        *,
        strip_usage: bool,
        cost_of: Callable[[Answer], str | None] | None = None,
        n: int = 1,
    ) -> None:
        self._strips_usage = strip_usage
        self._n = n
        self.saw_done = False
        self._cost_of = cost_of
        self._events = EventSplitter()
        self._usage: Usage | None = None
        self._fault: UsageFault | None = None
        self._model: str | None = None
        self._service_tier: str | None = None
        self._raw: list[bytes] = []
        self._raw_bytes = 0
        self._delivered = DeliveredTexts()
        self._held = bytearray()
        self._is_passing = False
        # A CR at the end of a piece ends an event; an LF that follows is the other half of the
        # same line end, and goes where the event went.
        self._ended_at_cr: Literal["relayed", "taken out"] | None = None

    @property
    def rewrites(self) -> bool:
        """Whether what goes to the client may differ from what came."""
        return self._strips_usage or self._cost_of is not None

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client now."""
        if self.rewrites:
            return self._relay(chunk)
        for event, _ in self._events.feed(chunk):
            self._read(event)
        return chunk

    def finish(self) -> bytes:
        """What is left for the client when the stream has ended, however it did."""
        replacement = self._replacement(self._events.finish())
        held = bytes(self._held)
        self._held.clear()
        return held if replacement is None or self._is_passing else replacement

    @property
    def saw_finish_reason(self) -> bool:
        """Whether every choice that came, and that was asked for, has said why it ended."""
        texts = self._decoded()
        return texts.finished and texts.choices >= self._n

    @property
    def saw_content(self) -> bool:
        """Whether any text has come."""
        return bool(self._decoded().texts())

    @property
    def answer(self) -> Answer:
        """What is known by now. The last usage that can be true is the one that counts."""
        complete = self.saw_done or self.saw_finish_reason
        if self._model is None:
            self._decoded()
        return Answer(
            self._usage,
            self._fault if self._usage is None else None,
            self._model,
            self._service_tier,
            complete,
            self._decoded,
        )

    def _relay(self, chunk: bytes) -> bytes:
        line_end, chunk = self._other_half(chunk)
        ready = [line_end]
        begin = 0
        for event, end in self._events.feed(chunk):
            replacement = self._replacement(event)
            if replacement is None or self._is_passing:
                replacement = bytes(self._held) + chunk[begin:end]
            ready.append(replacement)
            if end == len(chunk) and chunk.endswith(b"\r"):
                self._ended_at_cr = "relayed" if replacement else "taken out"
            self._held.clear()
            self._is_passing = False
            begin = end
        self._held += chunk[begin:]
        if self._is_passing or len(self._held) > MAX_HELD_BYTES:
            self._is_passing = True
            ready.append(bytes(self._held))
            self._held.clear()
        return b"".join(ready)

    def _other_half(self, chunk: bytes) -> tuple[bytes, bytes]:
        """The LF that belongs to the event before, if it was relayed, and the rest."""
        ended_at_cr = self._ended_at_cr
        if ended_at_cr is None or not chunk:
            return b"", chunk
        self._ended_at_cr = None
        if not chunk.startswith(b"\n"):
            return b"", chunk
        return (b"\n" if ended_at_cr == "relayed" else b""), chunk[1:]

    def _replacement(self, event: bytes | None) -> bytes | None:
        """Read an event, and say what goes on in its place: None for itself."""
        chunk = self._read(event)
        if event is None or chunk is None:
            return None
        if self._strips_usage and not chunk.get("choices", True):
            return b""
        cost_usd = self._cost_of(self.answer) if self._cost_of and self._usage else None
        if cost_usd is None:
            return None
        data = data_of(event)
        return event.replace(data, add_cost(data, cost_usd), 1)

    def _read(self, event: bytes | None) -> dict[str, Any] | None:
        """Keep an event, and look for what it says: its chunk, if that reports usage."""
        if event is None:
            self._delivered.is_partial = True
            return None
        self._raw.append(event)
        self._raw_bytes += len(event) + _OBJECT_BYTES
        if self._raw_bytes > MAX_RAW_BYTES:
            self._decoded()
        if b'"usage"' in event and _USAGE_GIVEN.search(event):
            return self._read_usage(event)
        if len(event) <= _MAX_DONE_BYTES and _DONE in event and data_of(event).strip() == _DONE:
            self.saw_done = True
        return None

    def _read_usage(self, event: bytes) -> dict[str, Any] | None:
        chunk = read_leniently(data_of(event))
        reported = reported_usage(chunk) if isinstance(chunk, dict) else None
        if not isinstance(chunk, dict) or reported is None:
            return None
        usage, self._fault = read_usage(reported)
        self._usage = usage or self._usage
        self._read_names(chunk)
        return chunk

    def _read_names(self, chunk: dict[str, Any]) -> None:
        self._model = text_or_none(chunk.get("model")) or self._model
        self._service_tier = text_or_none(chunk.get("service_tier")) or self._service_tier

    def _decoded(self) -> DeliveredTexts:
        """The texts so far; what was kept raw is decoded for it, and let go."""
        raw, self._raw, self._raw_bytes = self._raw, [], 0
        for event in raw:
            data = data_of(event)
            if not data:
                continue
            chunk = read_leniently(data)
            if isinstance(chunk, dict):
                self._delivered.add(chunk.get("choices"), "delta")
                self._read_names(chunk)
            else:
                self._delivered.add_fragment(data)
        return self._delivered
