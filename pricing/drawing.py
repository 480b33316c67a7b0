"""How many tokens an image is that a model draws, by the published rules. Upper bounds.

Source: https://developers.openai.com/api/docs/guides/image-generation#cost-and-latency (a
table for the older models, a calculator for the newer ones).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from pricing.usage import AUTO

PREVIEW_TOKENS: Final = 100
"""What each partial image of a stream adds (the guide, partial images cost)."""

_SIZE: Final = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
_LONG_SIDE_PX: Final = 3_840
_MOST_PX: Final = 3_840 * 2_160
_OFFSET_PX: Final = 2_000_000
_PX_PER_UNIT: Final = 4_000_000


class Drawing(msgspec.Struct, frozen=True):
    """One image as a call asks for it: "1024x1024", "high"; AUTO leaves it to the model.

    `previews`: how often it may be shown before it is done.
    """

    size: str = AUTO
    quality: str = AUTO
    previews: int = 0


@dataclass(frozen=True, slots=True)
class TableRule:
    """Tokens by quality and size. `text_tokens` is what the model may write beside an image."""

    tokens: Mapping[str, Mapping[str, int]]
    text_tokens: int


@dataclass(frozen=True, slots=True)
class AreaRule:
    """Tokens by area, for models that draw any size.

    The long side is `factors[quality]` units long, the short one in proportion, and each of
    their squares counts (2,000,000 + pixels) / 4,000,000 tokens.
    """

    factors: Mapping[str, int]


DrawingRule = TableRule | AreaRule


def count_drawn(rule: DrawingRule, drawing: Drawing) -> int | None:
    """The most output tokens of one image with all that comes beside it.

    None for a size or a quality that the rule does not know. What is left to the model is the
    dearest that it may choose.
    """
    match rule:
        case TableRule():
            tokens = _from_table(rule, drawing)
        case AreaRule():
            tokens = _by_area(rule, drawing)
    return None if tokens is None else tokens + drawing.previews * PREVIEW_TOKENS


def read_drawing_rule(written: Mapping[str, object]) -> DrawingRule:
    """The rule as profiles.yml writes it.

    Raises:
        ValueError: an unknown rule, or a part of it is missing.
    """
    match written:
        case {"rule": "table", "tokens": dict(table), "text_tokens": int(text_tokens)}:
            tokens = msgspec.convert(table, dict[str, dict[str, int]])
            return TableRule(tokens, text_tokens)
        case {"rule": "area", "factors": dict(factors)}:
            return AreaRule(msgspec.convert(factors, dict[str, int]))
    raise ValueError(f"not a drawing rule: {written}")


def _from_table(rule: TableRule, drawing: Drawing) -> int | None:
    fitting = [
        tokens
        for quality, by_size in rule.tokens.items()
        for size, tokens in by_size.items()
        if drawing.quality in (AUTO, quality) and drawing.size in (AUTO, size)
    ]
    return max(fitting) + rule.text_tokens if fitting else None


def _by_area(rule: AreaRule, drawing: Drawing) -> int | None:
    factor = rule.factors.get(drawing.quality)
    if drawing.quality == AUTO:
        factor = max(rule.factors.values())
    if factor is None:
        return None
    if drawing.size == AUTO:
        # No short side has more units than the long one, and no image more pixels.
        return _units(factor, factor, _MOST_PX)
    match = _SIZE.fullmatch(drawing.size)
    if match is None:
        return None
    short_px, long_px = sorted(map(int, match.groups()))
    if long_px > _LONG_SIDE_PX or long_px * short_px > _MOST_PX:
        return None
    return _units(factor, (2 * factor * short_px + long_px) // (2 * long_px), long_px * short_px)


def _units(long_units: int, short_units: int, pixels: int) -> int:
    return -(-long_units * short_units * (_OFFSET_PX + pixels) // _PX_PER_UNIT)
