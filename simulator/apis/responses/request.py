"""A request of the Responses API, put into the words of chat completions.

Source: https://developers.openai.com/api/reference/resources/responses/methods/create
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from simulator.errors import invalid
from simulator.fields import boolean, integer, optional, read_model, read_object
from simulator.models import Model
from simulator.request import ChatRequest, check_request

LEAST_OUTPUT_TOKENS: Final = 16
MOST_TOOL_CALLS: Final = 1_000
SEARCHES: Final = ("web_search", "web_search_2025_08_26", "web_search_preview")

Message = Mapping[str, Any]
_STORED_PART: Final = {"type": "file", "file": {"file_id": "stored"}}


def read_response_request(
    body: bytes,
    models: Mapping[str, Model],
    messages_of: Callable[[str], Sequence[Message]],
) -> ChatRequest:
    """Check a body. `messages_of` gives what was said before a response, and in it.

    Raises ApiError: 400 for what is wrong with it, 404 for an unknown model.
    """
    fields = read_object(body)
    model = read_model(fields, models)
    if boolean(fields, "background"):
        raise invalid("background", "Nothing is answered in the background here.")
    most = model.max_output_tokens
    limit = integer(fields, "max_output_tokens", LEAST_OUTPUT_TOKENS, most)
    boolean(fields, "store")
    optional(fields, "include", list)
    stream = boolean(fields, "stream")
    options = optional(fields, "stream_options", dict) or {}
    tools = [tool for tool in _objects(fields, "tools") if tool.get("type") in _NAMED]
    messages = [*_before(fields, messages_of), *_input(fields)]
    said = {
        "model": model.name,
        "messages": messages,
        "tools": [{"type": tool["type"], tool["type"]: tool} for tool in tools] or None,
        "tool_choice": _choice(fields),
        "response_format": _format(fields),
        "reasoning_effort": (optional(fields, "reasoning", dict) or {}).get("effort"),
        "service_tier": fields.get("service_tier"),
        "max_completion_tokens": limit,
        "stream": stream,
    }
    return replace(
        check_request(said, models),
        include_usage=True,
        include_obfuscation=options.get("include_obfuscation") is not False,
        sent=fields,
        searches=_searches(fields),
    )


def read_compaction_request(
    body: bytes,
    models: Mapping[str, Model],
    messages_of: Callable[[str], Sequence[Message]],
) -> ChatRequest:
    """Check a body of compact, which has neither tools nor a limit. Raises ApiError."""
    fields = read_object(body)
    said = {
        "model": read_model(fields, models).name,
        "messages": [*_before(fields, messages_of), *_input(fields)],
        "service_tier": fields.get("service_tier"),
    }
    return replace(check_request(said, models), sent=fields)


_NAMED: Final = ("function", "custom")


def _objects(fields: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = optional(fields, name, list) or []
    if not all(isinstance(each, dict) for each in listed):
        raise invalid(name, f"{name} has to be a list of objects.", "invalid_type")
    return listed


def _searches(fields: Mapping[str, Any]) -> int | None:
    if not any(tool.get("type") in SEARCHES for tool in _objects(fields, "tools")):
        return 0
    if fields.get("tool_choice") == "none":
        return 0
    return integer(fields, "max_tool_calls", 0, MOST_TOOL_CALLS)


def _choice(fields: Mapping[str, Any]) -> object:
    choice = fields.get("tool_choice")
    if isinstance(choice, dict):
        kind = choice.get("type")
        if kind in _NAMED:
            return {"type": kind, kind: {"name": choice.get("name")}}
        return choice.get("mode") if kind == "allowed_tools" else "auto"
    return choice


def _format(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = (optional(fields, "text", dict) or {}).get("format")
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": wanted}
    if wanted is not None and not isinstance(wanted, dict):
        raise invalid("text.format", "The format is an object.", "invalid_type")
    return wanted


def _before(
    fields: Mapping[str, Any], messages_of: Callable[[str], Sequence[Message]]
) -> Iterator[Message]:
    if (before := optional(fields, "previous_response_id", str)) is not None:
        yield from messages_of(before)
    if optional(fields, "prompt", dict) is not None:
        yield {"role": "developer", "content": [_STORED_PART]}
    if (instructions := optional(fields, "instructions", str)) is not None:
        yield {"role": "developer", "content": instructions}


def _input(fields: Mapping[str, Any]) -> Iterator[Message]:
    given = fields.get("input")
    if isinstance(given, str):
        yield {"role": "user", "content": given}
    elif isinstance(given, list):
        for place, item in enumerate(given):
            if not isinstance(item, dict):
                raise invalid(f"input[{place}]", "An item has to be an object.", "invalid_type")
            yield _message(item, f"input[{place}]")
    elif given is not None:
        raise invalid("input", "input is a string or a list of items.", "invalid_type")


def _message(item: Mapping[str, Any], where: str) -> Message:
    match item.get("type", "message"):
        case "message":
            return {"role": item.get("role"), "content": _content(item.get("content"), where)}
        case "function_call":
            called = {"name": item.get("name"), "arguments": item.get("arguments")}
            return _calling({"type": "function", "function": called})
        case "custom_tool_call":
            called = {"name": item.get("name"), "input": item.get("input")}
            return _calling({"type": "custom", "custom": called})
        case "function_call_output" | "custom_tool_call_output":
            return {"role": "tool", "content": _content(item.get("output"), where)}
        case "reasoning":
            return {"role": "assistant", "content": _content(item.get("summary"), where)}
        case "item_reference":
            return {"role": "assistant", "content": [_STORED_PART]}
        case _:
            return {"role": "assistant", "content": json.dumps(item)}


def _calling(call: Mapping[str, Any]) -> Message:
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _content(content: object, where: str) -> object:
    if not isinstance(content, list):
        return content
    return [_part(part, where) for part in content]


def _part(part: object, where: str) -> Mapping[str, Any]:
    match part:
        case {
            "type": "input_text" | "output_text" | "summary_text" | "reasoning_text" | "text",
            "text": str(text),
        }:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "refusal", "refusal": text}
        case {"type": "input_image", "image_url": str(url), **options}:
            image = {"url": url, "detail": options.get("detail", "auto")}
            return {"type": "image_url", "image_url": image}
        case {"type": "input_image", "file_id": str()}:
            return {"type": "image_url", "image_url": {"url": "stored"}}
        case {"type": "input_file", "file_data": str(data)}:
            return {"type": "file", "file": {"file_data": data}}
        case {"type": "input_file"}:
            return _STORED_PART
        case {"type": "input_audio", "input_audio": dict(sound)}:
            return {"type": "input_audio", "input_audio": sound}
        case _:
            raise invalid(where, "A part is a text, an image, a file or a sound.")
