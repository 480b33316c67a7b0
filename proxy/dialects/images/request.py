"""What a call for images asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.openai.com/docs/api-reference/images/create and .../images/createEdit
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pricing.drawing import Drawing
from pricing.usage import AUTO, image_kind
from proxy.dialects.dialect import Request
from proxy.dialects.fields import check_objects, read_model, read_number
from proxy.dialects.wire.form import Form
from proxy.dialects.wire.json_text import invalid, optional, read_object
from proxy.domain.errors import Reason, Refused

MAX_IMAGES: Final = 10
"""The most images that one call may ask for, by `n`."""

MAX_IMAGES_IN: Final = 16
"""The most images that one call may edit (images/createEdit, image)."""

MAX_PREVIEWS: Final = 3

_UNPRICED: Final = ("complexity", "frame_count")
"""What makes a model think, or draw several frames: nobody publishes what it adds."""

_WORD: Final = re.compile(r"[\w.-]{1,32}", re.ASCII)
_FRAMES: Final = "gif"
_SECOND_MODEL: Final = "svg"


def read_generation(body: bytes) -> Request:
    """Read a call that makes images of a text.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    _check_prompt(fields)
    return request_of(body, fields)


def read_edit(body: bytes) -> Request:
    """Read a call that changes images, where it is no form.

    Raises:
        Refused: as `read_generation`.
    """
    fields = read_object(body)
    _check_prompt(fields)
    images = fields.get("images")
    if type(images) is not list or not 1 <= len(images) <= MAX_IMAGES_IN:
        raise invalid("images", f"must be an array of 1 to {MAX_IMAGES_IN} images")
    check_objects(images, "images")
    return request_of(body, fields, has_images=True)


def refuse_json(body: bytes) -> Request:
    """Variations are made of a file.

    Raises:
        Refused: INVALID_REQUEST, always.
    """
    del body
    raise Refused(
        Reason.INVALID_REQUEST, "Variations are made of a file: send multipart/form-data."
    )


def request_of(
    body: bytes, fields: Mapping[str, Any], *, form: Form | None = None, has_images: bool = False
) -> Request:
    """A call out of its fields, whatever they were written as.

    Raises:
        Refused: INVALID_REQUEST.
    """
    _check_is_one_model(fields)
    n = read_number(fields, "n", 1, MAX_IMAGES) or 1
    size, quality = _read_word(fields, "size"), _read_word(fields, "quality")
    previews = read_number(fields, "partial_images", 0, MAX_PREVIEWS) or 0
    is_known = all(fields.get(name) is None for name in _UNPRICED)
    is_known = is_known and fields.get("output_format") != _FRAMES
    return Request(
        body=body,
        fields=fields,
        model=read_model(fields),
        form=form,
        stream=optional(fields, "stream", bool, "true or false") or False,
        n=n,
        takes_limit=False,
        has_images=has_images,
        caches=False,
        images={image_kind(size, quality): n},
        draws=Drawing(size, quality, previews) if is_known else None,
    )


def _read_word(fields: Mapping[str, Any], name: str) -> str:
    """A size or a quality: it is looked up among fees, and named where there is none.

    Raises:
        Refused: INVALID_REQUEST.
    """
    word = optional(fields, name, str, "a string") or AUTO
    if _WORD.fullmatch(word) is None:
        raise invalid(name, "must be a word of at most 32 letters, digits, dots and hyphens")
    return word


def _check_prompt(fields: Mapping[str, Any]) -> None:
    if type(fields.get("prompt")) is not str:
        raise invalid("prompt", "must be a string")


def _check_is_one_model(fields: Mapping[str, Any]) -> None:
    """A second model, which writes vectors of what the first one drew, has its own price."""
    is_written = fields.get("output_format") == _SECOND_MODEL or fields.get("svg") is not None
    if is_written:
        raise invalid(
            "output_format",
            "must not be svg: a second model writes it, which is not metered in this version",
        )
