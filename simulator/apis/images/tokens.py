"""What images cost in tokens, going in and coming out.

Out: the table and the calculator of
https://developers.openai.com/api/docs/guides/image-generation#cost-and-latency; of the mini
model, dollars for an image there, at its price for a token.
In: https://developers.openai.com/api/docs/guides/images-vision (GPT Image 1), and for
gpt-image-2, text around images and text that gpt-image-1.5 writes, what users measured:
https://community.openai.com/t/openai-must-document-the-input-image-pricing-of-gpt-image-2/1382940
https://community.openai.com/t/gpt-image-1-5-images-api-returns-text-output-tokens-can-we-disable-this/1369511
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from simulator.answer.generate import Choice
from simulator.apis.images.request import FILES
from simulator.behaviour import Behaviour
from simulator.bill import Output
from simulator.prompt.count import PromptCount
from simulator.prompt.media import image_size
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

PREVIEW_TOKENS: Final = 100
AROUND_TEXT_TOKENS: Final = 6
AROUND_IMAGE_TOKENS: Final = 16
WRITTEN_TOKENS: Final = 209
"""What gpt-image-1.5 writes and nobody sees."""

UNSEEN_IMAGE_PX: Final = (1024, 1024)

# An image whose size or quality is left to the model is of the dearest.
_CHOSEN_SIZE: Final = "1024x1536"
_CHOSEN_QUALITY: Final = "high"

_TABLE: Final = MappingProxyType(
    {
        ("low", "1024x1024"): 272,
        ("low", "1024x1536"): 408,
        ("low", "1536x1024"): 400,
        ("medium", "1024x1024"): 1056,
        ("medium", "1024x1536"): 1584,
        ("medium", "1536x1024"): 1568,
        ("high", "1024x1024"): 4160,
        ("high", "1024x1536"): 6240,
        ("high", "1536x1024"): 6208,
    }
)
_MINI: Final = MappingProxyType(
    {
        ("low", "1024x1024"): 625,
        ("low", "1024x1536"): 750,
        ("low", "1536x1024"): 750,
        ("medium", "1024x1024"): 1375,
        ("medium", "1024x1536"): 1875,
        ("medium", "1536x1024"): 1875,
        ("high", "1024x1024"): 4500,
        ("high", "1024x1536"): 6500,
        ("high", "1536x1024"): 6500,
    }
)
_TABLES: Final[Mapping[str, Mapping[tuple[str, str], int]]] = MappingProxyType(
    {"gpt-image-1": _TABLE, "gpt-image-1.5": _TABLE, "gpt-image-1-mini": _MINI}
)
_SIDES: Final = MappingProxyType({"low": 16, "medium": 48, "high": 96})


def kind_of(request: ChatRequest) -> tuple[str, str]:
    """Size and quality, as they are drawn."""
    size, quality = request.body.get("size") or "auto", request.body.get("quality") or "auto"
    is_older = bool(request.model.prices.image_fees)
    if size == "auto":
        size = "1792x1024" if is_older else _CHOSEN_SIZE
    if quality == "auto":
        quality = "hd" if is_older else _CHOSEN_QUALITY
    return size, quality


def count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    """What goes in. A model with fees counts nothing."""
    if request.model.prices.image_fees:
        return PromptCount(0)
    files = request.body[FILES]
    text = vocabulary.count(request.model.encoding, request.body["prompt"]) + AROUND_TEXT_TOKENS
    text += AROUND_IMAGE_TOKENS * len(files)
    images = sum(_tokens_in(request, data) for data in files)
    times = request.choices if request.model.name == "gpt-image-2" else 1
    return PromptCount(times * (text + images), images=times * images)


def draw(
    request: ChatRequest,
    behaviour: Behaviour,
    *,
    seed: int,
    prompt_tokens: int,
    vocabulary: Vocabulary,
) -> tuple[Choice, ...]:
    """One choice an image, all of it billed once drawing has begun."""
    size, quality = kind_of(request)
    if request.model.prices.image_fees:
        drawn = Output(images=(f"{size}/{quality}",))
    else:
        previews = request.body.get("partial_images") or 0 if request.stream else 0
        tokens = _tokens_out(request.model.name, size, quality)
        if behaviour.output_tokens is not None:
            tokens = behaviour.output_tokens
        written = WRITTEN_TOKENS if request.model.reasons else 0
        if behaviour.reasoning_tokens is not None:
            written = behaviour.reasoning_tokens
        drawn = Output(image_tokens=tokens + previews * PREVIEW_TOKENS, text_tokens=written)
    return tuple(Choice(hidden=drawn) for _ in range(request.choices + behaviour.extra_choices))


def _tokens_out(model: str, size: str, quality: str) -> int:
    table = _TABLES.get(model)
    if table is not None:
        return table[quality, size]
    width, height = map(int, size.split("x"))
    long_side = _SIDES[quality]
    # Half a unit goes to the even one, as in the calculator.
    short_side = round(Fraction(long_side * min(width, height), max(width, height)))
    return math.ceil(Fraction(long_side * short_side * (2_000_000 + width * height), 4_000_000))


def _tokens_in(request: ChatRequest, data: bytes) -> int:
    width, height = image_size(data) or UNSEEN_IMAGE_PX
    if request.model.name == "gpt-image-2":
        enlarge = min(Fraction(2), max(Fraction(1), Fraction(1024, max(width, height))))
        across, down = math.ceil(width * enlarge / 32), math.ceil(height * enlarge / 32)
        return min(across * down, 1536)
    shrink = min(Fraction(1), Fraction(2048, max(width, height)))
    shrink *= min(Fraction(1), Fraction(512) / (min(width, height) * shrink))
    tiles = math.ceil(width * shrink / 512) * math.ceil(height * shrink / 512)
    is_faithful = request.body.get("input_fidelity") == "high"
    extra = (4160 if width == height else 6240) if is_faithful else 0
    return 65 + 129 * tiles + extra
