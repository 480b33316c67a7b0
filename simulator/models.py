"""The models on offer: what each can do, under which names, at which prices.

Windows and output limits are those of the model pages:
https://developers.openai.com/api/docs/models and
https://platform.claude.com/docs/en/about-claude/models/overview.
An answer names the dated snapshot that served, as the real API does, whatever was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from simulator.prompt.media import AREA, PATCHES, TILES, ImageRule
from simulator.rates import PRICES, PriceList

Kind = Literal["chat", "completion", "embedding", "claude", "image", "speech", "transcription"]
"""What a model is: that decides which APIs serve it."""

# A search adds what it found to the prompt: some of it, or a block that has a fixed size
# (https://developers.openai.com/api/docs/pricing#built-in-tools).
SEARCH_TOKENS = 700
SEARCH_BLOCK_TOKENS = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model. `snapshot` is the dated name that answers carry."""

    name: str
    snapshot: str
    encoding: str
    context_window: int
    max_output_tokens: int
    reasons: bool
    speaks: bool = False
    images: ImageRule | None
    prices: PriceList
    kind: Kind = "chat"
    search_tokens: int = SEARCH_TOKENS
    """What one web search adds to the input."""
    has_geography: bool = False
    """Whether a call may say where it is to be answered."""


def find_model(models: Mapping[str, Model], name: str) -> Model | None:
    """The model of that name or snapshot; None where there is none. No prefix ever matches."""
    if name in models:
        return models[name]
    return next((model for model in models.values() if model.snapshot == name), None)


def _model(
    name: str,
    snapshot: str,
    window: int,
    max_output: int,
    images: ImageRule | None,
    *,
    encoding: str = "o200k_base",
    reasons: bool = False,
    speaks: bool = False,
) -> Model:
    return Model(
        name=name,
        snapshot=snapshot,
        encoding=encoding,
        context_window=window,
        max_output_tokens=max_output,
        reasons=reasons,
        speaks=speaks,
        images=images,
        prices=PRICES[name],
        search_tokens=SEARCH_BLOCK_TOKENS if name in _SEARCH_BLOCKS else SEARCH_TOKENS,
    )


def _undated(
    kind: Kind,
    name: str,
    window: int,
    max_output: int,
    *,
    encoding: str = "o200k_base",
    reasons: bool = False,
) -> Model:
    """A model of which answers say nothing but the name that it was asked for by."""
    return Model(
        name=name,
        snapshot=name,
        encoding=encoding,
        context_window=window,
        max_output_tokens=max_output,
        reasons=reasons,
        images=None,
        prices=PRICES[name],
        kind=kind,
    )


def _legacy(kind: Kind, name: str, window: int, max_output: int) -> Model:
    return _undated(kind, name, window, max_output, encoding="cl100k_base")


def _claude(name: str, snapshot: str, window: int, *, has_geography: bool = False) -> Model:
    # Its tokenizer is not published: that of another model has to do, and the bill is as
    # good with it as with any.
    return Model(
        name=name,
        snapshot=snapshot,
        encoding="o200k_base",
        context_window=window,
        max_output_tokens=64_000,
        reasons=True,
        images=AREA,
        prices=PRICES[name],
        kind="claude",
        has_geography=has_geography,
    )


def _drawing(name: str, *, reasons: bool = False) -> Model:
    """A model that makes images; it has no window that anybody publishes."""
    return _undated("image", name, 1_000_000, 0, reasons=reasons)


_SEARCH_BLOCKS = frozenset({"gpt-4o-mini", "gpt-4.1-mini"})

_EVERY = (
    _model("gpt-4o", "gpt-4o-2024-08-06", 128_000, 16_384, TILES["gpt-4o"]),
    _model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 128_000, 16_384, TILES["gpt-4o-mini"]),
    _model(
        "gpt-4o-audio-preview",
        "gpt-4o-audio-preview-2025-06-03",
        128_000,
        16_384,
        None,
        speaks=True,
    ),
    _model("gpt-audio", "gpt-audio-2025-08-28", 128_000, 16_384, None, speaks=True),
    _model("gpt-4.1", "gpt-4.1-2025-04-14", 1_047_576, 32_768, TILES["gpt-4o"]),
    _model("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 1_047_576, 32_768, PATCHES["gpt-4.1-mini"]),
    _model("gpt-4.1-nano", "gpt-4.1-nano-2025-04-14", 1_047_576, 32_768, PATCHES["gpt-4.1-nano"]),
    _model("gpt-5", "gpt-5-2025-08-07", 400_000, 128_000, TILES["gpt-5"], reasons=True),
    _model(
        "gpt-5-mini",
        "gpt-5-mini-2025-08-07",
        400_000,
        128_000,
        PATCHES["gpt-5-mini"],
        reasons=True,
    ),
    _model(
        "gpt-5-nano",
        "gpt-5-nano-2025-08-07",
        400_000,
        128_000,
        PATCHES["gpt-5-nano"],
        reasons=True,
    ),
    _model("gpt-5.4", "gpt-5.4-2026-03-05", 1_050_000, 128_000, PATCHES["gpt-5.4"], reasons=True),
    _model("gpt-5.6-terra", "gpt-5.6-terra", 1_050_000, 128_000, PATCHES["gpt-5.4"], reasons=True),
    _model("o3", "o3-2025-04-16", 200_000, 100_000, TILES["o3"], reasons=True),
    _model("o4-mini", "o4-mini-2025-04-16", 200_000, 100_000, PATCHES["o4-mini"], reasons=True),
    _model("gpt-4", "gpt-4-0613", 8_192, 8_192, None, encoding="cl100k_base"),
    _model("gpt-3.5-turbo", "gpt-3.5-turbo-0125", 16_385, 4_096, None, encoding="cl100k_base"),
    _legacy("completion", "gpt-3.5-turbo-instruct", 4_096, 4_096),
    _legacy("completion", "davinci-002", 16_384, 16_384),
    _legacy("completion", "babbage-002", 16_384, 16_384),
    _legacy("embedding", "text-embedding-3-small", 8_192, 0),
    _legacy("embedding", "text-embedding-3-large", 8_192, 0),
    _legacy("embedding", "text-embedding-ada-002", 8_192, 0),
    _drawing("gpt-image-1"),
    _drawing("gpt-image-1-mini"),
    _drawing("gpt-image-1.5", reasons=True),
    _drawing("gpt-image-2"),
    _drawing("dall-e-3"),
    _undated("transcription", "gpt-4o-transcribe", 16_000, 2_000),
    _undated("transcription", "gpt-4o-mini-transcribe", 16_000, 2_000),
    _undated("transcription", "whisper-1", 1_000_000, 100_000),
    _undated("transcription", "gpt-transcribe", 1_000_000, 100_000),
    _undated("speech", "gpt-4o-mini-tts", 1_000_000, 100_000),
    _undated("speech", "tts-1", 1_000_000, 100_000),
    _undated("speech", "tts-1-hd", 1_000_000, 100_000),
    _claude("claude-opus-4-5", "claude-opus-4-5-20251101", 200_000),
    _claude("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 200_000),
    _claude("claude-haiku-4-5", "claude-haiku-4-5-20251001", 200_000),
    _claude("claude-sonnet-5-5", "claude-sonnet-5-5", 1_000_000, has_geography=True),
    _claude("claude-haiku-5-5", "claude-haiku-5-5", 1_000_000, has_geography=True),
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in _EVERY})
