"""Images by the published rules; an image of unseen size counts as its rule's largest."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.images import ImageRule, PatchRule, TileRule, count_image, read_image_rule
from pricing.prompt import Image
from tests.pricing.make import profile_of, unhurried

Detail = Literal["auto", "low", "high", "original"]
DETAILS: tuple[Detail, ...] = ("auto", "low", "high", "original")


def rule_of(model: str) -> ImageRule:
    rule = profile_of(model).image_rule
    assert rule is not None
    return rule


PUBLISHED = [
    # https://developers.openai.com/api/docs/guides/images-vision#calculating-costs
    ("gpt-4o", 1024, 1024, "high", 765),
    ("gpt-4o", 2048, 4096, "high", 1_105),
    ("gpt-4o", 4096, 8192, "low", 85),
    ("gpt-4o", 512, 512, "high", 255),
    ("gpt-4o", 513, 512, "high", 425),
    ("gpt-4o", 128, 64, "auto", 255),
    ("gpt-4o-mini", 512, 512, "high", 8_500),
    ("gpt-4o-mini", 4096, 4096, "low", 2_833),
    ("o3", 512, 512, "high", 225),
    ("gpt-5", 1024, 1024, "auto", 630),
    # patches: 32 x 32 of them, times 1.62, and 12 around the image
    ("gpt-4.1-mini", 1024, 1024, "high", 1_671),
    ("gpt-4.1-mini", 1024, 1024, "low", 1_671),
    ("gpt-4.1-nano", 32, 32, "high", 15),
    ("o4-mini", 33, 32, "high", 16),
    # the guide's example: 57 x 75 patches shrink to a budget of 1,536
    ("gpt-4.1-mini", 1800, 2400, "high", 2_501),
    # 6,000 px of width become 2,048: 64 x 4 patches, and nothing of the budget is reached
    ("gpt-4.1-mini", 6000, 300, "high", 427),
    ("gpt-5.4", 6000, 6000, "high", 3_012),
    ("gpt-5.4", 6000, 6000, "auto", 3_012),
    ("gpt-5.4", 6000, 6000, "original", 12_012),
    ("gpt-5.5", 6000, 6000, "auto", 12_012),
    # GPT-5.6 and later keep the size: 188 x 188 patches
    ("gpt-6-sol", 6000, 6000, "auto", 42_425),
    ("gpt-6-sol", 6000, 6000, "high", 3_012),
    # Claude: 28 px patches, times 784 / 750; before 4.7 at most 1,568 of them, then 4,784
    ("claude-sonnet-4-5", 4000, 4000, "auto", 1_641),
    ("claude-sonnet-4-5", 1092, 1092, "auto", 1_591),
    ("claude-opus-4-7", 200, 200, "auto", 67),
    ("claude-opus-5-5", 1920, 1080, "auto", 2_815),
    ("claude-sonnet-5", 3840, 2160, "auto", 5_005),
]


@pytest.mark.parametrize(("model", "width", "height", "detail", "tokens"), PUBLISHED)
def test_an_image_counts_by_the_published_rule(
    model: str, width: int, height: int, detail: Detail, tokens: int
) -> None:
    assert count_image(rule_of(model), Image(width, height, detail)) == tokens


UNSEEN = [
    ("gpt-4o", "high", 1_445),
    ("gpt-4o", "auto", 1_445),
    ("gpt-4o", "low", 85),
    ("gpt-4o-mini", "auto", 48_169),
    ("gpt-4.1-mini", "auto", 2_501),
    ("gpt-5.5", "auto", 12_012),
    ("gpt-6-sol", "high", 3_012),
    ("gpt-6-sol", "auto", None),
    ("gpt-6-sol", "original", None),
]


@pytest.mark.parametrize(("model", "detail", "tokens"), UNSEEN)
def test_an_image_of_unseen_size_counts_as_the_largest_the_rule_knows(
    model: str, detail: Detail, tokens: int | None
) -> None:
    assert count_image(rule_of(model), Image(None, None, detail)) == tokens


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (None, 10), (10, None)])
def test_a_size_that_cannot_be_is_unseen(size: tuple[int | None, int | None]) -> None:
    rule = rule_of("gpt-4o")

    assert count_image(rule, Image(*size)) == count_image(rule, Image(None, None))


SIDES = st.integers(1, 100_000)


@unhurried
@given(SIDES, SIDES, st.sampled_from(DETAILS), st.sampled_from(("gpt-4o", "o3", "gpt-4o-mini")))
def test_no_image_has_more_tiles_than_the_largest(
    width: int, height: int, detail: Detail, model: str
) -> None:
    rule = rule_of(model)
    assert isinstance(rule, TileRule)
    tokens = count_image(rule, Image(width, height, detail))
    largest = count_image(rule, Image(None, None, detail))

    assert tokens is not None
    assert largest is not None
    assert rule.base <= tokens <= largest


@unhurried
@given(SIDES, SIDES, st.sampled_from(DETAILS), st.sampled_from(("gpt-4.1-mini", "gpt-5.4")))
def test_no_image_has_more_patches_than_the_budget(
    width: int, height: int, detail: Detail, model: str
) -> None:
    rule = rule_of(model)
    assert isinstance(rule, PatchRule)
    tokens = count_image(rule, Image(width, height, detail))
    largest = count_image(rule, Image(None, None, detail))

    assert tokens is not None
    assert largest is not None
    assert rule.overhead < tokens <= largest


@unhurried
@given(SIDES, SIDES, st.sampled_from(("gpt-4o", "gpt-5.4", "gpt-6-sol")))
def test_turning_an_image_changes_nothing(width: int, height: int, model: str) -> None:
    rule = rule_of(model)

    assert count_image(rule, Image(width, height)) == count_image(rule, Image(height, width))


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"rule": "tile", "base": 85},
        {"rule": "patch", "multiplier": "1", "overhead": 0, "high": [1], "auto": "high"},
        {
            "rule": "patch",
            "multiplier": "1",
            "overhead": 0,
            "high": [1536, 2048],
            "auto": "high",
            "original": "larger",
        },
    ],
)
def test_a_rule_that_is_none_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a"):
        read_image_rule(written)
