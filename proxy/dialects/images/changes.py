"""Another body for the same call: another model, or fewer images."""

from proxy.dialects.dialect import Changes, Request
from proxy.dialects.edits import edit_model
from proxy.dialects.openai.edits import edit_answers
from proxy.dialects.wire.form import Form
from proxy.dialects.wire.json_text import with_members


def apply(request: Request, changes: Changes) -> bytes:
    """The body with changes made; of a form, its beginning."""
    if request.form is not None:
        return _of_form(request, request.form, changes)
    edits = edit_model(request, changes) | edit_answers(request, changes, "n")
    return with_members(request.body, edits) if edits else request.body


def _of_form(request: Request, form: Form, changes: Changes) -> bytes:
    values: dict[str, str] = {}
    if (name := changes.name or changes.model) is not None:
        values["model"] = name
    if changes.n is not None and request.n > changes.n:
        values["n"] = str(changes.n)
    return form.with_values(values).begin if values else request.body
