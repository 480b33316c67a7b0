"""Edits of a body that OpenAI's dialects make alike: model, limit, the refusal of a tool."""

from proxy.dialects.dialect import Changes, Request
from proxy.dialects.wire.json_text import encode
from proxy.domain.errors import Reason, Refused

Edits = dict[str, bytes | None]
"""JSON text by the member of the body that becomes it; None takes the member out."""


def edit_model(request: Request, changes: Changes) -> Edits:
    """The model, where it is to be another one."""
    if changes.model is None or changes.model == request.model:
        return {}
    return {"model": encode(changes.model)}


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


def tool_denied(what: str, param: str) -> Refused:
    """The refusal of a call that cannot do without a tool that is to go."""
    return Refused(
        Reason.TOOL_DENIED,
        f"{what} is not allowed for this budget at present. Do not retry.",
        param=param,
    )
