"""Which price and which profile a model has: overrides first, then the genai-prices data.

A model without a price is `UnknownModel`, never free: unknown as $0 is a budget that does
not exist (field report 51).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pricing.card import RateCard, Unpriced
from pricing.override import Override, faults, lint
from pricing.profile import Profile, Profiles, reviewed_profiles
from pricing.published.quote import card_of

if TYPE_CHECKING:
    from pricing.published.listing import Listing

__all__ = ["Catalogue", "Model", "Override", "UnknownModel", "lint", "provider_of"]

NAMES_REMEMBERED: Final = 4_096
SPANS_REMEMBERED: Final = 64
NAME_CHARACTERS_MAX: Final = 256
NEAR_NAMES: Final = 3

Fees = Mapping[str, Decimal]
"""USD per thousand calls of a built-in tool, by its name."""


class UnknownModel(Unpriced):
    """No price is known for a model. `near` are similar names that have one."""

    def __init__(self, model: str, why: str = "", near: tuple[str, ...] = ()) -> None:
        super().__init__(model, "any token", why)
        self.why = why
        self.near = near


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it can be called: what it costs for a while, and what it can do."""

    name: str
    card: RateCard
    profile: Profile


class Catalogue:
    """Looks models up. Cheap after the first time for each name."""

    def __init__(
        self, overrides: Sequence[Override] = (), *, profiles: Profiles | None = None
    ) -> None:
        """The first override that matches a model holds.

        Raises:
            ValueError: an override has prices that cannot be used, or an unknown tokenizer.
        """
        self._overrides = tuple(overrides)
        self._profiles = profiles or reviewed_profiles()
        for override in self._overrides:
            self._check(override)
        self._entry = lru_cache(NAMES_REMEMBERED)(self._find)

    def load(self) -> None:
        """Read the price data now, so that no call waits for it: about a tenth of a second."""
        import pricing.published.listing  # noqa: F401

    def model(self, name: str, *, provider: str | None, from_ms: int, until_ms: int) -> Model:
        """The model, at the dearest prices in force anywhere between two instants.

        `provider` is an id of the data ("openai"); None leaves only the overrides. A hold
        spans its own life, a settlement gives one instant twice.

        Raises:
            UnknownModel: neither an override nor the data prices it.
        """
        entry = self._entry(name, provider)
        if isinstance(entry, _Missing):
            raise UnknownModel(name[:NAME_CHARACTERS_MAX], entry.why, entry.near)
        return entry.between(from_ms, until_ms)

    def _check(self, override: Override) -> None:
        if override.states_price:
            override.card(override.model)
        elif found := list(faults(override)):
            raise ValueError(f"override of {override.model}: {'; '.join(found)}")
        if override.tokenizer is not None and override.tokenizer not in self._profiles.tokenizers:
            known = ", ".join(sorted(self._profiles.tokenizers))
            raise ValueError(
                f"override of {override.model}: unknown tokenizer {override.tokenizer!r}, "
                f"known are {known}"
            )

    def _find(self, name: str, provider: str | None) -> "_Entry | _Missing":
        override = next((each for each in self._overrides if _matches(each, name)), None)
        profile = self._profiles.find(name)
        if override is not None:
            profile = self._refined(profile, override)
            if override.states_price:
                return _Entry(Model(name, override.card(name), profile), None, {})
        if provider is None:
            return _Missing("its provider is not known")
        if len(name) > NAME_CHARACTERS_MAX:
            return _Missing("no model has so long a name")
        return _find_listed(name, provider, profile, override.tool_fees if override else {})

    def _refined(self, profile: Profile, override: Override) -> Profile:
        tokenizer = override.tokenizer
        hidden = override.hidden_output
        return replace(
            profile,
            context_window=override.context_window or profile.context_window,
            max_output_tokens=override.max_output_tokens or profile.max_output_tokens,
            hidden_output=profile.hidden_output if hidden is None else hidden,
            tokenizer=self._profiles.tokenizers[tokenizer] if tokenizer else profile.tokenizer,
        )


def provider_of(base_url: str) -> str | None:
    """The provider whose API answers at this address, as far as the data knows it."""
    from pricing.published.listing import provider_at

    return provider_at(base_url)


@dataclass(frozen=True, slots=True)
class _Missing:
    why: str
    near: tuple[str, ...] = ()


class _Entry:
    """One name: `model` as it always is, or as `listing` changes its price over time.

    `fees` come beside the listed ones.
    """

    def __init__(self, model: Model, listing: "Listing | None", fees: Fees) -> None:
        self._model = model
        self._listing = listing
        self._fees = fees
        self._by_span: dict[tuple[int, int | None], Model] = {}
        self._latest: tuple[int, int | None, Model] = (0, 0, model)

    def between(self, from_ms: int, until_ms: int) -> Model:
        if self._listing is None:
            return self._model
        since, change, latest = self._latest
        if since <= from_ms and (change is None or until_ms < change):
            return latest
        since, change = self._listing.span(from_ms)
        instants = [from_ms]
        while change is not None and change <= until_ms:
            instants.append(change)
            _, change = self._listing.span(change)
        known = self._by_span.get((since, change))
        if known is None:
            if len(self._by_span) >= SPANS_REMEMBERED:
                self._by_span.clear()
            known = _priced(
                self._model.name, self._model.profile, self._listing, self._fees, instants
            )
            self._by_span[since, change] = known
        if len(instants) == 1:
            self._latest = (since, change, known)
        return known


def _find_listed(name: str, provider: str, profile: Profile, fees: Fees) -> _Entry | _Missing:
    from pricing.published.listing import NotListed, find_listing, near_names

    try:
        listing = find_listing(name, provider)
    except NotListed as missing:
        return _Missing(missing.why, near_names(name, provider, at_most=NEAR_NAMES))
    window = profile.context_window or listing.context_window
    model = _priced(name, replace(profile, context_window=window), listing, fees, (0,))
    return _Entry(model, listing if listing.changes else None, fees)


def _priced(
    name: str, profile: Profile, listing: "Listing", fees: Fees, instants: Sequence[int]
) -> Model:
    if listing.free:
        card = RateCard(name, listing.source, denominator=1, standard=(), free=True)
    else:
        listed = [listing.quote(at_ms) for at_ms in instants]
        quotes = [replace(quote, fees={**quote.fees, **fees}) for quote in listed]
        card = card_of(name, listing.source, quotes, audio_as_text=profile.audio_as_text)
    return Model(name, card, profile)


def _matches(override: Override, name: str) -> bool:
    return fnmatchcase(name.lower(), override.model.lower())
