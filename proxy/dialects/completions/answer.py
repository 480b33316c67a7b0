"""What a legacy completion says about itself, and the texts it delivered.

Its usage is that of a chat completion. The texts have their prompts in them where `echo` was
asked for, so counting them then says more than was generated.
Source: https://platform.openai.com/docs/api-reference/completions/object
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from proxy.dialects.answer import (
    Answer,
    DeliveredTexts,
    deliver_when_asked,
    fragment_pattern,
    read_fields,
    text_or_none,
)
from proxy.dialects.chat.events import ChatEvents
from proxy.dialects.chat.usage import read_usage, reported_usage

FRAGMENT: Final = fragment_pattern("text")
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


class CompletionEvents(ChatEvents):
    """The events of a stream: those of a chat completion, with a text where that has a delta."""

    _fragment: ClassVar = FRAGMENT
    _silence: ClassVar[dict[str, Any]] = {"text": ""}

    def _deliver(self, choices: object) -> None:
        deliver(self.delivered, choices)


def _deliver_all(texts: DeliveredTexts, answer: Mapping[str, Any]) -> None:
    deliver(texts, answer.get("choices"))


def deliver(texts: DeliveredTexts, choices: object) -> None:
    """Take in the `choices` of an answer or of a chunk."""
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        index = choice.get("index")
        index = index if type(index) is int else place
        finished = choice.get("finish_reason") is not None
        if texts.note(index, finished=finished) and isinstance(choice.get("text"), str):
            texts.keep((index,), choice["text"])
