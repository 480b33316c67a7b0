"""The tools of a chat completion call, by the names that caps use."""

import re
from collections.abc import Mapping
from typing import Any, Final

from proxy.dialects.dialect import Tool, ToolKind
from proxy.dialects.wire.json_text import invalid, optional

WEB_SEARCH: Final = "web_search"
"""The built-in that is asked for by `web_search_options`, or by the choice of model."""

_SEARCH: Final = Tool(WEB_SEARCH, ToolKind.BUILT_IN, is_told=False)
_SEARCH_MODEL: Final = re.compile("-search-(?:preview|api)")
_DATE: Final = re.compile(r"_(?:\d{8}|\d{4}_\d{2}_\d{2})$")


def read_tools(fields: Mapping[str, Any], model: str) -> tuple[Tool, ...]:
    """Every tool the model may use: `tools`, the older `functions`, and web search.

    Raises:
        Refused: INVALID_REQUEST when a tool has no name that a cap could know it by.
    """
    optional(fields, "web_search_options", dict, "an object")
    listed = (*_listed(fields, "tools"), *_listed(fields, "functions"))
    return tools_for(listed, fields, model)


def tools_for(tools: tuple[Tool, ...], fields: Mapping[str, Any], model: str) -> tuple[Tool, ...]:
    """These tools where this model is asked, which may search without being told to."""
    listed = tuple([tool for tool in tools if tool is not _SEARCH]) if tools else tools
    searches = fields.get("web_search_options") is not None or is_search_model(model)
    return (*listed, _SEARCH) if searches else listed


def tool_of(definition: Mapping[str, Any], param: str) -> Tool:
    """A definition of `tools`, a choice of `tool_choice` (the two look alike), or a function."""
    kind = definition.get("type", "function")
    if kind in ("function", "custom"):
        named = definition.get(kind, definition)
        name = named.get("name") if isinstance(named, dict) else None
        if not isinstance(name, str) or not name:
            field = f"{param}.{kind}.name" if kind in definition else f"{param}.name"
            raise invalid(field, "must be a non-empty string")
        return Tool(name, ToolKind(kind))
    if not isinstance(kind, str) or not kind:
        raise invalid(f"{param}.type", "must be a non-empty string")
    return Tool(_DATE.sub("", kind), ToolKind.BUILT_IN)


def read_forced_tool(fields: Mapping[str, Any]) -> str | None:
    """The one tool that `tool_choice`, or the older `function_call`, makes the model call."""
    for field in ("tool_choice", "function_call"):
        choice = fields.get(field)
        if choice is None or isinstance(choice, str):
            continue
        if not isinstance(choice, dict):
            raise invalid(field, "must be a string or an object")
        if choice.get("type") != "allowed_tools":
            return tool_of(choice, field).name
    return None


def is_search_model(model: str) -> bool:
    """Whether the model searches the web for every answer."""
    return _SEARCH_MODEL.search(model) is not None


def _listed(fields: Mapping[str, Any], field: str) -> list[Tool]:
    definitions = optional(fields, field, list, "an array")
    if not definitions:
        return []
    tools = []
    for place, definition in enumerate(definitions):
        param = f"{field}[{place}]"
        if not isinstance(definition, dict):
            raise invalid(param, "must be an object")
        tools.append(tool_of(definition, param))
    return tools
