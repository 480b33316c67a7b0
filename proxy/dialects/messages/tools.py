"""The tools of a Messages call: the names that caps know, who runs them, and who pays.

A tool that the provider runs makes a loop: the model is called again with what the tool found,
and all it reads is billed every time. Sources:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.dialects.dialect import Tool, ToolKind
from proxy.dialects.fields import check_objects
from proxy.dialects.wire.json_text import invalid, optional

MCP_TOOLSET: Final = "mcp_toolset"
"""The tools of an MCP server. An older form of the API declares the server alone."""

WEB_SEARCH: Final = "web_search"
"""The one tool with a fee for each call, and a count of its calls in the usage."""

ADVISOR: Final = "advisor"
"""A second, dearer model that is asked in between, at its own price."""

CODE_EXECUTION: Final = "code_execution"
"""Billed by the hours of its container, of which an answer says nothing."""

DEFAULT_SEARCHES: Final = 4
"""The limit on searches to which the caller set none. Each of them has a fee to hold."""

MAX_SEARCHES: Final = 1_000
"""The most searches a call may ask for."""

MAX_ROUNDS: Final = 11
"""How often the model is called within one call, with tools that the provider runs.

Ten by default (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons,
pause_turn); eleven were measured, with and without a stream. `max_uses` of a tool does not end
the loop: beyond it the tool answers with an error, and the model goes on.
"""

RUN_BY_THE_CALLER: Final = frozenset({"bash", "text_editor", "computer", "memory"})
"""Tools of which the API knows the definition and the caller does the work."""

TOOLSETS_OF_THE_CALLER: Final = frozenset({"computer_toolset", "browser_toolset"})
"""The same, of whose definitions nobody published the size."""

_FREE_SANDBOX_SINCE: Final = "20260209"
"""The version of the web tools that makes code execution free beside them.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool
"""

_DATED: Final = re.compile(r"(.+)_(\d{8})")


def definitions_of(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Every definition of `tools`.

    Raises:
        Refused: INVALID_REQUEST.
    """
    return tuple(check_objects(optional(fields, "tools", list, "an array") or [], "tools"))


def read_tools(fields: Mapping[str, Any]) -> tuple[Tool, ...]:
    """Every tool the model may use: those of `tools`, and of MCP servers that it leaves out.

    Raises:
        Refused: INVALID_REQUEST when a tool has no name that a cap could know it by.
    """
    tools = [tool_of(each, f"tools[{place}]") for place, each in enumerate(definitions_of(fields))]
    servers = optional(fields, "mcp_servers", list, "an array")
    if servers and all(tool.name != MCP_TOOLSET for tool in tools):
        tools.append(Tool(MCP_TOOLSET, ToolKind.BUILT_IN))
    return tuple(tools)


def tool_of(definition: Mapping[str, Any], param: str) -> Tool:
    """What caps see of a definition."""
    kind = definition.get("type")
    if kind is not None and (not isinstance(kind, str) or not kind):
        raise invalid(f"{param}.type", "must be a non-empty string")
    if kind is not None and kind != ToolKind.CUSTOM:
        known, named = _undated(kind), definition.get("name")
        called = named if isinstance(named, str) and named != known else ""
        return Tool(known, ToolKind.BUILT_IN, called=called)
    name = definition.get("name")
    if not isinstance(name, str) or not name:
        raise invalid(f"{param}.name", "must be a non-empty string")
    return Tool(name, ToolKind.CUSTOM)


def read_forced_tool(fields: Mapping[str, Any]) -> str | None:
    """The one tool that `tool_choice` makes the model call, by the name that caps know.

    Raises:
        Refused: INVALID_REQUEST.
    """
    choice = optional(fields, "tool_choice", dict, "an object")
    if choice is None or choice.get("type") != "tool":
        return None
    name = choice.get("name")
    if not isinstance(name, str) or not name:
        raise invalid("tool_choice.name", "must be a non-empty string")
    for place, definition in enumerate(definitions_of(fields)):
        if definition.get("name") == name:
            return tool_of(definition, f"tools[{place}]").name
    return name


def is_run_by_provider(tool: Tool) -> bool:
    """Whether a tool makes a loop. One that nobody knows does."""
    of_the_caller = RUN_BY_THE_CALLER | TOOLSETS_OF_THE_CALLER
    return tool.kind is ToolKind.BUILT_IN and tool.name not in of_the_caller


def searches_of(fields: Mapping[str, Any]) -> tuple[int, bool]:
    """The most web searches that may be billed, and whether the caller left a limit out.

    Raises:
        Refused: INVALID_REQUEST, for a limit that is none.
    """
    searches, is_unlimited = 0, False
    accepted = f"a whole number from 1 to {MAX_SEARCHES}"
    for place, definition in enumerate(definitions_of(fields)):
        if not searches_the_web(definition):
            continue
        asked = definition.get("max_uses")
        if asked is None:
            is_unlimited = True
        elif type(asked) is not int or not 1 <= asked <= MAX_SEARCHES:
            raise invalid(f"tools[{place}].max_uses", f"must be {accepted}")
        searches += DEFAULT_SEARCHES if asked is None else asked
    return searches, is_unlimited


def searches_the_web(definition: Mapping[str, Any]) -> bool:
    """Whether a definition is that of web search."""
    return _undated(str(definition.get("type"))) == WEB_SEARCH


def unbounded_tools(fields: Mapping[str, Any]) -> Iterator[str]:
    """The tools that cost what no answer says, or no price knows."""
    kinds = [str(each.get("type")) for each in definitions_of(fields)]
    names = [_undated(kind) for kind in kinds]
    if ADVISOR in names:
        yield "an advisor's answers"
    if CODE_EXECUTION in names and not any(map(_frees_the_sandbox, kinds)):
        yield "the hours of a container"


def _frees_the_sandbox(kind: str) -> bool:
    dated = _DATED.fullmatch(kind)
    if dated is None or dated[1] not in (WEB_SEARCH, "web_fetch"):
        return False
    return dated[2] >= _FREE_SANDBOX_SINCE


def _undated(kind: str) -> str:
    dated = _DATED.fullmatch(kind)
    return kind if dated is None else dated[1]
