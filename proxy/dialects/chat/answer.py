"""What a whole answer says about itself, and the texts it delivered."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from proxy.dialects.answer import (
    Answer,
    DeliveredTexts,
    deliver_when_asked,
    fragment_pattern,
    read_fields,
    text_or_none,
)
from proxy.dialects.chat.usage import read_usage, reported_usage

FRAGMENT: Final = fragment_pattern(
    "content", "refusal", "reasoning_content", "reasoning", "transcript",
    "name", "arguments", "input",
)  # fmt: skip
"""A text that was delivered, in JSON that breaks off."""


def read_answer(body: bytes) -> Answer:
    """Read a whole JSON answer; never fails, an unreadable one is merely not complete."""
    fields = read_fields(body)
    usage, fault = read_usage(reported_usage(fields))
    return Answer(
        usage,
        fault,
        text_or_none(fields.get("model")),
        text_or_none(fields.get("service_tier")),
        isinstance(fields.get("choices"), list),
        deliver_when_asked(body, fields, _deliver_all, FRAGMENT),
    )


def _deliver_all(texts: DeliveredTexts, answer: Mapping[str, Any]) -> None:
    deliver(texts, answer.get("choices"), "message")


def deliver(texts: DeliveredTexts, choices: object, part: Literal["message", "delta"]) -> None:
    """Take in the `choices` of an answer or of a chunk."""
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        index = _index(choice, place)
        if not texts.note(index, finished=choice.get("finish_reason") is not None):
            continue
        if isinstance(message := choice.get(part), dict):
            for where, text in _texts(message):
                texts.keep((index, *where), text)


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
