"""What is served, as a document (OpenAPI 3.1) made from the operations and their schemas.

The published document of the protocol says more about each; this one says what is here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from proxy.authority.operations.listing import SortDirection
from proxy.authority.operations.table import OPERATIONS, RESERVATION_ID, Operation
from proxy.authority.query import LIMIT_DEFAULT, LIMIT_MAX
from proxy.authority.sub_budgets import operations as sub_budgets
from proxy.cycles_wire import headers
from proxy.cycles_wire.errors import ErrorCode, ErrorResponse
from proxy.cycles_wire.schemas import ReservationStatus
from proxy.domain.money import WIRE_UNITS
from proxy.domain.subject import LEVELS
from proxy.ledger.records import SortKey

PROTOCOL_VERSION: Final = "0.1.25.16"

_SERVED: Final = (*OPERATIONS, *sub_budgets.OPERATIONS)

_REFERENCE: Final = "#/components/schemas/{name}"
_KEY_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 256}

_ERRORS: Final[Mapping[str, Sequence[int]]] = {
    "decide": (400, 401, 403, 409, 500),
    "createReservation": (400, 401, 403, 404, 409, 500),
    "listReservations": (400, 401, 403, 500),
    "getReservation": (400, 401, 403, 404, 410, 500),
    "commitReservation": (400, 401, 403, 404, 409, 410, 500),
    "releaseReservation": (400, 401, 403, 404, 409, 410, 500),
    "extendReservation": (400, 401, 403, 404, 409, 410, 500),
    "getBalances": (400, 401, 403, 500),
    "createEvent": (400, 401, 403, 404, 409, 500),
    "introspectAuth": (401, 403, 500),
    "createSubBudget": (400, 401, 403, 404, 409, 500),
    "getSubBudget": (400, 401, 403, 404, 500),
    "closeSubBudget": (400, 401, 403, 404, 500),
}
_OF_BODIES: Final = (408, 413)
_WORDS: Final = {408: "INVALID_REQUEST: the body did not arrive in time.",
                 413: "INVALID_REQUEST: the body is larger than 1 MiB."}  # fmt: skip


def document() -> dict[str, Any]:
    """The whole document."""
    types = [ErrorResponse, *_types()]
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    for operation in _SERVED:
        _require_what_is_always_sent(components, operation.response)
    for component in components.values():
        for part in (component, *component.get("properties", {}).values()):
            if "enum" in part:
                part["type"] = "string"
    components["Unit"] |= {"enum": sorted(WIRE_UNITS), "description": "What an amount counts."}
    subject = components["Subject"]
    subject["minProperties"] = 1
    subject["anyOf"] = [{"required": [level]} for level in LEVELS]
    paths: dict[str, dict[str, Any]] = {}
    for operation in _SERVED:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spendgate: the authority",
            "version": PROTOCOL_VERSION,
            "summary": "The runtime plane of the Cycles protocol, of the version that is given.",
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "security": [{"ApiKeyAuth": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": _headers(),
            "securitySchemes": {
                "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": headers.API_KEY}
            },
        },
    }


def _require_what_is_always_sent(components: dict[str, Any], kind: Any) -> None:
    """A default of an answer is a value that it always has."""
    component = components[kind.__name__]
    for field in msgspec.structs.fields(kind):
        if field.default not in (msgspec.NODEFAULT, msgspec.UNSET):
            del component["properties"][field.encode_name]["default"]
            component["required"] = [field.encode_name, *component["required"]]


def _types() -> list[Any]:
    return [kind for each in _SERVED for kind in (each.request, each.response) if kind]


def _operation(operation: Operation) -> dict[str, Any]:
    lines = (operation.run.__doc__ or "").split(" Raises ")
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": lines[0],
        "description": "Needs any key."
        if operation.permission is None
        else f"Needs the permission `{operation.permission}`.",
        "parameters": _parameters(operation),
        "responses": {
            str(operation.status): _answer("As asked for.", operation.response),
            **{str(status): _error(status) for status in _statuses(operation)},
        },
    }
    if operation.request is not None:
        schema = _reference(operation.request)
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _statuses(operation: Operation) -> list[int]:
    of_body = _OF_BODIES if operation.request is not None else ()
    return sorted({*_ERRORS[operation.name], *of_body})


def _reference(kind: Any) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _answer(description: str, kind: Any) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _headers()},
        "content": {"application/json": {"schema": _reference(kind)}},
    }


def _error(status: int) -> dict[str, Any]:
    codes = ", ".join(code for code in ErrorCode if code.status == status)
    return _answer(_WORDS.get(status, codes), ErrorResponse)


def _headers() -> dict[str, Any]:
    return {
        headers.REQUEST_ID: {
            "description": "This request, as in the log.",
            "schema": {"type": "string"},
        },
        headers.TRACE_ID: {
            "description": "From `traceparent`, or this header of the request, or made.",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        },
        headers.TENANT: {
            "description": "Whose money it is, once the key is known.",
            "schema": {"type": "string"},
        },
    }


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = []
    if RESERVATION_ID in operation.path:
        schema = {"type": "string", "minLength": 1, "maxLength": 128}
        found.append({"name": "reservation_id", "in": "path", "required": True, "schema": schema})
    if operation.request is not None:
        found.append(_optional(headers.IDEMPOTENCY_KEY, _KEY_SCHEMA, place="header"))
    if operation.name == "listReservations":
        found += [*_list_filters(), *_page()]
    if operation.name == "getBalances":
        flag = {"type": "boolean", "default": False}
        found += [*_levels(), _optional("include_children", flag), *_page()]
    return found


def _list_filters() -> list[dict[str, Any]]:
    moment = {"type": "string", "format": "date-time"}
    windows = ("from", "to", "expires_from", "expires_to", "finalized_from", "finalized_to")
    include = {"type": "array", "items": {"type": "string"}}
    return [
        _optional("idempotency_key", _KEY_SCHEMA),
        _optional("status", {"type": "string", "enum": list(ReservationStatus)}),
        *_levels(),
        *[_optional(name, moment) for name in windows],
        _optional(
            "sort_by",
            {"type": "string", "enum": list(SortKey), "default": SortKey.CREATED_AT_MS},
        ),
        _optional(
            "sort_dir",
            {"type": "string", "enum": list(SortDirection), "default": SortDirection.DESC},
        ),
        _optional("include", include) | {"style": "form", "explode": False},
    ]


def _levels() -> list[dict[str, Any]]:
    return [_optional(level, {"type": "string"}) for level in LEVELS]


def _page() -> list[dict[str, Any]]:
    limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
    return [_optional("limit", limit), _optional("cursor", {"type": "string"})]


def _optional(name: str, schema: Mapping[str, Any], *, place: str = "query") -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "schema": dict(schema)}
