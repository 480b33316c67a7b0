"""The body of a chat completion request, checked where the real API checks it.

Source: https://developers.openai.com/api/reference/resources/chat. Parameters that are not
named here pass unread, as do unknown ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from simulator.errors import ApiError, invalid
from simulator.models import Model, find_model

MOST_CHOICES = 128
MOST_RIVALS = 20
_Kind = TypeVar("_Kind")
_ROLES = frozenset({"developer", "system", "user", "assistant", "tool", "function"})
_TIERS = frozenset({"auto", "default", "flex", "priority", "fast", "scale"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request that the model can serve. `body` is all of it, as it was sent."""

    body: Mapping[str, Any]
    model: Model
    messages: tuple[Mapping[str, Any], ...]
    stream: bool
    include_usage: bool
    include_obfuscation: bool
    choices: int
    max_output_tokens: int | None
    tools: tuple[Mapping[str, Any], ...]
    functions: tuple[Mapping[str, Any], ...]
    service_tier: str

    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema the answer must have; `{}` for any JSON object; None for text."""
        wanted = self.body.get("response_format") or {}
        if wanted.get("type") == "json_object":
            return {"type": "object"}
        if wanted.get("type") == "json_schema":
            schema: Mapping[str, Any] = wanted["json_schema"].get("schema") or {"type": "object"}
            return schema
        return None

    def wants_audio(self) -> bool:
        """Whether the answer is to be spoken."""
        return self.model.speaks and "audio" in (self.body.get("modalities") or ())


def read_request(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    """Check a body. Raises ApiError: 400 for what is wrong with it, 404 for an unknown model."""
    fields = _object(body)
    model = _model(fields, models)
    stream = _boolean(fields, "stream")
    options = _optional(fields, "stream_options", dict) or {}
    if options and not stream:
        raise invalid("stream_options", "stream_options is only allowed when stream is true.")
    choices = _integer(fields, "n", 1, MOST_CHOICES) or 1
    _integer(fields, "top_logprobs", 0, MOST_RIVALS)
    _optional(fields, "modalities", list)
    _check_choice_of_tool(fields)
    _check_format(fields)
    _check_prediction(fields)
    return ChatRequest(
        body=fields,
        model=model,
        messages=_messages(fields),
        stream=stream,
        include_usage=_boolean(options, "include_usage"),
        include_obfuscation=options.get("include_obfuscation") is not False,
        choices=choices,
        max_output_tokens=_limit(fields, model),
        tools=_definitions(fields, "tools"),
        functions=_definitions(fields, "functions"),
        service_tier=_service_tier(fields, model),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ApiError(400, "The request body is not a JSON object.")
    return fields


def _model(fields: Mapping[str, Any], models: Mapping[str, Model]) -> Model:
    name = fields.get("model")
    if not isinstance(name, str) or not name:
        raise invalid("model", "A model has to be named, as a string.")
    model = find_model(models, name)
    if model is None:
        raise ApiError(404, "There is no model of that name here.", "model_not_found", "model")
    return model


def _messages(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", "messages has to be a list with at least one message.")
    for place, message in enumerate(messages):
        _check_message(message, f"messages[{place}]")
    return tuple(messages)


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise invalid(where, "A message has to be an object.")
    if not isinstance(message.get("role"), str) or message["role"] not in _ROLES:
        raise invalid(f"{where}.role", "A message has one of the known roles.")
    if not isinstance(message.get("content"), str | list | None):
        raise invalid(f"{where}.content", "Content is a string, a list of parts or null.")
    _optional(message, "function_call", dict)
    for call in _optional(message, "tool_calls", list) or ():
        kind = call.get("type", "function") if isinstance(call, dict) else None
        if not isinstance(kind, str) or not isinstance(call.get(kind), dict):
            raise invalid(f"{where}.tool_calls", "A call has a type, and under it what it is.")


def _limit(fields: Mapping[str, Any], model: Model) -> int | None:
    names = [n for n in ("max_completion_tokens", "max_tokens") if fields.get(n) is not None]
    if len(names) == 2:
        raise invalid("max_tokens", "max_tokens and max_completion_tokens exclude each other.")
    if not names:
        return None
    if names == ["max_tokens"] and model.reasons:
        raise invalid(
            "max_tokens",
            "This model has no max_tokens; max_completion_tokens is its limit.",
            "unsupported_parameter",
        )
    return _integer(fields, names[0], 1, model.max_output_tokens)


def _service_tier(fields: Mapping[str, Any], model: Model) -> str:
    tier = _optional(fields, "service_tier", str) or "auto"
    if tier not in _TIERS:
        raise invalid("service_tier", f"service_tier is one of {', '.join(sorted(_TIERS))}.")
    if tier == "flex" and model.prices.flex is None:
        raise invalid("service_tier", "This model is not served in the flex tier.")
    return {"flex": "flex", "priority": "priority", "fast": "priority"}.get(tier, "default")


def _definitions(fields: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    definitions = _optional(fields, name, list) or []
    for place, definition in enumerate(definitions):
        named = definition
        if name == "tools" and isinstance(definition, dict):
            named = definition.get(str(definition.get("type")))
        if not isinstance(named, dict) or not isinstance(named.get("name"), str):
            raise invalid(f"{name}[{place}]", "A tool has a type, and under it a name.")
        _optional(named, "parameters", dict)
    return tuple(definitions)


def _check_choice_of_tool(fields: Mapping[str, Any]) -> None:
    for name in ("tool_choice", "function_call"):
        chosen = fields.get(name)
        if isinstance(chosen, dict):
            _optional(chosen, str(chosen.get("type")), dict)
        elif not isinstance(chosen, str | None):
            raise invalid(name, f"{name} is a word or an object.", "invalid_type")


def _check_format(fields: Mapping[str, Any]) -> None:
    wanted = _optional(fields, "response_format", dict)
    if wanted is None:
        return
    if wanted.get("type") not in ("text", "json_object", "json_schema"):
        raise invalid("response_format.type", "The format is text, json_object or json_schema.")
    if wanted["type"] == "json_schema":
        named = wanted.get("json_schema")
        if not isinstance(named, dict):
            raise invalid("response_format.json_schema", "A json_schema format has its schema.")
        _optional(named, "schema", dict)


def _check_prediction(fields: Mapping[str, Any]) -> None:
    prediction = _optional(fields, "prediction", dict)
    if prediction is None:
        return
    content = prediction.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    if not all(isinstance(each, dict) and isinstance(each.get("text"), str) for each in parts):
        raise invalid("prediction.content", "A prediction is a string or a list of text parts.")
    if (fields.get("n") or 1) > 1 or fields.get("max_completion_tokens") is not None:
        raise invalid("prediction", "A prediction excludes n and max_completion_tokens.")


def _optional(fields: Mapping[str, Any], name: str, kind: type[_Kind]) -> _Kind | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, kind):
        raise invalid(name, f"{name} has the wrong type.", "invalid_type")
    return value


def _boolean(fields: Mapping[str, Any], name: str) -> bool:
    return _optional(fields, name, bool) or False


def _integer(fields: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, f"{name} has to be an integer.", "invalid_type")
    if not least <= value <= most:
        raise invalid(name, f"{name} has to be from {least} to {most}.", "invalid_value")
    return value
