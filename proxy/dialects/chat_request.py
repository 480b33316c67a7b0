"""What a chat completion call asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from proxy.dialects.chat_tools import Tool, read_forced_tool, read_tools
from proxy.dialects.json_text import invalid, optional, read_object
from proxy.domain.money import INT64_MAX

LimitField = Literal["max_completion_tokens", "max_tokens"]

MAX_CHOICES: Final = 128
"""The most answers one call may ask for, by `n`."""

_MAX_MODEL_CHARS: Final = 256


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is well formed.

    `max_output_tokens` is the limit for each of the `n` answers, None when the caller set
    none; `limit_field` is the field it came in. `fields` is the body, decoded.
    """

    body: bytes
    fields: Mapping[str, Any]
    model: str
    stream: bool
    asks_usage: bool
    n: int
    max_output_tokens: int | None
    limit_field: LimitField | None
    tools: tuple[Tool, ...]
    forced_tool: str | None
    has_prediction: bool
    has_images: bool
    asks_audio: bool
    wants_json_schema: bool
    service_tier: str | None
    reasoning_effort: str | None

    def __repr__(self) -> str:
        """Without the body: prompts must not reach a log."""
        return f"<ChatRequest model={self.model!r} of {len(self.body)} bytes>"


def read_request(body: bytes) -> ChatRequest:
    """Read a call, or say what is wrong with it.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    model = _model(fields)
    messages = _messages(fields)
    limit_field, max_output_tokens = _output_limit(fields)
    stream = optional(fields, "stream", bool, "true or false") or False
    modalities = optional(fields, "modalities", list, "an array of strings") or ()
    response_format = optional(fields, "response_format", dict, "an object")
    return ChatRequest(
        body=body,
        fields=fields,
        model=model,
        stream=stream,
        asks_usage=_asks_usage(fields) and stream,
        n=_choices(fields),
        max_output_tokens=max_output_tokens,
        limit_field=limit_field,
        tools=read_tools(fields, model),
        forced_tool=read_forced_tool(fields),
        has_prediction=optional(fields, "prediction", dict, "an object") is not None,
        has_images=_has_images(messages),
        asks_audio="audio" in modalities,
        wants_json_schema=(
            response_format is not None and response_format.get("type") == "json_schema"
        ),
        service_tier=optional(fields, "service_tier", str, "a string"),
        reasoning_effort=optional(fields, "reasoning_effort", str, "a string"),
    )


def _model(fields: Mapping[str, Any]) -> str:
    """The model's name: printable, since it goes on into headers, logs and metrics."""
    model = fields.get("model")
    if type(model) is str and 0 < len(model) <= _MAX_MODEL_CHARS and model.isprintable():
        return model
    raise invalid("model", f"must be a string of 1 to {_MAX_MODEL_CHARS} printable characters")


def _messages(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = fields.get("messages")
    if type(messages) is not list or not messages:
        raise invalid("messages", "must be an array of at least one message")
    for place, message in enumerate(messages):
        if type(message) is not dict:
            raise invalid(f"messages[{place}]", "must be an object")
    return messages


def _output_limit(fields: Mapping[str, Any]) -> tuple[LimitField | None, int | None]:
    newer = _limit(fields, "max_completion_tokens")
    older = _limit(fields, "max_tokens")
    if newer is not None and older is not None:
        raise invalid(
            "max_tokens", "and max_completion_tokens exclude each other: give only one of them"
        )
    if newer is not None:
        return "max_completion_tokens", newer
    if older is not None:
        return "max_tokens", older
    return None, None


def _limit(fields: Mapping[str, Any], name: LimitField) -> int | None:
    accepted = "a whole number of at least 1"
    limit = optional(fields, name, int, accepted)
    if limit is not None and not 1 <= limit <= INT64_MAX:
        raise invalid(name, f"must be {accepted}")
    return limit


def _choices(fields: Mapping[str, Any]) -> int:
    accepted = f"a whole number from 1 to {MAX_CHOICES}"
    n = optional(fields, "n", int, accepted)
    if n is not None and not 1 <= n <= MAX_CHOICES:
        raise invalid("n", f"must be {accepted}")
    return n if n is not None else 1


def _asks_usage(fields: Mapping[str, Any]) -> bool:
    options = optional(fields, "stream_options", dict, "an object")
    if options is None:
        return False
    include_usage = options.get("include_usage")
    if include_usage is None or type(include_usage) is bool:
        return include_usage or False
    raise invalid("stream_options.include_usage", "must be true or false")


def _has_images(messages: list[dict[str, Any]]) -> bool:
    for message in messages:
        content = message.get("content")
        if type(content) is list:
            for part in content:
                if type(part) is dict and part.get("type") == "image_url":
                    return True
    return False
