"""Calls for images that come as forms with files.

Field names: https://platform.openai.com/docs/api-reference/images/createEdit
"""

from typing import Any, Final

from proxy.dialects.dialect import Request
from proxy.dialects.fields import flag_of
from proxy.dialects.images.request import MAX_IMAGES_IN, request_of
from proxy.dialects.wire.form import Form
from proxy.dialects.wire.json_text import invalid

LATE: Final = frozenset({"image", "image[]", "mask", "markup"})
"""Parts that may come when a call has left: as many images are held for as there can be."""

_TEXTS: Final = (
    *("model", "prompt", "size", "quality", "output_format", "input_fidelity", "complexity"),
)
_NUMBERS: Final = ("n", "partial_images", "frame_count")
_MAX_DIGITS: Final = 9


def read_edit_form(form: Form) -> Request:
    """Read a call that changes images.

    Raises:
        Refused: INVALID_REQUEST. The message quotes nothing of the form.
    """
    fields = _fields_of(form)
    if "prompt" not in fields:
        raise invalid("prompt", "must be a string")
    return request_of(form.begin, fields, form=form, has_images=True)


def read_variation_form(form: Form) -> Request:
    """Read a call that makes variations of an image.

    Raises:
        Refused: as `read_edit_form`.
    """
    fields = _fields_of(form)
    return request_of(form.begin, fields, form=form, has_images=True)


def images_in(form: Form) -> int:
    """The most images that the form brings; what is still to come may be as many as may be."""
    seen = sum(_is_image(file.name) for file in form.files)
    seen += sum(_is_image(field.name) for field in form.fields)
    return seen if form.is_whole else max(seen, MAX_IMAGES_IN) + len(("mask", "markup"))


def _is_image(name: str) -> bool:
    return name.startswith(("image", "mask", "markup"))


def _fields_of(form: Form) -> dict[str, Any]:
    """What JSON would say: numbers and flags out of their texts."""
    fields: dict[str, Any] = {}
    for name in _TEXTS:
        if (text := form.value(name)) is not None:
            fields[name] = text
    for name in _NUMBERS:
        if (text := form.value(name)) is not None:
            fields[name] = _number(name, text)
    if (text := form.value("stream")) is not None:
        fields["stream"] = flag_of(text, "stream")
    if any(field.name.startswith("svg") for field in form.fields):
        fields["svg"] = True
    return fields


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise invalid(name, "must be a whole number")
    return int(text)
