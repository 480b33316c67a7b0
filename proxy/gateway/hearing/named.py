"""What is asked for, in our words: the model that a name stands for, whatever Azure calls it.

From here on a call is for its model: policies, prices and budgets never see a deployment.
Source: docs/semantics.md, "Deployments"; field-report 55.
"""

from msgspec.structs import replace

from proxy.dialects.dialect import Dialect, FormRules, Request
from proxy.dialects.wire.form import Form
from proxy.dialects.wire.json_text import encode, read_object, with_members
from proxy.gateway.routes import Routes


def read_call(dialect: Dialect, body: bytes, routes: Routes, *, deployment: str | None) -> Request:
    """Read a call, whose path may name a deployment: then nothing else in it says the model.

    Raises:
        Refused: INVALID_REQUEST.
    """
    if deployment is not None:
        body = _naming(body, deployment)
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


def _naming(body: bytes, deployment: str) -> bytes:
    if body.lstrip()[:1] != b"{":
        return body  # nothing that could be read
    if read_object(body).get("model") == deployment:
        return body
    return with_members(body, {"model": encode(deployment)})
