"""An image that comes out counts by the published rule; what nobody says is the dearest.

Numbers from https://developers.openai.com/api/docs/guides/image-generation#cost-and-latency
and, for sizes that only its calculator knows, from usages that users saw:
https://community.openai.com/t/livestream-starting-now-chatgpt-images-2-0/1379464
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.drawing import Drawing, count_drawn, read_drawing_rule
from pricing.images import count_image
from pricing.prompt import Image
from tests.pricing.make import profile_of, unhurried

FIVE = ("low", "medium", "high", "xhigh", "max")


def drawn(model: str, size: str = "auto", quality: str = "auto", previews: int = 0) -> int | None:
    rule = profile_of(model).drawing_rule
    assert rule is not None
    return count_drawn(rule, Drawing(size, quality, previews))


PUBLISHED = [
    ("gpt-image-1", "1024x1024", "low", 272),
    ("gpt-image-1", "1024x1536", "low", 408),
    ("gpt-image-1", "1536x1024", "low", 400),
    ("gpt-image-1", "1024x1024", "medium", 1_056),
    ("gpt-image-1", "1024x1536", "medium", 1_584),
    ("gpt-image-1", "1536x1024", "medium", 1_568),
    ("gpt-image-1", "1024x1024", "high", 4_160),
    ("gpt-image-1", "1024x1536", "high", 6_240),
    ("gpt-image-1", "1536x1024", "high", 6_208),
    ("gpt-image-1.5", "1024x1024", "low", 272 + 2_048),
    ("chatgpt-image-latest", "1024x1024", "low", 272 + 2_048),
    ("gpt-image-2", "1024x1024", "low", 196),
    ("gpt-image-2", "1024x1024", "high", 7_024),
    ("gpt-image-2", "1536x1024", "high", 5_488),
    ("gpt-image-2", "1024x1536", "high", 5_488),
    ("gpt-image-2", "1792x1024", "high", 5_063),
    ("gpt-image-2", "3584x2048", "high", 12_329),
    ("gpt-image-2", "2880x2880", "medium", 5_930),
    ("gpt-image-2", "960x720", "low", 130),
    ("gpt-image-2.5-flare", "1024x1024", "max", 7_024),
    ("gpt-image-2.5-sunburst-2026-09-08", "1024x1024", "xhigh", 3_122),
]


@pytest.mark.parametrize(("model", "size", "quality", "tokens"), PUBLISHED)
def test_an_image_counts_as_published(model: str, size: str, quality: str, tokens: int) -> None:
    assert drawn(model, size, quality) == tokens


def test_each_preview_adds_a_hundred_tokens() -> None:
    assert drawn("gpt-image-1", "1024x1024", "low", previews=3) == 572
    assert drawn("gpt-image-2", "1024x1024", "low", previews=1) == 296


def test_the_mini_model_counts_no_less_than_its_published_price() -> None:
    """At $8 a million tokens, $0.005 and $0.052 for an image are 625 and 6,500 tokens."""
    smallest = drawn("gpt-image-1-mini", "1024x1024", "low")
    largest = drawn("gpt-image-1-mini", "1024x1536", "high")

    assert smallest is not None
    assert largest is not None
    assert 625 <= smallest <= 700
    assert 6_500 <= largest <= 6_600


LEFT_TO_THE_MODEL = [
    ("gpt-image-1", "auto", "auto", 6_240),
    ("gpt-image-1", "auto", "low", 408),
    ("gpt-image-1", "1024x1024", "auto", 4_160),
    ("gpt-image-2", "1024x1024", "auto", 7_024),
    ("gpt-image-2", "auto", "low", 659),
    ("gpt-image-2", "auto", "auto", 23_719),
]


@pytest.mark.parametrize(("model", "size", "quality", "tokens"), LEFT_TO_THE_MODEL)
def test_what_is_left_to_the_model_is_the_dearest_that_it_may_choose(
    model: str, size: str, quality: str, tokens: int
) -> None:
    assert drawn(model, size, quality) == tokens


UNKNOWN = [
    ("gpt-image-1", "512x512", "low"),
    ("gpt-image-1", "1024x1024", "hd"),
    ("gpt-image-2", "1024x1024", "xhigh"),
    ("gpt-image-2", "1024", "low"),
    ("gpt-image-2", "1024x0", "low"),
    ("gpt-image-2", "3856x1024", "low"),
    ("gpt-image-2", "3840x2176", "low"),
    ("gpt-image-2", "-1024x1024", "low"),
]


@pytest.mark.parametrize(("model", "size", "quality"), UNKNOWN)
def test_what_the_rule_does_not_know_has_no_bound(model: str, size: str, quality: str) -> None:
    assert drawn(model, size, quality) is None


@unhurried
@given(st.integers(1, 3_840), st.integers(1, 3_840), st.sampled_from(FIVE))
def test_no_size_is_dearer_than_one_that_is_left_to_the_model(
    width: int, height: int, quality: str
) -> None:
    tokens = drawn("gpt-image-2.5-flare", f"{width}x{height}", quality)
    dearest = drawn("gpt-image-2.5-flare", quality=quality)

    assert dearest is not None
    assert tokens is None or tokens <= dearest


def test_a_model_that_draws_nothing_has_no_rule() -> None:
    assert profile_of("gpt-4o").drawing_rule is None
    assert profile_of("dall-e-3").drawing_rule is None


@pytest.mark.parametrize(
    "written", [{}, {"rule": "table", "tokens": {}}, {"rule": "area"}, {"rule": "round"}]
)
def test_a_rule_that_is_none_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a drawing rule"):
        read_drawing_rule(written)


def test_an_image_that_goes_in_counts_more_in_high_fidelity() -> None:
    rule = profile_of("gpt-image-1").image_rule
    assert rule is not None

    # One tile of 129 on top of 65, and at most 6,240 for high fidelity.
    assert count_image(rule, Image(512, 512)) == 194
    assert count_image(rule, Image(512, 512, "original")) == 6_434
    assert count_image(rule, Image(None, None)) == 65 + 8 * 129


def test_no_image_that_goes_into_a_newer_model_counts_less_than_was_measured() -> None:
    rule = profile_of("gpt-image-2").image_rule
    assert rule is not None

    tokens = count_image(rule, Image(None, None))
    assert tokens is not None
    assert tokens >= 1_536
