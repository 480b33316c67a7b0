"""Edits of a body that OpenAI's dialects make alike: limit, and the tools to choose from."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from proxy.dialects.dialect import Changes, Request, Tool
from proxy.dialects.edits import Edits, tool_denied
from proxy.dialects.wire.json_text import encode


def edit_limit(request: Request, changes: Changes, *, default_field: str) -> Edits:
    """The output limit, in one field alone."""
    limit = changes.max_output_tokens
    field = changes.limit_field or request.limit_field or default_field
    if limit is None or (limit, field) == (request.max_output_tokens, request.limit_field):
        return {}
    edits: Edits = {field: encode(limit)}
    if request.limit_field is not None and request.limit_field != field:
        edits[request.limit_field] = None
    return edits


def edit_service_tier(request: Request, changes: Changes) -> Edits:
    """The service tier, where it is to be another one."""
    if changes.service_tier is None or changes.service_tier == request.service_tier:
        return {}
    return {"service_tier": encode(changes.service_tier)}


def edit_answers(request: Request, changes: Changes, *fields: str) -> Edits:
    """How many answers are asked for, lowered in each of these fields to the most."""
    most = changes.n
    asked = {field: request.fields.get(field) for field in fields}
    return {
        field: encode(most)
        for field, answers in asked.items()
        if most is not None and type(answers) is int and answers > most
    }


def still_allowed(
    allowed: object,
    tool_of: Callable[[Mapping[str, Any], str], Tool],
    dropped: Collection[str],
) -> list[bool]:
    """Whether each tool stays that a `tool_choice` allows; empty where it lists none.

    Raises:
        Refused: TOOL_DENIED when none stays, and one has to be called.
    """
    if not isinstance(allowed, dict) or not isinstance(allowed.get("tools"), list):
        return []
    kept = [
        not isinstance(tool, dict) or tool_of(tool, "tool_choice").name not in dropped
        for tool in allowed["tools"]
    ]
    if kept and not any(kept) and allowed.get("mode") == "required":
        raise tool_denied("Every tool that the call may choose from", "tool_choice")
    return kept
