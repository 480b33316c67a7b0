"""The genai-prices package, read strictly: a price is taken only where it is surely meant.

Names are matched by `matching`. What cannot be metered, or has no price, is not listed at all.
Only data is used: nothing here updates prices or opens a connection. Importing this module
reads that data, about a tenth of a second and 15 MB, so `catalogue` does it when it must.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from importlib.metadata import version
from itertools import islice
from typing import Final

from genai_prices.data import providers
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from pricing.published.matching import fit, literals
from pricing.published.quote import BASE, PriceList, Quote, Steps

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000

_RATES: Final[Mapping[str, str]] = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_image_mtok": "input_image",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_image_read_mtok": "cache_read_image",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
_FEES: Final[Mapping[str, str]] = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "social_searches_kcount": "x_search",
    "code_executions_kcount": "code_interpreter",
}
_REQUEST_FEE: Final = "requests_kcount"
_AUDIO_HOURS: Final = frozenset({"audio_hours", "input_audio_hours"})
"""Of all audio, and of audio that goes in: with nothing but input they are the same."""
_CHARACTERS: Final = "input_mchars"
_NOT_BY_TOKEN: Final = _AUDIO_HOURS | {_CHARACTERS}

_COUNT_IMAGES_APART: Final = frozenset({"openai", "azure"})
"""Providers whose APIs say how many of the tokens of an answer are drawn."""

_PROVIDERS: Final = {provider.id: provider for provider in providers}

SOURCE: Final = f"genai-prices {version('genai-prices')}"
"""Name and version of the data."""


class NotListed(LookupError):
    """No price for a name. `why` says what stands in the way, where something does."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Listing:
    """A model as the data lists it. Prices change at `fixed_ms` and daily at `daily_ms`.

    `free`: its name says so, as some routers' do.
    """

    info: ModelInfo
    free: bool
    fixed_ms: tuple[int, ...]
    daily_ms: tuple[int, ...]

    @property
    def source(self) -> str:
        """Name and version of the data."""
        return SOURCE

    @property
    def changes(self) -> bool:
        """Whether the price is not the same at all times."""
        return bool(self.fixed_ms or self.daily_ms)

    @property
    def context_window(self) -> int | None:
        """Tokens of input and output together, where the data knows it."""
        return self.info.context_window

    @property
    def draws(self) -> bool:
        """Whether images that come out have a price of their own."""
        prices = self.info.prices
        listed = prices if isinstance(prices, list) else [prices]
        return any("output_image_mtok" in getattr(each, "prices", each).__dict__ for each in listed)

    def quote(self, at_ms: int) -> Quote:
        """The prices in force at an instant.

        Raises:
            NotListed: there are none that can be metered.
        """
        at = _EPOCH + timedelta(milliseconds=at_ms)
        standard = self.info.get_prices(at)
        tiers = {
            tier: _price_list(self.info.get_prices(at, chosen))
            for chosen in self._service_tiers(at)
            for tier in chosen.values()
        }
        prices = standard.__dict__
        return Quote(
            standard=_price_list(standard),
            service_tiers=tiers,
            fees={_FEES[key]: prices[key] for key in prices if key in _FEES},
            request_fee=prices.get(_REQUEST_FEE, Decimal(0)),
            audio_hour=_dearest(prices, _AUDIO_HOURS),
            characters_million=_dearest(prices, {_CHARACTERS}),
        )

    def span(self, at_ms: int) -> tuple[int, int | None]:
        """The longest time around an instant in which no price changes, its end excluded."""
        day_start = at_ms - at_ms % _DAY_MS
        daily = [
            day_start + shift + of_day
            for shift in (-_DAY_MS, 0, _DAY_MS)
            for of_day in self.daily_ms
        ]
        changes = [*self.fixed_ms, *daily]
        since = max((change for change in changes if change <= at_ms), default=0)
        until = min((change for change in changes if change > at_ms), default=None)
        return since, until

    def _service_tiers(self, at: datetime) -> Iterator[Mapping[str, str]]:
        """What a call chooses by; a provider has tiers, or speeds, and never both."""
        for variant in self.info.price_variants or ():
            is_active = variant.constraint is None or variant.constraint.active(at)
            if is_active and set(variant.when) in ({"service_tier"}, {"speed"}):
                yield variant.when


def find_listing(model: str, provider: str) -> Listing:
    """The listing of `model` at `provider`.

    Raises:
        NotListed: the name is not surely meant by any listing, or has no usable price.
    """
    listed = _PROVIDERS.get(provider)
    if listed is None:
        raise NotListed(f"no prices are known for provider {provider}")
    name = model.lower()
    fits = [(fit(info.match, name), info) for info in listed.models]
    best, info = max(fits, key=lambda fit: fit[0], default=(0, None))
    if info is None or best == 0:
        raise NotListed
    listing = _listing(info)
    if provider not in _COUNT_IMAGES_APART and listing.draws:
        raise NotListed("it bills images that its API does not count apart from text")
    return listing


def near_names(model: str, provider: str, *, at_most: int) -> tuple[str, ...]:
    """Names like `model` that have a price at this provider, the nearest first."""
    listed = _PROVIDERS.get(provider)
    if listed is None:
        return ()
    names = {name for info in listed.models for name in literals(info.match)}
    near = get_close_matches(model.lower(), sorted(names), n=4 * at_most)
    return tuple(islice((name for name in near if _is_listed(name, provider)), at_most))


def provider_at(base_url: str) -> str | None:
    """The provider whose API answers at this address, as far as the data knows it."""
    for provider in providers:
        if re.match(provider.api_pattern, base_url):
            return provider.id
    return None


def _is_listed(name: str, provider: str) -> bool:
    try:
        find_listing(name, provider)
    except NotListed:
        return False
    return True


def _listing(info: ModelInfo) -> Listing:
    conditional = info.prices if isinstance(info.prices, list) else []
    constraints = [price.constraint for price in conditional]
    constraints += [variant.constraint for variant in info.price_variants or ()]
    fixed, daily = set[int](), set[int]()
    for constraint in constraints:
        match constraint:
            case StartDateConstraint(start_date=start):
                fixed.add((start - _EPOCH.date()).days * _DAY_MS)
            case TimeOfDateConstraint(start_time=start_time, end_time=end_time):
                for time in (start_time, end_time):
                    instant = datetime.combine(_EPOCH.date(), time, time.tzinfo or UTC)
                    daily.add(((instant - _EPOCH) // timedelta(milliseconds=1)) % _DAY_MS)
    listing = Listing(info, _says_free(info), tuple(sorted(fixed)), tuple(sorted(daily)))
    if not listing.free:
        # Refused here, not at the first call that happens to fall on a bad price.
        for day_ms in (0, *listing.fixed_ms):
            for time_ms in (0, *listing.daily_ms):
                listing.quote(day_ms + time_ms)
    return listing


def _says_free(info: ModelInfo) -> bool:
    prices = info.prices
    return info.id.endswith(":free") and not isinstance(prices, list) and not prices.__dict__


def _price_list(prices: ModelPrice) -> PriceList:
    listed = {key: value for key, value in prices.__dict__.items() if value is not None}
    if not listed:
        raise NotListed("it is listed without a price")
    unmetered = listed.keys() - _RATES.keys() - _FEES.keys() - {_REQUEST_FEE} - _NOT_BY_TOKEN
    if unmetered:
        raise NotListed(f"it bills {', '.join(sorted(unmetered))}, which cannot be metered")
    apart = listed.keys() & _NOT_BY_TOKEN
    if apart and any(listed[key] for key in apart):
        return _nothing_by_token(listed)
    if "input_mtok" not in listed:
        raise NotListed("its listed price is not one of text that goes in")
    rates = {_RATES[key]: _steps(value) for key, value in listed.items() if key in _RATES}
    if not any(usd for steps in rates.values() for _, usd in steps):
        raise NotListed("its listed price is zero, and nothing says that it is free")
    return rates


def _nothing_by_token(listed: Mapping[str, object]) -> PriceList:
    """The token prices of a model that bills by the hour or by the character: none.

    One that bills tokens as well may bill either for the same call, and nobody says which.
    """
    if listed.keys() & _RATES.keys():
        raise NotListed("it bills both by token and by what is no token")
    for key in listed.keys() & _NOT_BY_TOKEN:
        _steps(listed[key])
    return {}


def _dearest(listed: Mapping[str, Decimal], keys: Collection[str]) -> Decimal | None:
    return max((listed[key] for key in keys if listed.get(key) is not None), default=None)


def _steps(value: object) -> Steps:
    match value:
        case Decimal():
            steps: Steps = ((BASE, value),)
        case TieredPrices(base=base, tiers=tiers):
            steps = ((BASE, base), *((tier.start, tier.price) for tier in tiers))
        case _:
            raise NotListed(f"its listed price is not a number: {value}")
    if any(not usd.is_finite() or usd < 0 for _, usd in steps):
        raise NotListed("its listed price is negative or not a number")
    return steps
