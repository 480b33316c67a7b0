"""The document of what is served, against the published one, and the page to read it."""

import json
import re
from typing import Any

import pytest

from proxy.authority.openapi import PROTOCOL_VERSION, document
from proxy.authority.operations.table import OPERATIONS, Operation
from proxy.authority.pages import pages
from proxy.domain.money import INT64_MAX, INT64_MIN
from tests.authority.published import GOVERNANCE, documented_statuses
from tests.authority.rig import DEV, Rig, Sent, plane_over
from tests.cycles_wire import published
from tests.cycles_wire.drawing import NOT_SERVED

SERVED = document()
OF_PROTOCOL = [each for each in OPERATIONS if each.name != "introspectAuth"]

_COMPARED = frozenset(
    {
        *("type", "enum", "pattern", "const", "default", "style", "explode"),
        *("minimum", "maximum", "minLength", "maxLength"),
        *("maxItems", "minProperties", "maxProperties"),
    }
)


def _told(part: dict[str, Any], whole: dict[str, Any], name: str = "") -> dict[str, Any]:
    """What a schema says, without its words: references followed, names of schemas dropped."""
    reference = part.get("$ref")
    if reference:
        part = {**whole["components"]["schemas"][reference.rsplit("/", 1)[1]], **part}
    told = {key: value for key, value in part.items() if key in _COMPARED}
    # Ours says how large int64 is, and that no time is before 1970.
    if told.get("maximum") == INT64_MAX:
        del told["maximum"]
    if told.get("minimum") == INT64_MIN or (name.endswith("_at_ms") and told.get("minimum") == 0):
        del told["minimum"]
    if "enum" in told:
        told["enum"] = sorted(told["enum"])
    if "properties" in part:
        told["required"] = sorted(part.get("required", ()))
        told["is_closed"] = part.get("additionalProperties") is False
        told["properties"] = {
            inner: _told(schema, whole, inner)
            for inner, schema in part["properties"].items()
            if inner not in NOT_SERVED
        }
    elif isinstance(part.get("additionalProperties"), dict):
        told["values"] = _told(part["additionalProperties"], whole)
    if "items" in part:
        told["items"] = _told(part["items"], whole)
    if "anyOf" in part:
        told["anyOf"] = part["anyOf"]
    return told


def _both(operation: Operation) -> tuple[dict[str, Any], dict[str, Any]]:
    path, method = operation.path, operation.method.lower()
    theirs: dict[str, Any] = published.document()["paths"][path][method]
    ours: dict[str, Any] = SERVED["paths"][path][method]
    return ours, theirs


def _content(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    if reference:
        part = whole["components"]["responses"][reference.rsplit("/", 1)[1]]
    return _told(part["content"]["application/json"]["schema"], whole)


@published.needs_document
@pytest.mark.parametrize("operation", OF_PROTOCOL, ids=lambda operation: operation.name)
def test_an_operation_takes_and_answers_what_is_published(operation: Operation) -> None:
    ours, theirs = _both(operation)
    whole = published.document()
    assert ours["operationId"] == theirs["operationId"]
    if operation.request is not None:
        assert _content(ours["requestBody"], SERVED) == _content(theirs["requestBody"], whole)
    throttled = {429}
    assert documented_statuses(operation) - throttled <= {int(s) for s in ours["responses"]}
    for status, answer in theirs["responses"].items():
        if int(status) not in throttled:
            assert _content(ours["responses"][status], SERVED) == _content(answer, whole), status


@published.needs_document
@pytest.mark.parametrize("operation", OF_PROTOCOL, ids=lambda operation: operation.name)
def test_an_operation_has_the_parameters_that_are_published(operation: Operation) -> None:
    ours, theirs = _both(operation)
    whole = published.document()

    def told(parameter: dict[str, Any], of: dict[str, Any]) -> tuple[str, Any]:
        reference = parameter.get("$ref")
        if reference:
            parameter = of["components"]["parameters"][reference.rsplit("/", 1)[1]]
        place = (parameter["in"], parameter.get("required", False))
        return parameter["name"], (place, _told(parameter["schema"], of))

    assert dict(told(each, SERVED) for each in ours["parameters"]) == dict(
        told(each, whole) for each in theirs["parameters"]
    )


@published.needs_document
def test_it_is_the_version_that_is_published() -> None:
    assert published.document()["info"]["version"] == PROTOCOL_VERSION
    assert GOVERNANCE.is_file()


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(SERVED)
    for kind, name in re.findall(r'"#/components/(\w+)/([\w-]+)"', text):
        assert name in SERVED["components"][kind]


def test_every_schema_says_what_it_is() -> None:
    for name, schema in SERVED["components"]["schemas"].items():
        assert schema["description"], name


async def test_both_pages_are_served_to_whoever_asks(rig: Rig) -> None:
    rig.plane = plane_over(rig.ledger, clock=rig.clock, log=rig.log, pages=pages())
    asked = {path: Sent("GET", path, headers={"Host": "localhost"}) for path in pages()}
    spec = await rig.plane.answer(asked["/openapi.json"])
    assert json.loads(spec.body) == json.loads(json.dumps(SERVED))
    page = await rig.plane.answer(asked["/docs"])
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.body.decode()
    for operation in OPERATIONS:
        assert operation.path in text
    assert not re.search(r"<script|src=|https?://", text)
    posted = await rig.ask("POST", "/docs", {}, secret=DEV)
    assert (posted.status, posted.headers["Allow"]) == (405, "GET")
