"""Another body for the same call.

What is not changed keeps its bytes, and a call that needs no change keeps its body. A
prompt that spells a field's name cannot mislead an edit: members are found by reading the
JSON, never by searching it.
"""

from collections.abc import Collection
from typing import Final

from proxy.dialects.chat.tools import WEB_SEARCH, is_search_model, tool_of
from proxy.dialects.dialect import Changes, Request
from proxy.dialects.edits import Edits, edit_model, tool_denied
from proxy.dialects.openai.edits import (
    edit_answers,
    edit_limit,
    edit_service_tier,
    still_allowed,
)
from proxy.dialects.openai.stream_options import edit_stream_options
from proxy.dialects.wire.json_text import encode, member, with_items, with_last, with_members

_GO_WITH: Final = {
    "tools": ("tool_choice", "parallel_tool_calls"),
    "functions": ("function_call",),
}
"""Fields that mean nothing, or are refused, without the list they are about."""


def apply(request: Request, changes: Changes) -> bytes:
    """The body of the call with the changes made: the very same bytes if there are none.

    Raises:
        Refused: TOOL_DENIED when a tool is to go that the call forces, or that is a part
            of the model.
    """
    edits = edit_model(request, changes)
    edits |= edit_limit(request, changes, default_field="max_completion_tokens")
    edits |= _tools(request, changes) | edit_stream_options(request, changes)
    edits |= edit_service_tier(request, changes) | edit_answers(request, changes, "n")
    edits |= _effort(request, changes) | _note(request, changes)
    return with_members(request.body, edits) if edits else request.body


def _effort(request: Request, changes: Changes) -> Edits:
    if changes.reasoning_effort is None or changes.reasoning_effort == request.reasoning_effort:
        return {}
    return {"reasoning_effort": encode(changes.reasoning_effort)}


def _note(request: Request, changes: Changes) -> Edits:
    """At the end, so that what the provider has cached of the conversation stays good."""
    if changes.note is None:
        return {}
    said = encode({"role": "system", "content": changes.note})
    return {"messages": with_last(member(request.body, "messages"), said)}


def _tools(request: Request, changes: Changes) -> Edits:
    dropped = changes.drop_tools & {tool.name for tool in request.tools}
    if not dropped:
        return {}
    if request.forced_tool in dropped:
        raise tool_denied(f"The tool {request.forced_tool!r} that the call forces", "tool_choice")
    edits: Edits = {}
    for field in ("tools", "functions"):
        edits |= _without(request, field, dropped)
    if WEB_SEARCH in dropped:
        if is_search_model(changes.model or request.model):
            raise tool_denied("Web search, which this model always does,", "model")
        if "web_search_options" in request.fields:
            edits["web_search_options"] = None
    if "tool_choice" not in edits:
        edits |= _allowed_tools(request, dropped)
    return edits


def _without(request: Request, field: str, dropped: Collection[str]) -> Edits:
    """The list of tools in `field` without those that are dropped."""
    definitions = request.fields.get(field) or []
    kept = [tool_of(definition, field).name not in dropped for definition in definitions]
    if all(kept):
        return {}
    if any(kept):
        return {field: with_items(member(request.body, field), kept)}
    if request.fields.get("tool_choice") == "required" and field == "tools":
        raise tool_denied("Every tool that the call may choose from", "tool_choice")
    gone = (field, *_GO_WITH[field])
    return {name: None for name in gone if name in request.fields}


def _allowed_tools(request: Request, dropped: Collection[str]) -> Edits:
    """A `tool_choice` that lists tools must not list one that is gone."""
    choice = request.fields.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return {}
    kept = still_allowed(choice.get("allowed_tools"), tool_of, dropped)
    if all(kept):
        return {}
    if not any(kept):
        return {"tool_choice": b'"none"'}
    text = member(request.body, "tool_choice")
    inner = member(text, "allowed_tools")
    tools = with_items(member(inner, "tools"), kept)
    return {
        "tool_choice": with_members(text, {"allowed_tools": with_members(inner, {"tools": tools})})
    }
