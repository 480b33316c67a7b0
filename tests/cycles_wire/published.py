"""The published document of the protocol, where it is at hand."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

DOCUMENT = Path(__file__).resolve().parents[3] / "shared/spec/cycles-protocol-v0.yaml"

needs_document = pytest.mark.skipif(
    not DOCUMENT.is_file(), reason=f"the published protocol is not at {DOCUMENT}"
)


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text("utf-8"))
    return loaded


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"][name]
    return found


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference names, or the schema itself."""
    reference = part.get("$ref")
    return schema(reference.rsplit("/", 1)[1]) if reference else part


@cache
def validator(name: str) -> Draft202012Validator:
    reference = f"#/components/schemas/{name}"
    return Draft202012Validator({"$ref": reference, "components": document()["components"]})
