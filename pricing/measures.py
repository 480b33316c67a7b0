"""What is billed by something else than tokens: images, audio by time, text by character."""

from collections.abc import Mapping

from pricing.card import RateCard, Unpriced


def measured_amount(
    card: RateCard,
    *,
    images: Mapping[str, int],
    audio_ms: int,
    characters: int,
    has_tokens: bool,
) -> int:
    """What the card bills for these, in microcents times its denominator.

    One thing may be known in several measures: a text by its characters and by its tokens, an
    answer by its images and by its tokens. What the card has a price for is billed, and one of
    them has to have one. `has_tokens`: whether there are tokens as well.

    Raises:
        Unpriced: the card prices none of them, or not such an image.
    """
    priced: list[int] = []
    missing: list[str] = []
    for what, quantity, rate in (
        ("audio by time", audio_ms, card.audio_ms),
        ("text by character", characters, card.character),
    ):
        if not quantity:
            continue
        if rate is None:
            missing.append(what)
        else:
            priced.append(rate * quantity)
    if any(images.values()) and card.image_fees:
        priced.append(sum(card.image_fee(kind) * count for kind, count in images.items() if count))
    elif any(images.values()):
        missing.append("images")
    if has_tokens and not card.standard:
        missing.append("any token")
    if missing and not priced and not (has_tokens and card.standard):
        raise Unpriced(card.model, missing[0], "state its price in pricing.overrides")
    return sum(priced)
