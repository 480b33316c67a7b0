"""A call for images, as JSON or as a form with files.

Source: https://developers.openai.com/api/reference/resources/images
"""

from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final

from simulator.errors import invalid
from simulator.fields import boolean, integer, optional, read_model, read_object
from simulator.models import Model
from simulator.request import ChatRequest

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
    boundary = body.partition(b"\r\n")[0].removeprefix(b"--")
    head = b'Content-Type: multipart/form-data; boundary="%b"\r\n\r\n' % boundary
    fields: dict[str, Any] = {FILES: []}
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        if part.get_filename() is not None:
            fields[FILES].append(data)
        elif isinstance(data, bytes):
            fields[name] = data.decode()
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
