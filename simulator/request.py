"""A request that a model can serve, and how one is read from the body of a chat completion.

The other APIs say the same in other words, and make it from theirs (`apis/`).

Source: https://developers.openai.com/api/reference/resources/chat. Parameters that are not
named here pass unread, as do unknown ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.errors import invalid
from simulator.fields import boolean, integer, optional, read_model, read_object
from simulator.models import Model

MOST_CHOICES = 128
MOST_RIVALS = 20
_ROLES = frozenset({"developer", "system", "user", "assistant", "tool", "function"})
_TIERS = frozenset({"auto", "default", "flex", "priority", "fast", "scale"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request that the model can serve, in the words of chat completions.

    `body` is all of it; `sent` is what it was made from, where that was another API's.
    `searches` is how often it may search the web, None for as often as it likes;
    `cache_lifetime` is how long it wants the cache to live that it asks for, `geography` where
    it may be answered. What an API has no words for is what it is here by default.
    """

    body: Mapping[str, Any]
    model: Model
    messages: tuple[Mapping[str, Any], ...] = ()
    stream: bool
    include_usage: bool = True
    include_obfuscation: bool = False
    choices: int = 1
    max_output_tokens: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    functions: tuple[Mapping[str, Any], ...] = ()
    service_tier: str = "default"
    sent: Mapping[str, Any] = field(default_factory=dict)
    searches: int | None = 0
    cache_lifetime: Literal["", "5m", "1h"] = ""
    geography: Literal["global", "us"] = "global"

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
    return check_request(read_object(body), models)


def check_request(fields: Mapping[str, Any], models: Mapping[str, Model]) -> ChatRequest:
    """The same for a body that is a JSON object already."""
    model = read_model(fields, models)
    stream = boolean(fields, "stream")
    options = optional(fields, "stream_options", dict) or {}
    if options and not stream:
        raise invalid("stream_options", "stream_options is only allowed when stream is true.")
    choices = integer(fields, "n", 1, MOST_CHOICES) or 1
    integer(fields, "top_logprobs", 0, MOST_RIVALS)
    optional(fields, "modalities", list)
    _check_choice_of_tool(fields)
    _check_format(fields)
    _check_prediction(fields)
    return ChatRequest(
        body=fields,
        model=model,
        messages=_messages(fields),
        stream=stream,
        include_usage=boolean(options, "include_usage"),
        include_obfuscation=options.get("include_obfuscation") is not False,
        choices=choices,
        max_output_tokens=_limit(fields, model),
        tools=_definitions(fields, "tools"),
        functions=_definitions(fields, "functions"),
        service_tier=read_service_tier(fields, model),
    )


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
    optional(message, "function_call", dict)
    for call in optional(message, "tool_calls", list) or ():
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
    return integer(fields, names[0], 1, model.max_output_tokens)


def read_service_tier(fields: Mapping[str, Any], model: Model) -> str:
    """The tier that is asked for, by the name an answer calls it. Raises ApiError."""
    tier = optional(fields, "service_tier", str) or "auto"
    if tier not in _TIERS:
        raise invalid("service_tier", f"service_tier is one of {', '.join(sorted(_TIERS))}.")
    if tier == "flex" and model.prices.flex is None:
        raise invalid("service_tier", "This model is not served in the flex tier.")
    return {"flex": "flex", "priority": "priority", "fast": "priority"}.get(tier, "default")


def _definitions(fields: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    definitions = optional(fields, name, list) or []
    for place, definition in enumerate(definitions):
        named = definition
        if name == "tools" and isinstance(definition, dict):
            named = definition.get(str(definition.get("type")))
        if not isinstance(named, dict) or not isinstance(named.get("name"), str):
            raise invalid(f"{name}[{place}]", "A tool has a type, and under it a name.")
        optional(named, "parameters", dict)
    return tuple(definitions)


def _check_choice_of_tool(fields: Mapping[str, Any]) -> None:
    for name in ("tool_choice", "function_call"):
        chosen = fields.get(name)
        if isinstance(chosen, dict):
            optional(chosen, str(chosen.get("type")), dict)
        elif not isinstance(chosen, str | None):
            raise invalid(name, f"{name} is a word or an object.", "invalid_type")


def _check_format(fields: Mapping[str, Any]) -> None:
    wanted = optional(fields, "response_format", dict)
    if wanted is None:
        return
    if wanted.get("type") not in ("text", "json_object", "json_schema"):
        raise invalid("response_format.type", "The format is text, json_object or json_schema.")
    if wanted["type"] == "json_schema":
        named = wanted.get("json_schema")
        if not isinstance(named, dict):
            raise invalid("response_format.json_schema", "A json_schema format has its schema.")
        optional(named, "schema", dict)


def _check_prediction(fields: Mapping[str, Any]) -> None:
    prediction = optional(fields, "prediction", dict)
    if prediction is None:
        return
    content = prediction.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    if not all(isinstance(each, dict) and isinstance(each.get("text"), str) for each in parts):
        raise invalid("prediction.content", "A prediction is a string or a list of text parts.")
    if (fields.get("n") or 1) > 1 or fields.get("max_completion_tokens") is not None:
        raise invalid("prediction", "A prediction excludes n and max_completion_tokens.")
