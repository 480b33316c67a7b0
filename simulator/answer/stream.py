"""An answer as the events of a stream.

Source: https://developers.openai.com/api/reference/resources/chat, "chat completion chunk
object", and the description of `stream_options`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from simulator.answer.generate import AUDIO_TOKENS_PER_WORD, Choice, ToolCall
from simulator.answer.render import (
    AUDIO_LIFE_S,
    Answer,
    audio_id,
    call_id,
    envelope,
    input_field,
    logprobs,
    silence,
)
from simulator.bill import Output

NOTHING = Output()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream, and what the provider generated for it."""

    payload: dict[str, Any]
    output: Output = NOTHING
    name: str = ""
    """Empty in APIs whose events have no names."""


def stream_events(answer: Answer) -> Iterator[Event]:
    """The answer as events, the choices taking turns, usage where the report places it."""
    streams = [
        _ChoiceStream(answer, choice, index).events() for index, choice in enumerate(answer.choices)
    ]
    yield from with_usage(answer, in_turn(streams), envelope(answer, "chat.completion.chunk"))


def with_usage(answer: Answer, content: Iterable[Event], bare: dict[str, Any]) -> Iterator[Event]:
    """The events of a stream, and usage where the report places it: on them, or on one more.

    `bare` is what that one begins with.
    """
    place, nulls = answer.report.place, answer.report.nulls
    asked = answer.request.include_usage
    shows_null = nulls == "always" or (nulls == "as_asked" and asked)
    produced = answer.hidden()
    events = list(content)
    for position, event in enumerate(events, start=1):
        produced += event.output
        is_last = position == len(events)
        if place == "every_event" or (place == "last_content_event" and is_last):
            event.payload["usage"] = answer.usage(produced)
        elif shows_null:
            event.payload["usage"] = None
        yield event
    if place == "extra_event" or (place == "as_asked" and asked):
        yield Event(bare | {"choices": [], "usage": answer.usage(produced)})


def in_turn(streams: Sequence[Iterator[Event]]) -> Iterator[Event]:
    """One event of each stream, then the next of each."""
    for turn in zip_longest(*streams):
        yield from (event for event in turn if event is not None)


class _ChoiceStream:
    def __init__(self, answer: Answer, choice: Choice, index: int) -> None:
        self._answer = answer
        self._choice = choice
        self._index = index

    def events(self) -> Iterator[Event]:
        silent = bool(self._choice.tool_calls) or self._choice.spoken
        yield self._event({"role": "assistant", "content": None if silent else "", "refusal": None})
        yield from self._spoken() if self._choice.spoken else self._written()
        for place, call in enumerate(self._choice.tool_calls):
            yield from self._call(call, place)
        yield self._event({}, finish_reason=self._choice.finish_reason)

    def _event(
        self,
        delta: dict[str, Any],
        output: Output = NOTHING,
        *,
        pieces: tuple[str, ...] = (),
        finish_reason: str | None = None,
    ) -> Event:
        part = {
            "index": self._index,
            "delta": delta,
            "logprobs": logprobs(self._answer.request, pieces) if pieces else None,
            "finish_reason": finish_reason,
        }
        payload = envelope(self._answer, "chat.completion.chunk") | {"choices": [part]}
        if self._answer.request.include_obfuscation:
            payload["obfuscation"] = "x" * (16 - sum(map(len, pieces)) % 16)
        return Event(payload, output)

    def _groups(self, pieces: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        size = self._answer.tokens_per_event
        return (pieces[start : start + size] for start in range(0, len(pieces), size))

    def _written(self) -> Iterator[Event]:
        for pieces in self._groups(self._choice.pieces):
            delta = {"content": "".join(pieces)}
            yield self._event(delta, Output(text_tokens=len(pieces)), pieces=pieces)

    def _spoken(self) -> Iterator[Event]:
        audio: dict[str, Any] = {"id": audio_id(self._answer, self._index)}
        for pieces in self._groups(self._choice.pieces):
            words = len(pieces)
            audio |= {"transcript": "".join(pieces), "data": silence(words)}
            output = Output(text_tokens=words, audio_tokens=words * AUDIO_TOKENS_PER_WORD)
            yield self._event({"audio": audio}, output)
            audio = {}
        yield self._event({"audio": {"expires_at": self._answer.created_s + AUDIO_LIFE_S}})

    def _call(self, call: ToolCall, place: int) -> Iterator[Event]:
        named = {"name": call.name, input_field(call): ""}
        first = {"id": call_id(self._answer, self._index, place), "type": call.kind}
        yield self._call_event(call, place, named, first, Output(text_tokens=call.name_tokens))
        for pieces in self._groups(call.pieces):
            more = {input_field(call): "".join(pieces)}
            yield self._call_event(call, place, more, {}, Output(text_tokens=len(pieces)))

    def _call_event(
        self,
        call: ToolCall,
        place: int,
        body: dict[str, str],
        first: dict[str, str],
        output: Output,
    ) -> Event:
        if call.kind == "legacy":
            return self._event({"function_call": body}, output)
        part = {"index": place} | first | {call.kind: body}
        return self._event({"tool_calls": [part]}, output)
