"""Prices and limits that users state themselves, and what looks wrong about them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final

from pricing.card import RateCard
from pricing.published.quote import Quote, card_of, flat

SOURCE: Final = "override"

CHEAPEST_PLAUSIBLE_USD: Final = Decimal("0.001")
"""No model of the 2,000 in genai-prices 0.2.3 asks less for a million tokens of input or output."""

DEAREST_PLAUSIBLE_USD: Final = Decimal(1_000)
"""The dearest of them asks 600."""


@dataclass(frozen=True, slots=True)
class Override:
    """What users say of the models that match `model`, a glob. Prices are USD per million tokens.

    `audio_per_hour` is USD for an hour of audio, `input_per_mchar` for a million characters,
    `image_fees` for one image, by "size/quality", "size" or "" for any.
    `tool_fees` are USD per thousand calls of a built-in tool, by its name. With prices or
    `free` it replaces the catalogue's price; without, it adds fees to it, and refines limits.
    """

    model: str
    free: bool = False
    input_per_mtok: Decimal | None = None
    output_per_mtok: Decimal | None = None
    cache_read_per_mtok: Decimal | None = None
    cache_write_per_mtok: Decimal | None = None
    input_audio_per_mtok: Decimal | None = None
    output_audio_per_mtok: Decimal | None = None
    input_image_per_mtok: Decimal | None = None
    cache_read_image_per_mtok: Decimal | None = None
    output_image_per_mtok: Decimal | None = None
    audio_per_hour: Decimal | None = None
    input_per_mchar: Decimal | None = None
    image_fees: Mapping[str, Decimal] = field(default_factory=dict)
    tool_fees: Mapping[str, Decimal] = field(default_factory=dict)
    context_window: int | None = None
    max_output_tokens: int | None = None
    hidden_output: bool | None = None
    tokenizer: str | None = None

    @property
    def states_price(self) -> bool:
        """Whether it replaces the price, not only the limits."""
        return self.free or bool(_prices(self) or _others(self))

    def card(self, model: str) -> RateCard:
        """The card of `model`; what is left out costs what input or output costs.

        Raises:
            ValueError: `faults` of this override.
        """
        if found := list(faults(self)):
            raise ValueError(f"override of {self.model}: {'; '.join(found)}")
        if self.free:
            return RateCard(model, SOURCE, denominator=1, standard=(), free=True, is_override=True)
        rates = {key.removesuffix("_per_mtok"): flat(price) for key, price in _prices(self).items()}
        return card_of(
            model,
            SOURCE,
            [
                Quote(
                    rates,
                    fees=self.tool_fees,
                    audio_hour=self.audio_per_hour,
                    characters_million=self.input_per_mchar,
                    image_fees=self.image_fees,
                )
            ],
            audio_as_text=False,
            is_override=True,
        )


def faults(override: Override) -> Iterator[str]:
    """Why the prices of an override cannot be used at all."""
    prices, others = _prices(override), _others(override)
    for key, price in {**prices, **others}.items():
        if not price.is_finite():
            yield f"{key} is {price}, not a number of dollars"
        elif price < 0:
            yield f"{key} is negative: a call cannot earn money"
    for tool, fee in override.tool_fees.items():
        if not fee.is_finite() or fee < 0:
            yield f"the fee of {tool} is {fee}, not an amount of dollars"
    if override.free and (prices or others or override.tool_fees):
        yield "free: true and a price contradict each other"
    if prices and not {"input_per_mtok", "output_per_mtok"} <= prices.keys():
        yield "input_per_mtok and output_per_mtok are needed together"
    if (prices or others) and not any((*prices.values(), *others.values())):
        yield "every price is zero: write free: true if the model costs nothing"


def lint(override: Override) -> list[str]:
    """Everything wrong or suspicious about the prices of an override, in words.

    The usual mistake is the unit: USD per token or per thousand tokens where a million is
    meant (field report 11 and 56).
    """
    return [*faults(override), *_suspicions(_prices(override))]


def _suspicions(prices: Mapping[str, Decimal]) -> Iterator[str]:
    usable = {key: price for key, price in prices.items() if price.is_finite() and price > 0}
    for key, price in usable.items():
        if key.startswith("cache_"):
            continue
        if price < CHEAPEST_PLAUSIBLE_USD:
            yield (
                f"{key} is {price:f} USD per million tokens; if it was meant per token write "
                f"{_plain(price * 1_000_000)}, if per thousand tokens {_plain(price * 1_000)}"
            )
        if price > DEAREST_PLAUSIBLE_USD:
            yield f"{key} is {price:f} USD per million tokens, more than any model known"
    text = usable.get("input_per_mtok")
    cached = usable.get("cache_read_per_mtok")
    if text is not None and cached is not None and cached > text:
        yield "cache_read_per_mtok is above input_per_mtok: reading a cache never costs more"


def _prices(override: Override) -> dict[str, Decimal]:
    named = {
        each.name: getattr(override, each.name)
        for each in fields(Override)
        if each.name.endswith("_per_mtok")
    }
    return {key: price for key, price in named.items() if price is not None}


def _others(override: Override) -> dict[str, Decimal]:
    """The prices of what is billed by something else than tokens."""
    images = {
        f"the fee of images of {kind or 'any size'}": fee
        for kind, fee in override.image_fees.items()
    }
    named = {
        "audio_per_hour": override.audio_per_hour,
        "input_per_mchar": override.input_per_mchar,
        **images,
    }
    return {key: price for key, price in named.items() if price is not None}


def _plain(price: Decimal) -> str:
    return f"{price.normalize():f}"
