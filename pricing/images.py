"""How many tokens an image is, by the published rules. All of them are upper bounds.

Sources: OpenAI https://developers.openai.com/api/docs/guides/images-vision#calculating-costs,
Anthropic https://platform.claude.com/docs/en/build-with-claude/vision
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pricing.prompt import Image

TILE_PX = 512
TILED_LONG_SIDE_PX = 2048
TILED_SHORT_SIDE_PX = 768


@dataclass(frozen=True, slots=True)
class TileRule:
    """`base` tokens, and `per_tile` for each 512 px square of the fitted image.

    The image is fitted into 2048 x 2048, then its short side to 768; it is never enlarged.
    Detail `low` costs the base alone; `auto` may become `high` and is counted as such.
    `original` is what that detail adds: an image model is then asked for high fidelity.
    """

    base: int
    per_tile: int
    original: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """The size an image is shrunk to: at most so many patches, no side above `side_px`."""

    patches: int
    side_px: int


@dataclass(frozen=True, slots=True)
class PatchRule:
    """`multiplier` tokens for each patch that covers the image, after shrinking.

    `high` also bounds `low`: it was measured to have no effect on several of these models.
    `original` None: such an image is not shrunk at all. `auto` is what the API makes of it.
    `overhead` is what each image adds to its patches, `patch_px` the side of one.
    """

    multiplier: Fraction
    overhead: int
    high: Budget
    original: Budget | None
    auto: Literal["high", "original"]
    patch_px: int = 32


ImageRule = TileRule | PatchRule


def count_image(rule: ImageRule, image: Image) -> int | None:
    """The most tokens `image` can be; None when its size is unseen and the rule knows no limit."""
    match rule:
        case TileRule():
            return _count_tiles(rule, image)
        case PatchRule():
            return _count_patches(rule, image)


def read_image_rule(written: Mapping[str, object]) -> ImageRule:
    """The rule as profiles.yml writes it.

    Raises:
        ValueError: an unknown rule, or a part of it is missing.
    """
    match written:
        case {"rule": "tile", "base": int(base), "per_tile": int(per_tile)}:
            original = written.get("original", 0)
            if isinstance(original, int):
                return TileRule(base, per_tile, original)
        case {
            "rule": "patch",
            "multiplier": str(multiplier),
            "overhead": int(overhead),
            "high": [int(patches), int(side_px)],
            "auto": ("high" | "original") as auto,
        }:
            high = Budget(patches, side_px)
            original = _read_original(written, high)
            patch_px = written.get("patch_px", 32)
            if isinstance(patch_px, int):
                return PatchRule(Fraction(multiplier), overhead, high, original, auto, patch_px)
    raise ValueError(f"not an image rule: {written}")


def _read_original(written: Mapping[str, object], high: Budget) -> Budget | None:
    """A rule that does not name `original` belongs to models that know no such detail."""
    match written.get("original", "high"):
        case "high":
            return high
        case "unshrunk":
            return None
        case [int(patches), int(side_px)]:
            return Budget(patches, side_px)
    raise ValueError(f"not a limit of detail original: {written}")


def _count_tiles(rule: TileRule, image: Image) -> int:
    if image.detail == "low":
        return rule.base
    tiles = (TILED_LONG_SIDE_PX // TILE_PX) * -(-TILED_SHORT_SIDE_PX // TILE_PX)
    size = _size(image)
    if size is not None:
        shrink = min(
            Fraction(1),
            Fraction(TILED_LONG_SIDE_PX, max(size)),
            Fraction(TILED_SHORT_SIDE_PX, min(size)),
        )
        width, height = size
        tiles = _covering(width * shrink, TILE_PX) * _covering(height * shrink, TILE_PX)
    extra = rule.original if image.detail == "original" else 0
    return rule.base + rule.per_tile * tiles + extra


def _count_patches(rule: PatchRule, image: Image) -> int | None:
    detail = rule.auto if image.detail == "auto" else image.detail
    budget = rule.original if detail == "original" else rule.high
    size = _size(image)
    if size is None:
        if budget is None:
            return None
        patches = budget.patches
    else:
        patches = _patches_within(budget, *size, rule.patch_px)
    return -(-patches * rule.multiplier.numerator // rule.multiplier.denominator) + rule.overhead


def _patches_within(budget: Budget | None, width: int, height: int, patch_px: int) -> int:
    """Without the last step of shrinking, which only lowers the count further."""
    if budget is None:
        return _covering(Fraction(width), patch_px) * _covering(Fraction(height), patch_px)
    shrink = min(Fraction(1), Fraction(budget.side_px, max(width, height)))
    patches = _covering(width * shrink, patch_px) * _covering(height * shrink, patch_px)
    return min(patches, budget.patches)


def _covering(side_px: Fraction, square_px: int) -> int:
    return -(-side_px.numerator // (side_px.denominator * square_px))


def _size(image: Image) -> tuple[int, int] | None:
    if image.width is None or image.height is None or image.width < 1 or image.height < 1:
        return None
    return image.width, image.height
