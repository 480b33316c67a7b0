"""Another body for the same call.

What is not changed keeps its bytes, and a call that needs no change keeps its body. A
prompt that spells a field's name cannot mislead an edit: members are found by reading the
JSON, never by searching it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from proxy.dialects.dialect import Changes, Request
from proxy.dialects.edits import Edits, edit_model, tool_denied
from proxy.dialects.openai.edits import edit_limit, edit_service_tier, still_allowed
from proxy.dialects.openai.parts import list_of
from proxy.dialects.responses.request import LIMIT_FIELD
from proxy.dialects.responses.tools import BRINGS_TOOLS, read_definitions, tool_of
from proxy.dialects.wire.json_text import (
    array_of,
    encode,
    items_of,
    member,
    with_items,
    with_last,
    with_members,
)

_GO_WITH_TOOLS: Final = ("tools", "tool_choice", "parallel_tool_calls")
"""Fields that mean nothing, or are refused, without tools."""


def apply(request: Request, changes: Changes) -> bytes:
    """The body of the call with the changes made: the very same bytes if there are none.

    Raises:
        Refused: TOOL_DENIED when a tool is to go that the call forces, or that came with
            the input.
    """
    edits = edit_model(request, changes)
    edits |= edit_limit(request, changes, default_field=LIMIT_FIELD)
    edits |= _tools(request, changes) | edit_service_tier(request, changes)
    edits |= _effort(request, changes) | _note(request, changes)
    if changes.max_tool_calls is not None:
        edits["max_tool_calls"] = encode(changes.max_tool_calls)
    return with_members(request.body, edits) if edits else request.body


def _effort(request: Request, changes: Changes) -> Edits:
    effort = changes.reasoning_effort
    if effort is None or effort == request.reasoning_effort:
        return {}
    reasoning = b"{}"
    if request.fields.get("reasoning") is not None:
        reasoning = member(request.body, "reasoning")
    return {"reasoning": with_members(reasoning, {"effort": encode(effort)})}


def _note(request: Request, changes: Changes) -> Edits:
    """At the end, so that what the provider has cached of the conversation stays good."""
    given = request.fields.get("input")
    if changes.note is None or given is None:
        return {}
    items = member(request.body, "input")
    if isinstance(given, str):
        items = b'[{"role":"user","content":%b}]' % items
    said = encode({"role": "developer", "content": changes.note})
    return {"input": with_last(items, said)}


def _tools(request: Request, changes: Changes) -> Edits:
    dropped = changes.drop_tools & {tool.name for tool in request.tools}
    if not dropped:
        return {}
    if request.forced_tool in dropped:
        raise tool_denied(f"The tool {request.forced_tool!r} that the call forces", "tool_choice")
    for item in list_of(request.fields, "input"):
        if item.get("type") in BRINGS_TOOLS and _names(item) & dropped:
            raise tool_denied("A tool that came with the input", "input")
    definitions = request.fields.get("tools") or []
    if not _names(request.fields, "tools") & dropped:
        return {}
    kept = _kept(member(request.body, "tools"), definitions, dropped)
    if not kept:
        if request.fields.get("tool_choice") == "required":
            raise tool_denied("Every tool that the call may choose from", "tool_choice")
        return {name: None for name in _GO_WITH_TOOLS if name in request.fields}
    return {"tools": array_of(kept)} | _allowed_tools(request, dropped)


def _names(holder: Mapping[str, Any], param: str = "input") -> frozenset[str]:
    """The names of the tools that an item, or a call, holds."""
    definitions = read_definitions({"tools": holder.get("tools")})
    return frozenset(tool_of(definition, param).name for definition in definitions)


def _kept(
    text: bytes, definitions: Iterable[Mapping[str, Any]], dropped: Collection[str]
) -> list[bytes]:
    """The JSON text of each tool that stays; a namespace stays with those of its own."""
    kept = []
    for item, definition in zip(items_of(text), definitions, strict=True):
        if definition.get("type") != "namespace":
            if tool_of(definition, "tools").name not in dropped:
                kept.append(item)
            continue
        inner = definition.get("tools") or []
        if not inner or not _names(definition) & set(dropped):
            kept.append(item)
        elif own := _kept(member(item, "tools"), inner, dropped):
            kept.append(with_members(item, {"tools": array_of(own)}))
    return kept


def _allowed_tools(request: Request, dropped: Collection[str]) -> Edits:
    """A `tool_choice` that lists tools must not list one that is gone."""
    choice = request.fields.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return {}
    kept = still_allowed(choice, tool_of, dropped)
    if all(kept):
        return {}
    if not any(kept):
        return {"tool_choice": b'"none"'}
    text = member(request.body, "tool_choice")
    return {"tool_choice": with_members(text, {"tools": with_items(member(text, "tools"), kept)})}
