"""A streamed answer: relayed as it comes, and read along.

Per chunk only the ends of events are found, and each event is glanced at. Events are kept as
they came, and read when somebody asks what was delivered, or 128 KiB at a time.

Source: field-report 39, 40.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal, Protocol

from pricing.usage import Usage
from proxy.dialects.answer import Answer, DeliveredTexts
from proxy.dialects.closing import Counted
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.sse import EventSplitter, data_of

MAX_HELD_BYTES: Final = 64 * 2**10
"""The most of an unfinished event that waits for its end before it is relayed."""

MAX_RAW_BYTES: Final = 128 * 2**10
"""The most of the stream that is kept unread."""

_OBJECT_BYTES: Final = 48


class EventReader(Protocol):
    """Reads the events of one stream, in the dialect that it is in.

    `usage`, of all that were reported, is the last that can be true.
    """

    usage: Usage | None
    usage_fault: UsageFault | None
    model: str | None
    service_tier: str | None
    delivered: DeliveredTexts

    def glance(self, event: bytes) -> dict[str, Any] | None:
        """Note what an event says of usage and of the end; its data, if it reports usage.

        It is asked of every event as it passes: no JSON is decoded where there is neither.
        """
        ...

    def read(self, data: bytes) -> None:
        """Take in what the data of an event delivers. Each is read once, in order."""
        ...

    def text_bytes(self, event: bytes) -> int:
        """At least as many bytes as an event adds to the texts. No JSON is decoded for it."""
        ...

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        """What ends the stream here as its API would, by all that was read; empty if nothing can.

        `tells_usage`: the caller asked for usage, where the API leaves that to the caller.
        """
        ...

    @property
    def is_told_complete(self) -> bool:
        """Whether a glance has seen the end of the stream."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the stream came to its end, by all that was read."""
        ...

    def is_for_usage_alone(self, chunk: dict[str, Any]) -> bool:
        """Whether this is sent only to who asks for usage."""
        ...

    def add_cost(self, data: bytes, cost_usd: str) -> bytes:
        """The data of an event whose usage also says what the call cost."""
        ...


class Relayed(Protocol):
    """An answer in pieces, read along on its way to the client."""

    @property
    def rewrites(self) -> bool:
        """Whether what goes to the client may differ from what came."""
        ...

    @property
    def tells_its_end(self) -> bool:
        """Whether the bytes say when nothing more comes; else only their framing does."""
        ...

    @property
    def is_told_complete(self) -> bool:
        """Whether they have said so."""
        ...

    @property
    def answer(self) -> Answer:
        """What is known by now."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client now."""
        ...

    def finish(self) -> bytes:
        """What is left for the client when the answer has ended, however it did."""
        ...

    def stop(self) -> None:
        """The answer is cut here."""
        ...

    def closing_events(self, counted: Counted) -> bytes:
        """What the client gets in place of the rest; empty where that can only break off."""
        ...


class AnswerStream:
    """Takes a stream in pieces and gives what goes to the client.

    strip_usage: the usage was asked for by us, not by the client: the chunk that was sent
        for it alone is taken out. (The `"usage": null` on the other chunks stays; every
        client knows it.) Otherwise every piece goes on at once, as the same object.
    cost_of: gives the cost in dollars, as a decimal string, of the answer whose usage has
        just come; it is added to that usage. None adds nothing.
    may_be_cut: the stream may be ended between any two events, so only whole ones go on.

    Only where something may be taken out or added does the unfinished end of a piece wait,
    at most MAX_HELD_BYTES of it.
    """

    def __init__(
        self,
        reader: EventReader,
        *,
        strip_usage: bool,
        cost_of: Callable[[Answer], str | None] | None = None,
        may_be_cut: bool = False,
    ) -> None:
        self._reader = reader
        self._may_be_cut = may_be_cut
        self._strips_usage = strip_usage
        self._cost_of = cost_of
        self._events = EventSplitter()
        self._raw: list[bytes] = []
        self._raw_bytes = 0
        self._held = bytearray()
        self._is_passing = False
        self._is_within_event = False
        # A CR at the end of a piece ends an event; an LF that follows is the other half of the
        # same line end, and goes where the event went.
        self._ended_at_cr: Literal["relayed", "taken out"] | None = None
        self.text_bytes = 0
        """At least as many as the texts have so far; of streams that may be cut."""

    @property
    def rewrites(self) -> bool:
        """Whether what goes to the client may differ from what came."""
        return self._strips_usage or self._may_be_cut or self._cost_of is not None

    tells_its_end: ClassVar = True

    @property
    def is_told_complete(self) -> bool:
        """Whether the stream has said that nothing more comes."""
        return self._reader.is_told_complete

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client now."""
        if self.rewrites:
            return self._relay(chunk)
        for event, _ in self._events.feed(chunk):
            self._glance(event)
        return chunk

    def finish(self) -> bytes:
        """What is left for the client when the stream has ended, however it did."""
        replacement = self._replacement(self._events.finish())
        held = bytes(self._held)
        self._held.clear()
        return held if replacement is None or self._is_passing else replacement

    def stop(self) -> None:
        """The stream is cut here. What came of an unfinished event counts, and goes nowhere."""
        self._is_within_event = self._is_passing
        self.finish()
        self._delivered()

    def closing_events(self, counted: Counted) -> bytes:
        """What the client of a stream that was stopped gets in place of the rest.

        Empty where nothing can end it as its API would: then it can only break off.
        """
        if self._is_within_event:
            return b""
        return self._reader.closing_events(counted, tells_usage=not self._strips_usage)

    @property
    def answer(self) -> Answer:
        """What is known by now."""
        reader = self._reader
        if reader.model is None or not reader.is_told_complete:
            self._delivered()
        return Answer(
            reader.usage,
            reader.usage_fault if reader.usage is None else None,
            reader.model,
            reader.service_tier,
            reader.is_complete,
            self._delivered,
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
        """Glance at an event, and say what goes on in its place: None for itself."""
        chunk = self._glance(event)
        if event is None or chunk is None:
            return None
        if self._strips_usage and self._reader.is_for_usage_alone(chunk):
            return b""
        has_usage = self._reader.usage is not None
        cost_usd = self._cost_of(self.answer) if self._cost_of and has_usage else None
        if cost_usd is None:
            return None
        data = data_of(event)
        return event.replace(data, self._reader.add_cost(data, cost_usd), 1)

    def _glance(self, event: bytes | None) -> dict[str, Any] | None:
        """Keep an event, and look at what it says."""
        if event is None:
            self._reader.delivered.is_partial = True
            return None
        if self._may_be_cut:
            self.text_bytes += self._reader.text_bytes(event)
        self._raw.append(event)
        self._raw_bytes += len(event) + _OBJECT_BYTES
        if self._raw_bytes > MAX_RAW_BYTES:
            self._delivered()
        return self._reader.glance(event)

    def _delivered(self) -> DeliveredTexts:
        """The texts so far; what was kept is read for it, and let go."""
        raw, self._raw, self._raw_bytes = self._raw, [], 0
        for event in raw:
            if data := data_of(event):
                self._reader.read(data)
        return self._reader.delivered
