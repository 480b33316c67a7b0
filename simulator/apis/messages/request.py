"""A request of the Messages API, put into the words of chat completions.

Source: https://platform.claude.com/docs/en/api/messages
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from simulator.errors import invalid
from simulator.fields import boolean, integer, optional, read_model, read_object
from simulator.models import Model
from simulator.request import ChatRequest, check_request

LEAST_THINKING_TOKENS: Final = 1_024
MOST_SEARCHES: Final = 1_000

_TIERS: Final = ("auto", "standard_only")
_STORED_PART: Final = {"type": "file", "file": {"file_id": "stored"}}

Message = Mapping[str, Any]


def read_message_request(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    """Check a body. Raises ApiError: 400 for what is wrong with it, 404 for an unknown model."""
    fields = read_object(body)
    if fields.get("max_tokens") is None:
        raise invalid("max_tokens", "max_tokens: Field required")
    return _read(fields, models)


def read_count_request(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    """Check a body of count_tokens, which has no limit. Raises ApiError."""
    return _read(read_object(body), models)


def _read(fields: Mapping[str, Any], models: Mapping[str, Model]) -> ChatRequest:
    model = read_model(fields, models)
    limit = integer(fields, "max_tokens", 1, max(model.max_output_tokens, 1))
    thinks = _thinks(fields, limit)
    if (optional(fields, "service_tier", str) or "auto") not in _TIERS:
        raise invalid("service_tier", "service_tier is auto or standard_only.")
    tools = _objects(fields, "tools")
    said = {
        "model": model.name,
        "messages": [*_system(fields), *_messages(fields)],
        "tools": [_function(tool) for tool in tools if tool.get("type", "custom") == "custom"],
        "tool_choice": _choice(fields),
        "reasoning_effort": None if thinks else "none",
        "max_completion_tokens": limit,
        "stream": boolean(fields, "stream"),
    }
    return replace(
        check_request(said, models),
        include_usage=True,
        include_obfuscation=False,
        sent=fields,
        searches=_searches(fields, tools),
        cache_lifetime=_cache_lifetime(fields),
        geography=_geography(fields, model),
    )


def _geography(fields: Mapping[str, Any], model: Model) -> Literal["global", "us"]:
    place = optional(fields, "inference_geo", str)
    if place is not None and (not model.has_geography or place not in ("global", "us")):
        raise invalid("inference_geo", "inference_geo: global or us, for models since Opus 4.6.")
    return "us" if place == "us" else "global"


def _thinks(fields: Mapping[str, Any], limit: int | None) -> bool:
    thinking = optional(fields, "thinking", dict) or {}
    kind = thinking.get("type", "disabled")
    if kind not in ("enabled", "adaptive", "disabled"):
        raise invalid("thinking.type", "Thinking is enabled, adaptive or disabled.")
    if kind == "enabled" and limit is not None:
        budget = integer(thinking, "budget_tokens", LEAST_THINKING_TOKENS, limit - 1)
        if budget is None:
            raise invalid("thinking.budget_tokens", "Thinking has a budget.")
    return bool(kind != "disabled")


def _objects(fields: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = optional(fields, name, list) or []
    if not all(isinstance(each, dict) for each in listed):
        raise invalid(name, f"{name} has to be a list of objects.", "invalid_type")
    return listed


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = tool.get("input_schema")
    named = {"name": tool.get("name"), "description": tool.get("description")}
    return {"type": "function", "function": named | {"parameters": schema}}


def _choice(fields: Mapping[str, Any]) -> object:
    choice = optional(fields, "tool_choice", dict) or {}
    if choice.get("type") == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return {"any": "required", "none": "none"}.get(str(choice.get("type")), "auto")


def _searches(fields: Mapping[str, Any], tools: list[dict[str, Any]]) -> int | None:
    searches = [tool for tool in tools if str(tool.get("type")).startswith("web_search_")]
    if not searches or _choice(fields) == "none":
        return 0
    return integer(searches[0], "max_uses", 0, MOST_SEARCHES)


def _cache_lifetime(value: object) -> Literal["", "5m", "1h"]:
    """The longest lifetime that anything in a body asks for."""
    asked: set[Literal["5m", "1h"]] = set()
    inside = [value]
    while inside:
        each = inside.pop()
        if isinstance(each, dict):
            if isinstance(control := each.get("cache_control"), dict):
                asked.add("1h" if control.get("ttl") == "1h" else "5m")
            inside += each.values()
        elif isinstance(each, list):
            inside += each
    return min(asked, default="")


def _system(fields: Mapping[str, Any]) -> Iterator[Message]:
    system = fields.get("system")
    if not isinstance(system, str | list | None):
        raise invalid("system", "The system prompt is a string or blocks.", "invalid_type")
    if system:
        yield {"role": "system", "content": _content(system)}


def _messages(fields: Mapping[str, Any]) -> Iterator[Message]:
    messages = _objects(fields, "messages")
    if not messages:
        raise invalid("messages", "messages: at least one message is required")
    for place, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant", "system"):
            raise invalid(f"messages.{place}.role", "The role is user or assistant.")
        role = message["role"]
        if place == len(messages) - 1 and _answers_a_call(message.get("content")):
            role = "tool"
        yield {"role": role, "content": _content(message.get("content"))}


def _answers_a_call(content: object) -> bool:
    blocks = content if isinstance(content, list) else []
    return any(isinstance(each, dict) and each.get("type") == "tool_result" for each in blocks)


def _content(content: object) -> object:
    if not isinstance(content, list):
        return content
    return [part for block in content for part in _parts(block)]


def _parts(block: object) -> Iterator[Mapping[str, Any]]:
    match block:
        case {"type": "text", "text": str(text)} | {"type": "thinking", "thinking": str(text)}:
            yield {"type": "text", "text": text}
        case {"type": "redacted_thinking"}:
            return
        case {"type": "image", "source": dict(source)}:
            yield {"type": "image_url", "image_url": {"url": _address(source)}}
        case {"type": "document", "source": {"type": "text", "data": str(text)}}:
            yield {"type": "text", "text": text}
        case {"type": "document", "source": {"type": "base64", "data": str(data)}}:
            yield {"type": "file", "file": {"file_data": data}}
        case {"type": "document"}:
            yield _STORED_PART
        case {"type": "tool_use" | "server_tool_use", "name": str(name), "input": given}:
            yield {"type": "text", "text": name + json.dumps(given, ensure_ascii=False)}
        case {"type": "tool_result", **result}:
            content = result.get("content") or ""
            for each in content if isinstance(content, list) else [_text(content)]:
                yield from _parts(each)
        case {"type": str()}:
            yield {"type": "text", "text": json.dumps(block, ensure_ascii=False)}
        case _:
            raise invalid("messages.content", "A block has one of the known types.")


def _text(text: object) -> Mapping[str, Any]:
    return {"type": "text", "text": text}


def _address(source: Mapping[str, Any]) -> str:
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    return str(source.get("url", "stored"))
