"""Calls for images that come as forms: what is read of one, and what is still to come."""

from typing import Any

import pytest

from pricing.drawing import Drawing
from pricing.prompt import Image, Text
from proxy.dialects.dialect import Changes, Dialect, Request
from proxy.dialects.images import IMAGE_EDITS, IMAGE_VARIATIONS
from proxy.dialects.wire.form import Form, form_of
from proxy.dialects.wire.multipart import MultipartReader
from proxy.domain.errors import Refused
from tests.dialects.wire.forms import BOUNDARY, field, file, form

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
FIELDS = {"model": "gpt-image-2", "prompt": "Add a hat", "size": "1024x1024", "quality": "low"}


def read_form(parts: list[bytes], *, cut: int = 0) -> Form:
    body = form(parts)
    begin = body[: len(body) - cut]
    reader = MultipartReader(BOUNDARY)
    reader.feed(begin)
    return form_of(reader, begin, max_bytes=10**6)


def parts_of(*files: bytes, **fields: str) -> list[bytes]:
    return [*(field(name, value) for name, value in (FIELDS | fields).items()), *files]


def read(dialect: Dialect, parts: list[bytes], *, cut: int = 0) -> Request:
    assert dialect.form is not None
    return dialect.form.read(read_form(parts, cut=cut))


ONE = file("image", PNG, filename="a.png", content_type="image/png")


def test_an_edit_says_the_same_as_in_json() -> None:
    request = read(IMAGE_EDITS, parts_of(ONE, n="2", stream="true", partial_images="3"))

    assert (request.model, request.n, request.stream) == ("gpt-image-2", 2, True)
    assert request.draws == Drawing("1024x1024", "low", 3)
    assert request.images == {"1024x1024/low": 2}
    assert request.has_images
    assert not request.may_be_limited
    prompt = IMAGE_EDITS.prompt_of(request)
    assert prompt.parts == (Image(None, None), Text("Add a hat")) * 2


@pytest.mark.parametrize("name", ["image[]", "image", "image[0]", "mask", "markup"])
def test_every_file_that_is_an_image_counts(name: str) -> None:
    more = file(name, PNG, filename="b.png", content_type="image/png")
    request = read(IMAGE_EDITS, parts_of(ONE, more))

    assert IMAGE_EDITS.prompt_of(request).parts.count(Image(None, None)) == 2


def test_while_a_form_is_still_coming_it_may_have_as_many_images_as_there_can_be() -> None:
    request = read(IMAGE_EDITS, parts_of(ONE), cut=300)

    assert request.form is not None
    assert not request.form.is_whole
    assert IMAGE_EDITS.prompt_of(request).parts.count(Image(None, None)) == 18


def test_high_fidelity_and_gifs_are_known_in_a_form_too() -> None:
    faithful = read(IMAGE_EDITS, parts_of(ONE, input_fidelity="high"))
    moving = read(IMAGE_EDITS, parts_of(ONE, output_format="gif"))
    planned = read(IMAGE_EDITS, parts_of(ONE, frame_count="9"))

    assert IMAGE_EDITS.prompt_of(faithful).parts[0] == Image(None, None, "original")
    assert (moving.draws, planned.draws) == (None, None)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": "0"}, "n must be a whole number from 1 to 10"),
    ({"n": "1.0"}, "n must be a whole number"),
    ({"n": "-1"}, "n must be a whole number"),
    ({"n": "\u0661"}, "n must be a whole number"),
    ({"n": "9" * 5_000}, "n must be a whole number"),
    ({"stream": "yes"}, "stream must be true or false"),
    ({"model": ""}, "model must be a string"),
    ({"output_format": "svg"}, "output_format must not be svg"),
    ({"svg[model]": "gpt-6-sol"}, "output_format must not be svg"),
]


@pytest.mark.parametrize(("fields", "words"), REFUSED)
def test_a_malformed_form_is_refused_in_words(fields: dict[str, str], words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        read(IMAGE_EDITS, parts_of(ONE, **fields))

    assert "hat" not in str(refused.value)


@pytest.mark.parametrize("name", ["model", "n", "size", "quality", "stream", "prompt"])
def test_a_field_that_stands_twice_is_refused(name: str) -> None:
    parts = [*parts_of(ONE, n="1", stream="false"), field(name, "1")]

    with pytest.raises(Refused, match=f"{name} must stand in the form once"):
        read(IMAGE_EDITS, parts)


def test_an_edit_needs_a_text_and_a_variation_none() -> None:
    without = [field("model", "dall-e-2"), ONE]

    with pytest.raises(Refused, match="prompt"):
        read(IMAGE_EDITS, without)
    request = read(IMAGE_VARIATIONS, without)
    assert IMAGE_VARIATIONS.prompt_of(request).parts == (Image(None, None),)
    assert request.images == {"auto/auto": 1}


def test_a_form_that_needs_no_change_keeps_its_bytes() -> None:
    request = read(IMAGE_EDITS, parts_of(ONE, n="4"))

    assert IMAGE_EDITS.apply(request, Changes()) is request.body
    assert IMAGE_EDITS.apply(request, Changes(n=9)) is request.body


@pytest.mark.parametrize("cut", [0, 300])
def test_a_changed_form_is_the_form_with_other_values(cut: int) -> None:
    request = read(IMAGE_EDITS, parts_of(ONE, n="4"), cut=cut)
    changed = IMAGE_EDITS.apply(request, Changes(model="gpt-image-1-mini", n=2))

    assert request.form is not None
    assert IMAGE_EDITS.form is not None
    again = IMAGE_EDITS.form.read(request.form.reread(changed))
    assert (again.model, again.n) == ("gpt-image-1-mini", 2)
    assert again.form is not None
    assert again.form.is_whole is (cut == 0)
    assert again.form.files == request.form.files
    expected = form(parts_of(ONE, n="2", model="gpt-image-1-mini"))
    assert changed == expected[: len(expected) - cut]
