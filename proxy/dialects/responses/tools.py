"""The tools of a Responses call: the names that caps know, who runs them, and who pays.

A tool that the provider runs makes a loop: the model is called again with what the tool
found, as often as it likes, and all it reads is billed every time (5 k tokens of a
conversation became 243 k with 13 searches: https://community.openai.com/t/1317167). Only
`max_tool_calls` ends it. Tools: https://platform.openai.com/docs/api-reference/responses/create
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.dialects.dialect import Tool, ToolKind
from proxy.dialects.openai.parts import list_of
from proxy.dialects.wire.json_text import invalid, optional

DEFAULT_TOOL_CALLS: Final = 4
"""The limit on a loop to which the caller set none. Each call more is one more context to hold."""

MAX_TOOL_CALLS: Final = 10_000
"""The most calls one response may ask for; far above what any deep research makes."""

WEB_CONTEXT_TOKENS: Final = 128_000
"""The most that searching the web puts into the context, whatever the window of the model.

Source: https://developers.openai.com/api/docs/guides/tools-web-search (limitations).
"""

BRINGS_TOOLS: Final = ("additional_tools", "tool_search_output")
"""Input items that make more tools known to the model."""

_OF_THE_CALLER: Final = frozenset(
    {
        *("function", "custom", "local_shell", "apply_patch"),
        *("computer", "computer_use", "computer_use_preview"),
    }
)
"""What the caller runs: its results come with the next call."""

_WITHOUT_FEE: Final = frozenset({"mcp", "tool_search"})
"""What the provider runs for its tokens alone: https://developers.openai.com/api/docs/pricing."""

_CALLED: Final = {
    "web_search_preview": "web_search",
    "computer_use": "computer",
    "computer_use_preview": "computer",
}
"""Where the type of an item that calls a tool is not the type of the tool and `_call`."""

_DATE: Final = re.compile(r"_(?:\d{8}|\d{4}_\d{2}_\d{2})$")


def read_definitions(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Every tool that the model may use: of `tools`, its namespaces, and of input items.

    Raises:
        Refused: INVALID_REQUEST when one has no name that a cap could know it by.
    """
    found = [*_listed(fields, "tools")]
    for place, item in enumerate(list_of(fields, "input")):
        if isinstance(item, dict) and item.get("type") in BRINGS_TOOLS:
            found += _listed(item, "tools", f"input[{place}].")
    return tuple(found)


def tool_of(definition: Mapping[str, Any], param: str) -> Tool:
    """What caps see of a definition, or of a choice in `tool_choice`: the two look alike.

    Raises:
        Refused: INVALID_REQUEST when it has no name.
    """
    kind = definition.get("type")
    if not isinstance(kind, str) or not kind:
        raise invalid(f"{param}.type", "must be a non-empty string")
    if kind not in (ToolKind.FUNCTION, ToolKind.CUSTOM):
        undated = _DATE.sub("", kind)
        return Tool(undated, ToolKind.BUILT_IN, called=_CALLED.get(undated, ""))
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise invalid(f"{param}.name", "must be a non-empty string")
    return Tool(name, ToolKind(kind))


def read_forced_tool(fields: Mapping[str, Any]) -> str | None:
    """The one tool that `tool_choice` makes the model call."""
    choice = fields.get("tool_choice")
    if choice is None or isinstance(choice, str):
        return None
    if not isinstance(choice, dict):
        raise invalid("tool_choice", "must be a string or an object")
    if choice.get("type") == "allowed_tools":
        return None
    return tool_of(choice, "tool_choice").name


def is_run_by_provider(definition: Mapping[str, Any]) -> bool:
    """Whether its results come back to the model within the same call."""
    match definition.get("type"):
        case "tool_search":
            return definition.get("execution") != "client"
        case "shell":
            environment = definition.get("environment")
            return isinstance(environment, dict) and environment.get("type") != "local"
        case kind:
            return kind not in _OF_THE_CALLER


def has_fee(definition: Mapping[str, Any]) -> bool:
    """Whether a call of it may cost more than tokens. Of what nobody knows it is presumed."""
    return is_run_by_provider(definition) and definition.get("type") not in _WITHOUT_FEE


def searches_the_web(definition: Mapping[str, Any]) -> bool:
    """Whether what it adds to the context is known to be limited."""
    return str(definition.get("type")).startswith("web_search")


def _listed(holder: Mapping[str, Any], field: str, where: str = "") -> Iterator[Mapping[str, Any]]:
    for place, definition in enumerate(optional(holder, field, list, "an array") or ()):
        param = f"{where}{field}[{place}]"
        if not isinstance(definition, dict):
            raise invalid(param, "must be an object")
        if definition.get("type") == "namespace":
            yield from _listed(definition, "tools", f"{param}.")
        else:
            tool_of(definition, param)
            yield definition
