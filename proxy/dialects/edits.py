"""Edits of a body that every dialect makes: the model, and the refusal of a tool."""

from proxy.dialects.dialect import Changes, Request
from proxy.dialects.wire.json_text import encode, with_members
from proxy.domain.errors import Reason, Refused

Edits = dict[str, bytes | None]
"""JSON text by the member of the body that becomes it; None takes the member out."""


def edit_model(request: Request, changes: Changes) -> Edits:
    """The model, where it is to be another one, or to be called in another way."""
    name = changes.name or changes.model
    if name is None or name == request.fields.get("model", request.model):
        return {}
    return {"model": encode(name)}


def apply_model(request: Request, changes: Changes) -> bytes:
    """The body with another model, where an API has nothing else to change."""
    edits = edit_model(request, changes)
    return with_members(request.body, edits) if edits else request.body


def tool_denied(what: str, param: str) -> Refused:
    """The refusal of a call that cannot do without a tool that is to go."""
    return Refused(
        Reason.TOOL_DENIED,
        f"{what} is not allowed for this budget at present. Do not retry.",
        param=param,
    )
