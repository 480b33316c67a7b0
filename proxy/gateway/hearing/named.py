"""What is asked for, in our words: the model that a name stands for, whatever Azure calls it.

From here on a call is for its model: policies, prices and budgets never see a deployment.
Source: docs/semantics.md, "Deployments"; field-report 55.
"""

from msgspec.structs import replace

from proxy.dialects.dialect import Dialect, FormRules, Request
from proxy.dialects.wire.form import Form
from proxy.dialects.wire.json_text import encode, read_leniently, read_object, with_members
from proxy.gateway.routes import Routes


def read_call(dialect: Dialect, body: bytes, routes: Routes, *, deployment: str | None) -> Request:
    """Read a call, whose path may name a deployment: then nothing else in it says the model.

    Raises:
        Refused: INVALID_REQUEST.
    """
    if deployment is not None:
        read_object(body)  # a member that stands twice is refused, and not made one
        body = naming(body, deployment)
    return _meant(dialect.read_request(body), routes, deployment)


def read_form_call(
    rules: FormRules, form: Form, routes: Routes, *, deployment: str | None
) -> Request:
    """Read a call that came as a form, of which the file may still be coming.

    Raises:
        Refused: INVALID_REQUEST.
    """
    if deployment is not None:
        form = form.with_values({"model": deployment})
    return _meant(rules.read(form), routes, deployment)


def _meant(request: Request, routes: Routes, deployment: str | None) -> Request:
    name = request.model
    model, known = routes.meant_by(name, is_deployment=deployment is not None)
    return request if known is None else replace(request, model=model, deployment=known)


def named_in(body: bytes) -> str | None:
    """The model that a body names; None where it names none, or cannot be read."""
    fields = read_leniently(body) if body else None
    model = fields.get("model") if isinstance(fields, dict) else None
    return model if isinstance(model, str) else None


def naming(body: bytes, name: str) -> bytes:
    """The body with this name as its model; the same bytes where they have it, or are no JSON."""
    if named_in(body) == name:
        return body
    try:
        return with_members(body, {"model": encode(name)})
    except ValueError:
        return body
