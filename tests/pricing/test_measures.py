"""What is billed by the image, by the hour and by the character; and that nothing is made up.

Amounts by hand from https://developers.openai.com/api/docs/pricing: in microcents, $1 per
million characters is 100 a character, $0.36 an hour is 10 a millisecond.
"""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from pricing.card import RateCard, Unpriced
from pricing.catalogue import Override
from pricing.cost import Terms, affordable_output, cost, hold
from pricing.usage import Usage
from tests.pricing.make import STANDARD, bound_of, listed_card, simple_card

DALL_E = {
    "1024x1024/standard": "0.04",
    "1024x1024/hd": "0.08",
    "1792x1024/standard": "0.08",
    "1792x1024/hd": "0.12",
}
"""The per-image prices of dall-e-3, as they were."""


def priced(card: RateCard, usage: Usage) -> int:
    return cost(card, usage, cached_in_input=True, service_tier=None)


def drawn_by(fees: Mapping[str, str]) -> RateCard:
    in_dollars = {kind: Decimal(usd) for kind, usd in fees.items()}
    return Override("m", image_fees=in_dollars).card("m")


GOLDEN = [
    # 5 in, 1.25 cached, 10 out; images 8 in, 2 cached, 32 out
    ("gpt-image-1.5", Usage(50, 1_100, output_image_tokens=1_056), 3_448_200),
    ("gpt-image-1.5", Usage(350, 0, input_image_tokens=300), 265_000),
    (
        "gpt-image-1.5",
        Usage(350, 0, 340, input_image_tokens=300, cache_read_image_tokens=300),
        70_000,
    ),
    # 5 in and 40 out, images 10 in: what comes out has one price
    ("gpt-image-1", Usage(10, 272, output_image_tokens=272), 1_093_000),
    ("gpt-image-1", Usage(10, 272), 1_093_000),
    # 15 and 30 a million characters
    ("tts-1", Usage(0, 0, characters=13), 19_500),
    ("tts-1-hd", Usage(0, 0, characters=13), 39_000),
    # 0.36 and 0.27 an hour, and 0.27 / 36 is a fraction of a microcent
    ("whisper-1", Usage(0, 0, audio_ms=60_000), 600_000),
    ("gpt-transcribe", Usage(0, 0, audio_ms=1_001), 7_508),
    # beside the time there may be tokens of the same thing
    ("whisper-1", Usage(40, 9, audio_ms=1_000), 10_000),
    ("gpt-4o-transcribe", Usage(100, 10, input_audio_tokens=90, audio_ms=9_000), 66_500),
    ("tts-1", Usage(0, 0), 0),
]


@pytest.mark.parametrize(("model", "usage", "microcents"), GOLDEN)
def test_media_cost_what_the_price_page_says(model: str, usage: Usage, microcents: int) -> None:
    assert priced(listed_card(model), usage) == microcents


UNPRICED = [
    ("tts-1", Usage(10, 0)),
    ("tts-1", Usage(0, 10)),
    ("tts-1", Usage(0, 0, audio_ms=10)),
    ("tts-1", Usage(0, 0, images={"": 1})),
    ("whisper-1", Usage(0, 0, characters=1)),
    ("gpt-4o-mini-tts", Usage(0, 0, characters=1)),
    ("gpt-image-1", Usage(0, 0, images={"1024x1024/low": 1})),
    ("gpt-4o", Usage(0, 0, audio_ms=1)),
]


@pytest.mark.parametrize(("model", "usage"), UNPRICED)
def test_what_a_card_has_no_price_for_is_never_free(model: str, usage: Usage) -> None:
    card = listed_card(model)
    terms = Terms(
        n=1,
        service_tiers=frozenset([None]),
        images=usage.images,
        audio_ms=usage.audio_ms,
        characters=usage.characters,
    )

    with pytest.raises(Unpriced, match=f"{model} has no price for"):
        priced(card, usage)
    with pytest.raises(Unpriced, match=f"{model} has no price for"):
        hold(card, bound_of(usage.input_tokens), output_tokens=usage.output_tokens, **terms)


def test_tokens_bill_an_image_that_has_no_fee() -> None:
    card = listed_card("gpt-image-1")
    usage = Usage(10, 272, images={"1024x1024/low": 1})

    assert priced(card, usage) == priced(card, Usage(10, 272))


IMAGES = [
    ("1024x1024/standard", 4_000_000),
    ("1024x1024/hd", 8_000_000),
    ("1024x1024/auto", 8_000_000),
    ("1024x1024", 8_000_000),
    ("auto/standard", 8_000_000),
    ("/hd", 12_000_000),
    ("auto/auto", 12_000_000),
    ("", 12_000_000),
]


@pytest.mark.parametrize(("kind", "microcents"), IMAGES)
def test_what_is_not_known_of_an_image_is_the_dearest_it_can_be(kind: str, microcents: int) -> None:
    card = drawn_by(DALL_E)
    terms: Terms = {**STANDARD, "images": {kind: 3}}

    assert priced(card, Usage(0, 0, images={kind: 1})) == microcents
    assert hold(card, bound_of(77), output_tokens=0, **terms) == 3 * microcents


def test_an_image_without_a_fee_has_no_price() -> None:
    card = drawn_by(DALL_E)

    with pytest.raises(Unpriced, match="images of 512x512/hd; add it to image_fees"):
        priced(card, Usage(0, 0, images={"512x512/hd": 1}))
    assert priced(card, Usage(0, 0, images={"512x512/hd": 0})) == 0


SAID = [
    ("256x256/low", 1_000_000),
    ("256x256/high", 2_000_000),
    ("512x512/low", 3_000_000),
    ("512x512/high", 9_000_000),
    ("auto/low", 9_000_000),
]


@pytest.mark.parametrize(("kind", "microcents"), SAID)
def test_the_fee_that_says_most_about_an_image_holds(kind: str, microcents: int) -> None:
    card = drawn_by({"256x256/low": "0.01", "256x256": "0.02", "/low": "0.03", "": "0.09"})

    assert priced(card, Usage(0, 0, images={kind: 1})) == microcents


def test_a_card_that_bills_images_and_tokens_is_held_for_both() -> None:
    both = Override(
        "m",
        input_per_mtok=Decimal(1),
        output_per_mtok=Decimal(2),
        image_fees={"": Decimal("0.01")},
    ).card("m")
    terms: Terms = {**STANDARD, "images": {"": 2}}

    assert hold(both, bound_of(10), output_tokens=5, **terms) == 2_000_000 + 1_000 + 1_000


def test_images_that_come_out_are_held_at_their_own_price() -> None:
    card = simple_card("1", "2", output_image="30")

    assert hold(card, bound_of(), output_tokens=10, **STANDARD) == 30_000


def test_a_price_without_tokens_affords_any_length_once_it_is_paid() -> None:
    terms: Terms = {**STANDARD, "images": {"1024x1024/hd": 1}}
    card = drawn_by(DALL_E)

    assert affordable_output(card, bound_of(), amount=8_000_000, at_most=7, **terms) == 7
    assert affordable_output(card, bound_of(), amount=7_999_999, at_most=7, **terms) is None


def test_people_see_what_is_billed_apart() -> None:
    def lines(card: RateCard) -> list[tuple[str, str, str]]:
        return [(line.what, f"{line.usd:f}", line.per) for line in card.breakdown()]

    assert lines(listed_card("whisper-1")) == [("audio", "0.36", "hour")]
    assert lines(listed_card("tts-1")) == [("text input", "15", "million characters")]
    assert lines(drawn_by({"1024x1024/hd": "0.08", "": "0.02"})) == [
        ("image 1024x1024/hd", "0.08", "image"),
        ("image", "0.02", "image"),
    ]
    assert ("output_image", "32", "million tokens") in lines(listed_card("gpt-image-1.5"))
    assert "cache_read_image" not in [what for what, _, _ in lines(listed_card("gpt-4o"))]
