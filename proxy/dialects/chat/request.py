"""What a chat completion call asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from msgspec.structs import replace

from proxy.dialects.chat.tools import WEB_SEARCH, read_forced_tool, read_tools, tools_for
from proxy.dialects.dialect import Request, Tool, ToolKind
from proxy.dialects.fields import read_messages, read_model, read_number
from proxy.dialects.openai.stream_options import asks_usage
from proxy.dialects.wire.json_text import invalid, optional, read_object

LimitField = Literal["max_completion_tokens", "max_tokens"]

MAX_CHOICES: Final = 128
"""The most answers one call may ask for, by `n`."""

_LONGER_CACHE: Final = frozenset({"prompt_cache_retention", "prompt_cache_options"})
"""Fields that ask for a cache that lives longer, which may cost more to write."""


def read_request(body: bytes) -> Request:
    """Read a call, or say what is wrong with it.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    model = read_model(fields)
    messages = read_messages(fields)
    limit_field, max_output_tokens = _output_limit(fields)
    stream = optional(fields, "stream", bool, "true or false") or False
    modalities = optional(fields, "modalities", list, "an array of strings") or ()
    response_format = optional(fields, "response_format", dict, "an object")
    tools = read_tools(fields, model)
    return Request(
        body=body,
        fields=fields,
        model=model,
        stream=stream,
        asks_usage=asks_usage(fields) and stream,
        n=read_number(fields, "n", 1, MAX_CHOICES) or 1,
        max_output_tokens=max_output_tokens,
        limit_field=limit_field,
        tools=tools,
        forced_tool=read_forced_tool(fields),
        paid_tool_calls=_paid_calls(tools),
        has_prediction=optional(fields, "prediction", dict, "an object") is not None,
        has_images=_has_images(messages),
        asks_audio="audio" in modalities,
        wants_json_schema=(
            response_format is not None and response_format.get("type") == "json_schema"
        ),
        caches_long=not _LONGER_CACHE.isdisjoint(fields),
        service_tier=optional(fields, "service_tier", str, "a string"),
        reasoning_effort=optional(fields, "reasoning_effort", str, "a string"),
    )


def asked_of(request: Request, model: str) -> Request:
    """The call as this model takes it, which may search because of its name alone.

    The body may name a deployment, or another model that this one stands in for.
    """
    tools = tools_for(request.tools, request.fields, model)
    if tools == request.tools:
        return request
    return replace(request, tools=tools, paid_tool_calls=_paid_calls(tools))


def _paid_calls(tools: Iterable[Tool]) -> dict[str, int]:
    """How often the provider searches. A function of that name is the caller's own."""
    searches = any(tool.name == WEB_SEARCH and tool.kind is ToolKind.BUILT_IN for tool in tools)
    return {WEB_SEARCH: 1} if searches else {}


def _output_limit(fields: Mapping[str, Any]) -> tuple[LimitField | None, int | None]:
    newer = read_number(fields, "max_completion_tokens", 1)
    older = read_number(fields, "max_tokens", 1)
    if newer is not None and older is not None:
        raise invalid(
            "max_tokens", "and max_completion_tokens exclude each other: give only one of them"
        )
    if newer is not None:
        return "max_completion_tokens", newer
    if older is not None:
        return "max_tokens", older
    return None, None


def _has_images(messages: list[dict[str, Any]]) -> bool:
    for message in messages:
        content = message.get("content")
        if type(content) is list:
            for part in content:
                if type(part) is dict and part.get("type") == "image_url":
                    return True
    return False
