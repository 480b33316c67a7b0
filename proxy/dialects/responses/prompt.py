"""All that is billed as input of a Responses call, as parts that can be counted.

Rendered like chat completions, whose framing is published (`openai/framing.py`), with what
the documented examples bill beside it. Where nothing is published it is an upper bound.
Examples: https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Mapping
from typing import Any, Final

from pricing.prompt import Part, Prompt, Unseen
from proxy.dialects.dialect import Request
from proxy.dialects.openai.framing import (
    ENUM_ITEM_TOKENS,
    MESSAGE_TOKENS,
    PARALLEL_TOOL_TOKENS,
    REPLY_TOKENS,
    SCHEMA_TOKENS,
    TOOL_TOKENS,
    TOOLS_TOKENS,
)
from proxy.dialects.openai.parts import enum_items
from proxy.dialects.responses.items import ItemReading
from proxy.dialects.responses.request import has_stored_prompt, tool_calls_of
from proxy.dialects.responses.tools import (
    WEB_CONTEXT_TOKENS,
    is_run_by_provider,
    read_definitions,
    searches_the_web,
)

PREAMBLE_TOKENS: Final = 24
"""The documented examples bill 17 and 18 tokens more than chat does for the same texts."""

BUILT_IN_TOKENS: Final = 2_048
"""How the provider describes a tool of its own to the model: unpublished, about 300 for
web search by the documented example."""

_NOT_INPUT: Final = frozenset(
    {
        *("input", "instructions", "tools", "text", "previous_response_id"),  # counted below
        *("conversation", "prompt", "context_management"),
        *("model", "service_tier", "stream_options", "metadata", "user", "safety_identifier"),
        *("include", "reasoning", "tool_choice", "truncation", "moderation", "image"),
        *("access_programs", "background_options"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
"""Fields with text in them that the API does not render into the prompt."""

_STORED_INPUT: Final = ("previous_response_id", "conversation", "prompt")
"""Fields that stand for input which only the provider has."""


def prompt_of(request: Request) -> Prompt:
    """The parts of the input, the tokens around them, and how often they may be read."""
    fields = request.fields
    reading = ItemReading()
    _instructions(reading, fields)
    reading.input(fields.get("input"))
    framing_tokens = PREAMBLE_TOKENS + REPLY_TOKENS + _tools(reading, fields)
    framing_tokens += _text_format(reading, fields)
    for name, value in fields.items():
        if name not in _NOT_INPUT:
            reading.text(value)
    parts: list[Part] = reading.parts
    parts += [Unseen(name) for name in _STORED_INPUT if fields.get(name) is not None]
    return Prompt(
        tuple(parts),
        framing_tokens + reading.framing_tokens,
        rounds=_rounds(fields, reading),
        rounds_add_tokens=_added_tokens(fields),
    )


def _instructions(reading: ItemReading, fields: Mapping[str, Any]) -> None:
    if fields.get("instructions") is not None:
        reading.framing_tokens += MESSAGE_TOKENS
        reading.text(fields["instructions"])


def _tools(reading: ItemReading, fields: Mapping[str, Any]) -> int:
    """Tokens around the tools; their definitions are texts."""
    for definition in fields.get("tools") or ():
        reading.text(definition)
    framing_tokens = 0
    definitions = read_definitions(fields)
    for definition in definitions:
        framing_tokens += TOOL_TOKENS + ENUM_ITEM_TOKENS * enum_items(definition)
        if definition["type"] not in ("function", "custom"):
            framing_tokens += BUILT_IN_TOKENS
        if definition["type"] == "mcp":
            reading.parts.append(Unseen("the tools of an MCP server"))
    if definitions:
        framing_tokens += TOOLS_TOKENS
        # Billed for a single tool as well: 291 tokens in the documented example, 82 in chat's.
        if fields.get("parallel_tool_calls") is not False:
            framing_tokens += PARALLEL_TOOL_TOKENS
    return framing_tokens


def _text_format(reading: ItemReading, fields: Mapping[str, Any]) -> int:
    text_format = (fields.get("text") or {}).get("format") or {}
    if text_format.get("type") != "json_schema":
        return 0
    reading.text(text_format)
    return SCHEMA_TOKENS


def _rounds(fields: Mapping[str, Any], reading: ItemReading) -> int:
    """One, one more after each call of a tool of the provider, and one for each summary."""
    loops = has_stored_prompt(fields) or any(map(is_run_by_provider, read_definitions(fields)))
    rounds = 1 + (tool_calls_of(fields) if loops else 0)
    return rounds + (fields.get("context_management") is not None) + reading.compactions


def _added_tokens(fields: Mapping[str, Any]) -> int | None:
    """The most that the provider's tools add to the context; None where nobody says."""
    hosted = [each for each in read_definitions(fields) if is_run_by_provider(each)]
    return WEB_CONTEXT_TOKENS if hosted and all(map(searches_the_web, hosted)) else None
