"""What the tests of this folder are made of: instants, cards, and usages within a bound."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache

import tiktoken
from hypothesis import settings
from hypothesis import strategies as st

from pricing.bound import BoundClass, InputBound
from pricing.card import RateCard
from pricing.catalogue import Catalogue
from pricing.cost import Terms
from pricing.profile import Profile, reviewed_profiles
from pricing.published.quote import RATES, Quote, card_of, flat
from pricing.tokens import Tokenizers, vocabulary
from pricing.usage import Usage


def ms(text: str) -> int:
    """Milliseconds of an ISO instant, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


NOW = ms("2026-11-15T12:00:00")

STANDARD: Terms = {"n": 1, "service_tiers": frozenset([None])}


def listed_card(model: str, provider: str = "openai", at_ms: int = NOW) -> RateCard:
    return Catalogue().model(model, provider=provider, from_ms=at_ms, until_ms=at_ms).card


def simple_card(input_usd: str = "1", output_usd: str = "2", **others: str) -> RateCard:
    """A card with prices in USD per million tokens, one microcent-exact bracket."""
    rates = {"input": input_usd, "output": output_usd, **others}
    prices = {name: flat(Decimal(usd)) for name, usd in rates.items()}
    return card_of("simple", "test", [Quote(prices)], audio_as_text=False)


def bound_of(text: int = 0, image: int = 0, audio: int = 0, unseen: int = 0) -> InputBound:
    return InputBound(text, image, audio, unseen, BoundClass.EXACT, ())


def profile_of(model: str) -> Profile:
    return reviewed_profiles().find(model)


@cache
def loaded_tokenizers() -> Tokenizers:
    tokenizers = Tokenizers()
    tokenizers.load()
    return tokenizers


@cache
def published_encoding(name: str) -> tiktoken.Encoding:
    """The oracle of every count: tiktoken, with the pattern that was published."""
    content = vocabulary._checked_bytes(name)
    return tiktoken.Encoding(
        name,
        pat_str=vocabulary.PUBLISHED[name].split,
        mergeable_ranks=vocabulary._ranks(content),
        special_tokens={},
    )


unhurried = settings(deadline=None)
"""How long a machine takes says nothing about a rule."""

USD = st.integers(0, 700_000_000).map(lambda millionths: Decimal(millionths).scaleb(-6))
OPTIONAL_RATES = tuple(name for name in RATES if name not in ("input", "output"))
TIERS = ("flex", "priority")
TOOLS = ("web_search", "file_search")
IMAGES = ("1024x1024/hd", "1024x1024/standard", "256x256", "")
ASKED_IMAGES = (*IMAGES, "auto/auto", "1024x1024/auto", "auto/hd", "512x512/low")
EDGES = st.sampled_from(((-1,), (-1, 1_000), (-1, 200_000), (-1, 1_000, 272_000)))
COUNTS = st.integers(min_value=0, max_value=2_000_000)


@st.composite
def price_lists(draw: st.DrawFn) -> dict[str, tuple[tuple[int, Decimal], ...]]:
    """Any mixture of given and missing prices, with long-context steps up or down."""
    left_out = draw(st.sets(st.sampled_from(OPTIONAL_RATES)))
    names = [name for name in RATES if name not in left_out]
    prices = {}
    for name in names:
        prices[name] = tuple((above, draw(USD)) for above in draw(EDGES))
    return prices


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    tiers = draw(st.dictionaries(st.sampled_from(TIERS), price_lists(), max_size=2))
    fees = draw(st.dictionaries(st.sampled_from(TOOLS), USD, max_size=2))
    image_fees = draw(st.dictionaries(st.sampled_from(IMAGES), USD, max_size=3))
    by_token = draw(price_lists() | st.just({}))
    return Quote(
        by_token,
        tiers if by_token else {},
        fees,
        draw(USD),
        draw(st.none() | USD),
        draw(st.none() | USD),
        image_fees,
    )


CARDS = st.builds(
    card_of,
    st.just("drawn"),
    st.just("test"),
    st.lists(quotes(), min_size=1, max_size=2),
    audio_as_text=st.booleans(),
)

BOUNDS = st.builds(bound_of, COUNTS, COUNTS, COUNTS, COUNTS)

MULTIPLIERS = st.fractions(min_value=Fraction(1, 100), max_value=5, max_denominator=100)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    tier = st.sampled_from((None, *TIERS))
    return Terms(
        n=draw(st.integers(1, 128)),
        service_tiers=draw(st.frozensets(tier, min_size=1)),
        cache_write=draw(st.booleans()),
        cache_write_1h=draw(st.booleans()),
        audio_output=draw(st.booleans()),
        prediction_tokens=draw(st.integers(0, 10_000)),
        tool_calls=draw(st.dictionaries(st.sampled_from(TOOLS), st.integers(0, 9), max_size=1)),
        images=draw(st.dictionaries(st.sampled_from(ASKED_IMAGES), st.integers(0, 10), max_size=2)),
        audio_ms=draw(st.just(0) | st.integers(0, 10**7)),
        characters=draw(st.just(0) | st.integers(0, 10**6)),
        multiplier=draw(MULTIPLIERS),
    )


@dataclass(frozen=True)
class Served:
    """A usage, and what has to be known to price it."""

    usage: Usage
    cached_in_input: bool
    service_tier: str | None


@st.composite
def served_within(
    draw: st.DrawFn, card: RateCard, bound: InputBound, terms: Terms, output_tokens: int
) -> Served:
    """Anything a provider may bill for a call that keeps to its bound and terms."""

    def up_to(most: int) -> int:
        return draw(st.integers(0, most) | st.just(most))

    tier = draw(st.sampled_from(sorted(terms["service_tiers"], key=str)))
    hears = all(bracket.rates.input_audio is not None for bracket in card.brackets(tier))
    hidden_audio = up_to(bound.unseen_tokens) if hears else 0
    hidden_image = up_to(bound.unseen_tokens - hidden_audio)
    hidden_text = up_to(bound.unseen_tokens - hidden_audio - hidden_image)
    text = up_to(bound.text_tokens) + hidden_text
    image = up_to(bound.image_tokens) + hidden_image
    audio = up_to(bound.audio_tokens) + hidden_audio

    read_audio, read_image = up_to(audio), up_to(image)
    read = up_to(text)
    write = up_to(text - read) if terms.get("cache_write") else 0
    write_1h = up_to(write) if terms.get("cache_write_1h") else 0
    total = text + image + audio
    cached_in_input = draw(st.booleans())

    output = up_to(terms["n"] * (output_tokens + terms.get("prediction_tokens", 0)))
    spoken = up_to(output) if terms.get("audio_output") else 0
    drawn = up_to(output - spoken)
    usage = Usage(
        input_tokens=total if cached_in_input else total - read - read_audio - read_image - write,
        output_tokens=output,
        cache_read_tokens=read + read_audio + read_image,
        cache_write_tokens=write,
        cache_write_1h_tokens=write_1h,
        input_image_tokens=image,
        input_audio_tokens=audio,
        cache_read_audio_tokens=read_audio,
        cache_read_image_tokens=read_image,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
        reasoning_tokens=up_to(output - spoken - drawn),
        audio_ms=up_to(terms.get("audio_ms", 0)),
        characters=up_to(terms.get("characters", 0)),
        images={kind: up_to(count) for kind, count in terms.get("images", {}).items()},
        tool_calls={tool: up_to(calls) for tool, calls in terms.get("tool_calls", {}).items()},
    )
    return Served(usage, cached_in_input, tier)
