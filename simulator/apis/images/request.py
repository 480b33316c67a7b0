"""A call for images, as JSON or as a form with files.

Source: https://developers.openai.com/api/reference/resources/images
"""

from collections.abc import Mapping
from typing import Any, Final

from simulator.errors import invalid
from simulator.fields import boolean, integer, optional, read_model, read_object
from simulator.models import Model
from simulator.request import ChatRequest
from simulator.wire.form import read_form

MOST_IMAGES: Final = 10
MOST_IMAGES_IN: Final = 16
MOST_PREVIEWS: Final = 3

FILES: Final = "files"
"""Where the bytes of a form's images stand among the fields."""

_NUMBERS: Final = ("n", "partial_images")
_SIZES: Final = frozenset({"auto", "1024x1024", "1024x1536", "1536x1024", "1792x1024"})


def read_generation(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    """Check a call that has no images. Raises ApiError."""
    return _request(read_object(body) | {FILES: []}, models)


def read_edit(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    """Check a call that has some. Raises ApiError."""
    if body.startswith(b"--"):
        return _request(_form(body), models)
    fields = read_object(body)
    images = optional(fields, "images", list) or []
    if not 1 <= len(images) <= MOST_IMAGES_IN:
        raise invalid("images", f"There are 1 to {MOST_IMAGES_IN} images.", "invalid_value")
    masks = [each for each in (fields.get("mask"),) if each is not None]
    return _request(fields | {FILES: [b""] * (len(images) + len(masks))}, models)


def read_variation(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    """Check a call that has one image and says nothing of it. Raises ApiError."""
    return _request(_form(body) | {"prompt": "once more"}, models)


def _form(body: bytes) -> dict[str, Any]:
    form = read_form(body)
    fields: dict[str, Any] = {**form.fields, FILES: [file.content for file in form.files]}
    for name in _NUMBERS:
        if name in fields:
            fields[name] = int(fields[name])
    if "stream" in fields:
        fields["stream"] = fields["stream"] == "true"
    if not fields[FILES]:
        raise invalid("image", "There has to be an image.", "missing_required_parameter")
    return fields


def _request(fields: dict[str, Any], models: Mapping[str, Model]) -> ChatRequest:
    model = read_model(fields, models)
    if not isinstance(fields.get("prompt"), str) or not fields["prompt"]:
        raise invalid("prompt", "There has to be a prompt.", "missing_required_parameter")
    if (optional(fields, "size", str) or "auto") not in _SIZES:
        raise invalid("size", "There is no such size.", "invalid_value")
    integer(fields, "partial_images", 0, MOST_PREVIEWS)
    return ChatRequest(
        body=fields,
        model=model,
        stream=boolean(fields, "stream"),
        choices=integer(fields, "n", 1, MOST_IMAGES) or 1,
        sent=fields,
    )
