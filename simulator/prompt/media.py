"""What an image and a sound cost in tokens, by the published rules.

Images: https://developers.openai.com/api/docs/guides/images-vision#calculating-costs and
https://platform.claude.com/docs/en/build-with-claude/vision#calculate-image-costs
Audio in chat completions: one token for each 100 ms heard, one for each 50 ms spoken
(https://developers.openai.com/api/docs/guides/realtime-costs).
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Tiles:
    """A base price, and a price for each 512 px tile after two reductions."""

    base_tokens: int
    tile_tokens: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Tokens of one image of `width` x `height` pixels."""
        if detail == "low":
            return self.base_tokens
        shrink = min(Fraction(1), Fraction(2048, max(width, height)))
        shrink *= min(Fraction(1), Fraction(768) / (min(width, height) * shrink))
        across = math.ceil(width * shrink / 512)
        down = math.ceil(height * shrink / 512)
        return self.base_tokens + self.tile_tokens * across * down


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of an image is looked at: no side above `side_px`, no more than `patches`."""

    patches: int
    side_px: int


@dataclass(frozen=True, slots=True)
class Patches:
    """A price for each 32 px patch of an image that was shrunk to a budget.

    `budgets` by the detail asked for; a detail that is not named counts as "high".
    """

    budgets: Mapping[str, Budget]
    factor: Fraction

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Tokens of one image of `width` x `height` pixels."""
        budget = self.budgets.get(detail, self.budgets["high"])
        shrink = min(Fraction(1), Fraction(budget.side_px, max(width, height)))
        across, down = math.ceil(width * shrink / 32), math.ceil(height * shrink / 32)
        if across * down > budget.patches:
            sides = float(width * shrink / 32), float(height * shrink / 32)
            across, down = _shrunk(*sides, budget.patches)
        return math.ceil(across * down * self.factor)


def _shrunk(across: float, down: float, most: int) -> tuple[int, int]:
    """Whole patches after the published reduction: one side becomes a whole number of them."""
    ratio = math.sqrt(most / (across * down))
    across, down = across * ratio, down * ratio
    ratio = min(max(1, math.floor(side)) / side for side in (across, down))
    rounding_error = 1e-9
    columns = min(math.ceil(across * ratio - rounding_error), most)
    rows = math.ceil(down * ratio - rounding_error)
    return columns, max(1, min(rows, most // columns))


@dataclass(frozen=True, slots=True)
class Area:
    """A price for the area that is left when no side is longer than `side_px`."""

    side_px: int
    px_per_token: int
    most_tokens: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Tokens of one image of `width` x `height` pixels, whatever the detail."""
        shrink = min(Fraction(1), Fraction(self.side_px, max(width, height)))
        area = math.floor(width * shrink) * math.floor(height * shrink)
        return min(max(1, math.ceil(Fraction(area, self.px_per_token))), self.most_tokens)


ImageRule = Tiles | Patches | Area

AREA = Area(side_px=1568, px_per_token=750, most_tokens=1600)

TILES: Mapping[str, Tiles] = MappingProxyType(
    {
        "gpt-4o": Tiles(85, 170),
        "gpt-4o-mini": Tiles(2833, 5667),
        "gpt-5": Tiles(70, 140),
        "o3": Tiles(75, 150),
    }
)
_SMALL = MappingProxyType({"high": Budget(1536, 2048)})
_LARGE = MappingProxyType(
    {"low": Budget(256, 512), "high": Budget(2500, 2048), "original": Budget(10_000, 6000)}
)

PATCHES: Mapping[str, Patches] = MappingProxyType(
    {
        "gpt-4.1-mini": Patches(_SMALL, Fraction("1.62")),
        "gpt-4.1-nano": Patches(_SMALL, Fraction("2.46")),
        "gpt-5-mini": Patches(_SMALL, Fraction("1.62")),
        "gpt-5-nano": Patches(_SMALL, Fraction("2.46")),
        # The guide names no factor; this one was measured:
        # https://community.openai.com/t/introducing-gpt-5-4-mini-and-nano-our-most-capable-small-models-yet/1377015
        "gpt-5.4": Patches(_LARGE, Fraction("1.2")),
        "o4-mini": Patches(_SMALL, Fraction("1.72")),
    }
)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, GIF, WebP or JPEG; None where it is none of them.

    Nor is an image that says it has no pixels.
    """
    size = _stated_size(data)
    return size if size is not None and all(size) else None


def _stated_size(data: bytes) -> tuple[int, int] | None:
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return struct.unpack(">II", data[16:24])
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return struct.unpack("<HH", data[6:10])
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
        if data[:2] == b"\xff\xd8":
            return _jpeg_size(data)
    except (struct.error, IndexError):
        return None
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(data[24:27], "little"),
            1 + int.from_bytes(data[27:30], "little"),
        )
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position < len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        # Start-of-frame markers; C4, C8 and CC share their range and mean something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return width, height
        position += 2 + length
    return None


def audio_tokens(format_name: str, data: bytes) -> int:
    """Input tokens of a sound. A WAV says how long it is; others are taken as 128 kbit/s."""
    bytes_per_second = 16_000
    if format_name == "wav" and data[:4] == b"RIFF" and len(data) >= 44:
        bytes_per_second = int.from_bytes(data[28:32], "little") or bytes_per_second
        data = data[44:]
    return math.ceil(Fraction(len(data) * 10, bytes_per_second))
