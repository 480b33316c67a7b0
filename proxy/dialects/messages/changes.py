"""Another body for the same call.

What is not changed keeps its bytes, and a call that needs no change keeps its body. Members
are found by reading the JSON, never by searching it.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from proxy.dialects.dialect import Changes, Request
from proxy.dialects.edits import Edits, edit_model, tool_denied
from proxy.dialects.messages.request import (
    LEAST_THINKING_TOKENS,
    LIMIT_FIELD,
    thinking_budget,
)
from proxy.dialects.messages.tools import (
    DEFAULT_SEARCHES,
    MCP_TOOLSET,
    definitions_of,
    searches_the_web,
    tool_of,
)
from proxy.dialects.messages.usage import FAST
from proxy.dialects.wire.json_text import (
    array_of,
    encode,
    items_of,
    member,
    with_items,
    with_last,
    with_members,
)

THOUGHT_SHARE_MAX_PCT: Final = 75
"""What a lowered thought may take of a lowered limit at most: the answer wants the rest."""

_NO_THOUGHT: Final = b'{"type":"disabled"}'

_SHARES_PCT: Final = {"minimal": 10, "low": 20, "medium": 50, "high": 80}
"""Of the limit, what an effort leaves to thought where a call names a budget in its place.

Source: https://openrouter.ai/docs/use-cases/reasoning-tokens (effort as a share of max_tokens).
"""

_NO_EFFORT: Final = "none"


def apply(request: Request, changes: Changes) -> bytes:
    """The body of the call with the changes made: the very same bytes if there are none.

    A limit stays above the budget for thought, as the API demands: the budget is lowered with
    it, and a limit that leaves no room for the least thought turns thinking off.

    Raises:
        Refused: TOOL_DENIED when a tool is to go that the call forces.
    """
    edits = edit_model(request, changes) | _effort(request, changes) | _limit(request, changes)
    edits |= _tools(request, changes) | _speed(request, changes) | _note(request, changes)
    return with_members(request.body, edits) if edits else request.body


def _limit(request: Request, changes: Changes) -> Edits:
    limit, asked = changes.max_output_tokens, request.max_output_tokens
    if limit is None or asked is None or limit == asked:
        return {}
    edits: Edits = {LIMIT_FIELD: encode(limit)}
    budget = thinking_budget(request.fields)
    # A budget above the caller's own limit is one for thought between tools, which a
    # header of the call allows.
    if budget is None or budget < limit or budget >= asked:
        return edits
    if limit <= LEAST_THINKING_TOKENS:
        return edits | {"thinking": _NO_THOUGHT}
    in_proportion = min(budget * limit // asked, limit * THOUGHT_SHARE_MAX_PCT // 100)
    lowered = encode(max(LEAST_THINKING_TOKENS, in_proportion))
    thinking = with_members(member(request.body, "thinking"), {"budget_tokens": lowered})
    return edits | {"thinking": thinking}


def _effort(request: Request, changes: Changes) -> Edits:
    """The effort where the call names one or adapts its thoughts; a budget as a share."""
    effort, thinking = changes.reasoning_effort, request.fields.get("thinking")
    if effort is None:
        return {}
    adapts = isinstance(thinking, dict) and thinking.get("type") == "adaptive"
    edits: Edits = {}
    if effort != request.reasoning_effort and (request.reasoning_effort is not None or adapts):
        config = b"{}"
        if request.fields.get("output_config") is not None:
            config = member(request.body, "output_config")
        edits["output_config"] = with_members(config, {"effort": encode(effort)})
    return edits | _thought(request, effort)


def _thought(request: Request, effort: str) -> Edits:
    budget = thinking_budget(request.fields)
    if budget is None:
        return {}
    if effort == _NO_EFFORT:
        return {"thinking": _NO_THOUGHT}
    share_pct, limit = _SHARES_PCT.get(effort), request.max_output_tokens or 0
    if share_pct is None:
        return {}
    lowered = max(LEAST_THINKING_TOKENS, limit * share_pct // 100)
    if lowered >= budget:
        return {}
    thinking = with_members(member(request.body, "thinking"), {"budget_tokens": encode(lowered)})
    return {"thinking": thinking}


def _speed(request: Request, changes: Changes) -> Edits:
    """The fast mode is a tier of its own, which can only be left."""
    if changes.service_tier in (None, FAST) or request.fields.get("speed") != FAST:
        return {}
    return {"speed": None}


def _note(request: Request, changes: Changes) -> Edits:
    """In the last turn of the user, so that what is cached of the conversation stays good."""
    messages = request.fields["messages"]
    if changes.note is None or messages[-1].get("role") != "user":
        return {}
    content = messages[-1].get("content")
    if not isinstance(content, str | list):
        return {}
    *before, last = items_of(member(request.body, "messages"))
    blocks = member(last, "content")
    if isinstance(content, str):
        blocks = b'[{"type":"text","text":%b}]' % blocks
    said = with_last(blocks, encode({"type": "text", "text": changes.note}))
    turn = with_members(last, {"content": said})
    return {"messages": array_of([*before, turn])}


def _tools(request: Request, changes: Changes) -> Edits:
    dropped = changes.drop_tools & {tool.name for tool in request.tools}
    if request.forced_tool in dropped:
        raise tool_denied(f"The tool {request.forced_tool!r} that the call forces", "tool_choice")
    definitions = definitions_of(request.fields)
    kept = [tool_of(each, "tools").name not in dropped for each in definitions]
    if definitions and not any(kept):
        edits = _without_any(request)
    else:
        edits = _without_some(request, kept, limits=changes.max_tool_calls is not None)
    if MCP_TOOLSET in dropped and "mcp_servers" in request.fields:
        edits["mcp_servers"] = None
    return edits


def _without_any(request: Request) -> Edits:
    """Without tools there is nothing to choose from."""
    choice = request.fields.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "any":
        raise tool_denied("Every tool that the call may choose from", "tool_choice")
    return {name: None for name in ("tools", "tool_choice") if name in request.fields}


def _without_some(request: Request, kept: Collection[bool], *, limits: bool) -> Edits:
    """The tools that are kept, web search with a limit where it is to have one."""
    definitions = definitions_of(request.fields)
    is_changed = limits and any(map(_lacks_limit, definitions))
    if all(kept) and not is_changed:
        return {}
    text = member(request.body, "tools")
    if is_changed:
        texts = zip(items_of(text), definitions, strict=True)
        text = array_of([_limited(*each) for each in texts])
    return {"tools": with_items(text, kept)}


def _limited(text: bytes, definition: Mapping[str, Any]) -> bytes:
    if not _lacks_limit(definition):
        return text
    return with_members(text, {"max_uses": encode(DEFAULT_SEARCHES)})


def _lacks_limit(definition: Mapping[str, Any]) -> bool:
    return searches_the_web(definition) and definition.get("max_uses") is None
