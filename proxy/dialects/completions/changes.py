"""Another body for the same call. What is not changed keeps its bytes."""

from proxy.dialects.completions.request import LIMIT_FIELD
from proxy.dialects.dialect import Changes, Request
from proxy.dialects.edits import edit_model
from proxy.dialects.openai.edits import edit_answers, edit_limit, edit_service_tier
from proxy.dialects.openai.stream_options import edit_stream_options
from proxy.dialects.wire.json_text import with_members


def apply(request: Request, changes: Changes) -> bytes:
    """The body of the call with the changes made: the very same bytes if there are none.

    The API has no tools that could go, no thought, and no conversation to add a note to.
    """
    edits = edit_model(request, changes)
    edits |= edit_limit(request, changes, default_field=LIMIT_FIELD)
    edits |= edit_stream_options(request, changes) | edit_service_tier(request, changes)
    edits |= edit_answers(request, changes, "n", "best_of")
    return with_members(request.body, edits) if edits else request.body
