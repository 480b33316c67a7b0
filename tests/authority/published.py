"""Every answer of a test against the published document, where it is at hand."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from proxy.authority.operations.table import Operation
from tests.cycles_wire.published import DOCUMENT, document, validator

GOVERNANCE = DOCUMENT.with_name("cycles-governance-admin-v0.1.25.yaml")


def check_answer(operation: Operation | None, status: int, body: Any) -> None:
    """The answer is of the schema that its status has in the document."""
    if not DOCUMENT.is_file():
        return
    if operation is None or status >= 400:
        validator("ErrorResponse").validate(body)
        return
    if operation.path.startswith("/v1/x-spendgate/"):
        return
    if operation.name == "introspectAuth":
        _introspection().validate(body)
        return
    responses = document()["paths"][operation.path][operation.method.lower()]["responses"]
    content = responses[str(status)]["content"]["application/json"]
    validator(content["schema"]["$ref"].rsplit("/", 1)[1]).validate(body)


def documented_statuses(operation: Operation) -> set[int]:
    """The statuses that the document gives an operation."""
    found = document()["paths"][operation.path][operation.method.lower()]["responses"]
    return {int(status) for status in found}


@cache
def _introspection() -> Draft202012Validator:
    components = yaml.safe_load(Path(GOVERNANCE).read_text("utf-8"))["components"]
    reference = "#/components/schemas/AuthIntrospectResponse"
    return Draft202012Validator({"$ref": reference, "components": components})
