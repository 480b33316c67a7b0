"""What a Responses call asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.openai.com/docs/api-reference/responses/create and .../responses/compact
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from proxy.dialects.dialect import Request
from proxy.dialects.fields import check_objects, read_model, read_number
from proxy.dialects.openai.parts import list_of
from proxy.dialects.responses.tools import (
    DEFAULT_TOOL_CALLS,
    MAX_TOOL_CALLS,
    has_fee,
    is_run_by_provider,
    read_definitions,
    read_forced_tool,
    tool_of,
)
from proxy.dialects.wire.json_text import invalid, optional, read_object

LIMIT_FIELD: Final = "max_output_tokens"

_SHORT_LIVED: Final = (None, "30m", "in_memory")
"""Lifetimes of a cache that cost no more to write."""

_DEAREST_STORED_TOOL: Final = "web_search"
"""A stored prompt may bring tools of its own: no other that has a price costs more a call."""


def read_request(body: bytes) -> Request:
    """Read a call, or say what is wrong with it.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    model = read_model(fields)
    _check_is_no_background(fields)
    _check_input(fields)
    limit = read_number(fields, LIMIT_FIELD, 1)
    text = optional(fields, "text", dict, "an object") or {}
    text_format = optional(text, "format", dict, "an object") or {}
    reasoning = optional(fields, "reasoning", dict, "an object") or {}
    definitions = read_definitions(fields)
    asked_calls = read_number(fields, "max_tool_calls", 0, MAX_TOOL_CALLS)
    loops = has_stored_prompt(fields) or any(map(is_run_by_provider, definitions))
    return Request(
        body=body,
        fields=fields,
        model=model,
        stream=optional(fields, "stream", bool, "true or false") or False,
        max_output_tokens=limit,
        limit_field=LIMIT_FIELD if limit is not None else None,
        tools=tuple([tool_of(definition, "tools") for definition in definitions]),
        forced_tool=read_forced_tool(fields),
        paid_tool_calls=_paid_calls(fields, definitions, tool_calls_of(fields)),
        needs_tool_limit=DEFAULT_TOOL_CALLS if loops and asked_calls is None else None,
        has_images=_has_images(fields.get("input")),
        wants_json_schema=text_format.get("type") == "json_schema",
        caches_long=_caches_long(fields),
        service_tier=optional(fields, "service_tier", str, "a string"),
        reasoning_effort=optional(reasoning, "effort", str, "a string"),
    )


def read_compaction(body: bytes) -> Request:
    """Read a call that makes a long conversation shorter: it is input, and one answer.

    Raises:
        Refused: INVALID_REQUEST, as `read_request`.
    """
    fields = read_object(body)
    model = read_model(fields)
    _check_input(fields)
    return Request(
        body=body,
        fields=fields,
        model=model,
        takes_limit=False,
        has_images=_has_images(fields.get("input")),
        caches_long=_caches_long(fields),
        service_tier=optional(fields, "service_tier", str, "a string"),
    )


def has_stored_prompt(fields: Mapping[str, Any]) -> bool:
    """Whether instructions and tools come from a prompt that the provider keeps."""
    return fields.get("prompt") is not None


def tool_calls_of(fields: Mapping[str, Any]) -> int:
    """The most calls of the provider's tools in one response, once a limit is written."""
    asked = fields.get("max_tool_calls")
    return asked if type(asked) is int else DEFAULT_TOOL_CALLS


def _check_is_no_background(fields: Mapping[str, Any]) -> None:
    if optional(fields, "background", bool, "true or false"):
        raise invalid(
            "background",
            "is not metered in this version, since its answer comes by another request: "
            "leave it out, or stream",
        )


def _check_input(fields: Mapping[str, Any]) -> None:
    given = fields.get("input")
    if given is None or type(given) is str:
        return
    if type(given) is not list:
        raise invalid("input", "must be a string or an array of items")
    check_objects(given, "input")


def _paid_calls(
    fields: Mapping[str, Any], definitions: Sequence[Mapping[str, Any]], calls: int
) -> dict[str, int]:
    """Any of the tools may use up all calls."""
    paid = {tool_of(each, "tools").name: calls for each in definitions if has_fee(each)}
    return paid | ({_DEAREST_STORED_TOOL: calls} if has_stored_prompt(fields) else {})


def _has_images(given: object) -> bool:
    """Whether an item, or the output of a tool among them, shows a picture."""
    for item in given if isinstance(given, list) else ():
        output = item.get("output")
        if isinstance(output, dict) and output.get("type") == "computer_screenshot":
            return True
        for part in (*list_of(item, "content"), *list_of(item, "output")):
            if isinstance(part, dict) and part.get("type") == "input_image":
                return True
    return False


def _caches_long(fields: Mapping[str, Any]) -> bool:
    """Whether the call, or a part of its input, asks for a cache that lives longer."""
    if fields.get("prompt_cache_retention") not in _SHORT_LIVED:
        return True
    holders = [fields.get("prompt_cache_options")]
    for item in list_of(fields, "input"):
        for part in (*list_of(item, "content"), *list_of(item, "output")):
            if isinstance(part, dict):
                holders.append(part.get("prompt_cache_breakpoint"))
    lifetimes = [holder.get("ttl") for holder in holders if isinstance(holder, dict)]
    return any(lifetime not in _SHORT_LIVED for lifetime in lifetimes)
