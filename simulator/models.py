"""The models on offer: what each can do, under which names, at which prices.

Windows and output limits are those of the model pages, https://developers.openai.com/api/docs/models.
An answer names the dated snapshot that served, as the real API does, whatever was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from simulator.prompt.media import PATCHES, TILES, ImageRule
from simulator.rates import PRICES, PriceList


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
    )


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
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in _EVERY})
