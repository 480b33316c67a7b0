"""What is read of a call for images, what of it is billed, and what is refused."""

import contextlib
import json
import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.bound import BoundClass, count_prompt
from pricing.drawing import Drawing
from pricing.prompt import Image, Text
from proxy.dialects.dialect import Changes
from proxy.dialects.images import IMAGE_EDITS, IMAGE_VARIATIONS, IMAGES
from proxy.domain.errors import Reason, Refused
from tests.dialects.images.examples import body, encoded
from tests.pricing.make import loaded_tokenizers, profile_of

EDIT: dict[str, Any] = {
    "model": "gpt-image-2",
    "prompt": "Add a hat",
    "images": [{"file_id": "file-1"}, {"image_url": "https://example.com/a.png"}],
}


def test_the_documented_call() -> None:
    request = IMAGES.read_request(body())

    assert (request.model, request.n, request.stream) == ("gpt-image-1.5", 1, False)
    assert request.draws == Drawing("1024x1024", "auto", 0)
    assert request.images == {"1024x1024/auto": 1}
    assert request.generates
    assert not request.may_be_limited
    assert not request.caches
    assert not request.has_images


def test_every_image_and_every_preview_is_known_before() -> None:
    request = IMAGES.read_request(body(n=3, quality="low", stream=True, partial_images=2))

    assert (request.n, request.stream) == (3, True)
    assert request.draws == Drawing("1024x1024", "low", 2)
    assert request.images == {"1024x1024/low": 3}


@pytest.mark.parametrize("left_out", [{"size": None}, {"size": "auto"}, {"size": ""}])
def test_what_is_left_to_the_model_is_said_to_be(left_out: dict[str, Any]) -> None:
    request = IMAGES.read_request(body(**left_out))

    assert request.draws == Drawing("auto", "auto")
    assert request.images == {"auto/auto": 1}


@pytest.mark.parametrize(
    "option", [{"complexity": "high"}, {"output_format": "gif"}, {"frame_count": 9}]
)
def test_what_adds_nobody_knows_how_much_leaves_an_image_without_a_bound(
    option: dict[str, Any],
) -> None:
    assert IMAGES.read_request(body(**option)).draws is None


REFUSED = [
    ({"model": None}, "model must be a string"),
    ({"prompt": None}, "prompt must be a string"),
    ({"prompt": ["a"]}, "prompt must be a string"),
    ({"n": 0}, "n must be a whole number from 1 to 10"),
    ({"n": 11}, "n must be a whole number from 1 to 10"),
    ({"n": 1.5}, "n must be a whole number"),
    ({"n": "2"}, "n must be a whole number"),
    ({"n": True}, "n must be a whole number"),
    ({"size": 1024}, "size must be a string"),
    ({"quality": ["hd"]}, "quality must be a string"),
    ({"size": "1024x1024/standard"}, "size must be a word"),
    ({"quality": "otter " * 9}, "quality must be a word"),
    ({"quality": "h" * 33}, "quality must be a word"),
    ({"stream": "true"}, "stream must be true or false"),
    ({"partial_images": 4}, "partial_images must be a whole number from 0 to 3"),
    ({"output_format": "svg"}, "output_format must not be svg"),
    ({"svg": {"model": "gpt-6-sol"}}, "output_format must not be svg"),
]


@pytest.mark.parametrize(("fields", "words"), REFUSED)
def test_a_malformed_call_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=re.escape(words)) as refused:
        IMAGES.read_request(body(**fields))

    assert refused.value.reason is Reason.INVALID_REQUEST
    assert "otter" not in str(refused.value)


@given(
    st.dictionaries(st.sampled_from(["n", "size", "quality", "stream"]), st.integers() | st.text())
)
def test_any_fields_are_read_or_refused(fields: dict[str, Any]) -> None:
    with contextlib.suppress(Refused):
        request = IMAGES.read_request(body(**fields))
        assert 1 <= request.n <= 10
        assert sum(request.images.values()) == request.n


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(Refused):
        IMAGES.read_request(noise)


def test_a_text_is_billed_once_for_each_image() -> None:
    prompt = IMAGES.prompt_of(IMAGES.read_request(body(n=2)))

    assert prompt.parts == (Text("A cute baby sea otter"),) * 2
    assert prompt.framing_tokens == 32


def test_a_text_is_bounded_by_the_tokens_that_were_measured() -> None:
    """The vocabulary's count and six (a user's measurements of all models)."""
    request = IMAGES.read_request(body(prompt="make a cat instead"))
    bound = count_prompt(IMAGES.prompt_of(request), profile_of(request.model), loaded_tokenizers())

    assert 4 + 6 <= bound.text_tokens <= 40
    assert bound.bound_class is BoundClass.MARGIN


def test_images_that_go_in_count_at_their_most_for_each_that_comes_out() -> None:
    request = IMAGE_EDITS.read_request(encoded(EDIT | {"n": 2, "mask": {"file_id": "file-2"}}))
    prompt = IMAGE_EDITS.prompt_of(request)

    assert request.has_images
    assert prompt.parts.count(Image(None, None)) == 6
    assert prompt.parts.count(Text("Add a hat")) == 2
    assert prompt.framing_tokens == 2 * (16 + 3 * 64)


@pytest.mark.parametrize(
    ("fidelity", "detail"),
    [(None, "auto"), ("low", "auto"), ("high", "original"), ("of tomorrow", "original")],
)
def test_high_fidelity_is_billed_as_such(
    fidelity: str | None, detail: Literal["auto", "original"]
) -> None:
    request = IMAGE_EDITS.read_request(encoded(EDIT | {"input_fidelity": fidelity}))

    assert IMAGE_EDITS.prompt_of(request).parts[0] == Image(None, None, detail)


@pytest.mark.parametrize("images", [None, [], ["file-1"], [{}] * 17, {"file_id": "file-1"}])
def test_an_edit_has_one_to_sixteen_images(images: object) -> None:
    with pytest.raises(Refused, match="images"):
        IMAGE_EDITS.read_request(encoded(EDIT | {"images": images}))


def test_variations_are_made_of_a_file() -> None:
    with pytest.raises(Refused, match="multipart/form-data"):
        IMAGE_VARIATIONS.read_request(body())


def test_a_call_that_needs_no_change_keeps_its_bytes() -> None:
    sent = b'{ "model":"gpt-image-1.5",  "prompt":"a", "seed":1.50 }'
    request = IMAGES.read_request(sent)

    assert IMAGES.apply(request, Changes()) is sent
    assert IMAGES.apply(request, Changes(model="gpt-image-1.5")) is sent
    changed = IMAGES.apply(request, Changes(model="gpt-image-1-mini"))
    assert json.loads(changed)["model"] == "gpt-image-1-mini"
    assert b"1.50" in changed


def test_fewer_images_may_be_made_of_more_and_never_more_of_fewer() -> None:
    request = IMAGES.read_request(body(n=4))

    assert json.loads(IMAGES.apply(request, Changes(n=2)))["n"] == 2
    assert IMAGES.apply(request, Changes(n=5)) is request.body
