"""What the provider charges: one hand-written table, compared with nothing but public pages.

USD per million tokens, exact. Nothing here is derived from the prices the proxy uses: a
price that is wrong there must show as a difference, not be repeated.

Sources, read in November 2026:
    standard and flex   https://developers.openai.com/api/docs/pricing
    priority ("fast")   https://openai.com/api-fast-mode/
    cache writes        https://developers.openai.com/api/docs/guides/prompt-caching
    long context        https://developers.openai.com/api/docs/models/gpt-5.4
    embeddings          https://developers.openai.com/api/docs/models/text-embedding-3-small
    legacy completions  https://developers.openai.com/api/docs/models/gpt-3.5-turbo-instruct
    audio               https://developers.openai.com/api/docs/pricing#transcription-and-speech
    Claude, all of it   https://platform.claude.com/docs/en/about-claude/pricing
    images              https://developers.openai.com/api/docs/pricing#image-generation
    dall-e-3            https://openai.com/api/pricing/ (as it was until May 2026)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens, by what is billed. None: no rate of its own is published."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    image_output: Decimal | None = None

    def times(self, factor: Decimal) -> "Rates":
        """Every rate, so many times dearer."""
        rates = {each.name: getattr(self, each.name) for each in fields(self)}
        dearer = {name: rate * factor for name, rate in rates.items() if rate is not None}
        return replace(self, **dearer)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongContext:
    """A prompt of *more* than `above_tokens` raises the price of the whole call."""

    above_tokens: int
    standard: Rates
    flex: Rates | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """All that one model can be billed at. None: the tier is not sold for this model.

    `audio_hour` is USD for an hour of sound that goes in, `characters` for a million characters
    of text. `web_search` is USD per thousand searches, `image_fees` USD for one image of this
    size and quality.
    """

    standard: Rates
    priority: Rates | None = None
    flex: Rates | None = None
    long_context: LongContext | None = None
    audio_hour: Decimal | None = None
    characters: Decimal | None = None
    web_search: Decimal | None = Decimal("10.00")
    image_fees: Mapping[str, Decimal] = field(default_factory=dict)

    def is_long(self, prompt_tokens: int) -> bool:
        """Whether a prompt is past the edge. The edge itself is still the short price."""
        return self.long_context is not None and prompt_tokens > self.long_context.above_tokens

    def rates_for(self, service_tier: str, prompt_tokens: int) -> Rates:
        """The rates of one call. Raises KeyError: the tier is not sold for such a call."""
        return self.tiers(prompt_tokens)[service_tier]

    def tiers(self, prompt_tokens: int) -> Mapping[str, Rates]:
        """The tiers sold for a prompt of this length, by the name an answer calls them."""
        sold = {"default": self.standard, "priority": self.priority, "flex": self.flex}
        if self.long_context is not None and self.is_long(prompt_tokens):
            # Priority leaves long prompts out: they are served as default.
            sold = {"default": self.long_context.standard, "flex": self.long_context.flex}
        return {name: rates for name, rates in sold.items() if rates is not None}


IN_THE_US: Final = Decimal("1.1")
"""How much dearer every token of Claude is where it may be made in the United States alone.

Source: https://platform.claude.com/docs/en/manage-claude/data-residency
"""


def _claude(
    usd_input: str, usd_write: str, usd_write_1h: str, usd_cached: str, usd_output: str
) -> Rates:
    """The columns of the page, in their order."""
    return Rates(
        input=Decimal(usd_input),
        cache_write=Decimal(usd_write),
        cache_write_1h=Decimal(usd_write_1h),
        cached_input=Decimal(usd_cached),
        output=Decimal(usd_output),
    )


def _drawing(usd_input: str, usd_output: str, usd_image_in: str, usd_image_out: str) -> PriceList:
    """Text in and out, images in and out."""
    rates = Rates(
        input=Decimal(usd_input),
        output=Decimal(usd_output),
        image_input=Decimal(usd_image_in),
        image_output=Decimal(usd_image_out),
    )
    return PriceList(standard=rates, web_search=None)


def _by_the_image(fees: Mapping[str, str]) -> PriceList:
    rates = Rates(input=Decimal(0), output=Decimal(0))
    in_usd = {kind: Decimal(usd) for kind, usd in fees.items()}
    return PriceList(standard=rates, web_search=None, image_fees=in_usd)


def _plain(usd_input: str, usd_output: str) -> PriceList:
    rates = Rates(input=Decimal(usd_input), output=Decimal(usd_output))
    return PriceList(standard=rates, web_search=None)


def _heard(usd_input: str, usd_output: str, usd_audio: str) -> PriceList:
    """Text and sound in, text out."""
    rates = Rates(
        input=Decimal(usd_input), output=Decimal(usd_output), audio_input=Decimal(usd_audio)
    )
    return PriceList(standard=rates, web_search=None)


def _by_length(*, usd_audio_hour: str = "", usd_characters: str = "") -> PriceList:
    return PriceList(
        standard=Rates(input=Decimal(0), output=Decimal(0)),
        audio_hour=Decimal(usd_audio_hour) if usd_audio_hour else None,
        characters=Decimal(usd_characters) if usd_characters else None,
        web_search=None,
    )


def _rates(usd_input: str, usd_cached: str, usd_output: str, usd_write: str = "") -> Rates:
    return Rates(
        input=Decimal(usd_input),
        cached_input=Decimal(usd_cached),
        output=Decimal(usd_output),
        cache_write=Decimal(usd_write) if usd_write else None,
    )


PRICES: Mapping[str, PriceList] = MappingProxyType(
    {
        "gpt-4o": PriceList(
            standard=_rates("2.50", "1.25", "10.00"),
            priority=_rates("4.25", "2.125", "17.00"),
        ),
        "gpt-4o-mini": PriceList(
            standard=_rates("0.15", "0.075", "0.60"),
            priority=_rates("0.25", "0.125", "1.00"),
        ),
        "gpt-4o-audio-preview": PriceList(
            standard=Rates(
                input=Decimal("2.50"),
                output=Decimal("10.00"),
                audio_input=Decimal("40.00"),
                audio_output=Decimal("80.00"),
            ),
        ),
        "gpt-audio": PriceList(
            standard=Rates(
                input=Decimal("2.50"),
                output=Decimal("10.00"),
                audio_input=Decimal("32.00"),
                audio_output=Decimal("64.00"),
            ),
        ),
        "gpt-4.1": PriceList(
            standard=_rates("2.00", "0.50", "8.00"),
            priority=_rates("3.50", "0.875", "14.00"),
        ),
        "gpt-4.1-mini": PriceList(
            standard=_rates("0.40", "0.10", "1.60"),
            priority=_rates("0.70", "0.175", "2.80"),
        ),
        "gpt-4.1-nano": PriceList(
            standard=_rates("0.10", "0.025", "0.40"),
            priority=_rates("0.20", "0.05", "0.80"),
        ),
        "gpt-5": PriceList(
            standard=_rates("1.25", "0.125", "10.00"),
            priority=_rates("2.50", "0.25", "20.00"),
            flex=_rates("0.625", "0.0625", "5.00"),
        ),
        "gpt-5-mini": PriceList(
            standard=_rates("0.25", "0.025", "2.00"),
            priority=_rates("0.45", "0.045", "3.60"),
            flex=_rates("0.125", "0.0125", "1.00"),
        ),
        "gpt-5-nano": PriceList(
            standard=_rates("0.05", "0.005", "0.40"),
            flex=_rates("0.025", "0.0025", "0.20"),
        ),
        "gpt-5.4": PriceList(
            standard=_rates("2.50", "0.25", "15.00"),
            priority=_rates("5.00", "0.50", "30.00"),
            flex=_rates("1.25", "0.13", "7.50"),  # as the page prints it, not half of $0.25
            long_context=LongContext(
                above_tokens=272_000,
                standard=_rates("5.00", "0.50", "22.50"),
                flex=_rates("2.50", "0.25", "11.25"),
            ),
        ),
        "gpt-5.6-terra": PriceList(
            standard=_rates("2.00", "0.20", "12.00", "2.50"),
            priority=_rates("4.00", "0.40", "24.00", "5.00"),
            flex=_rates("1.00", "0.10", "6.00", "1.25"),
            long_context=LongContext(
                above_tokens=272_000,
                standard=_rates("4.00", "0.40", "18.00", "5.00"),
                flex=_rates("2.00", "0.20", "9.00", "2.50"),
            ),
        ),
        "o3": PriceList(
            standard=_rates("2.00", "0.50", "8.00"),
            priority=_rates("3.50", "0.875", "14.00"),
            flex=_rates("1.00", "0.25", "4.00"),
        ),
        "o4-mini": PriceList(
            standard=_rates("1.10", "0.275", "4.40"),
            priority=_rates("2.00", "0.50", "8.00"),
            flex=_rates("0.55", "0.138", "2.20"),
        ),
        "gpt-4": PriceList(standard=Rates(input=Decimal("30.00"), output=Decimal("60.00"))),
        "gpt-3.5-turbo": PriceList(standard=Rates(input=Decimal("0.50"), output=Decimal("1.50"))),
        "gpt-3.5-turbo-instruct": _plain("1.50", "2.00"),
        "davinci-002": _plain("2.00", "2.00"),
        "babbage-002": _plain("0.40", "0.40"),
        "text-embedding-3-small": _plain("0.02", "0"),
        "text-embedding-3-large": _plain("0.13", "0"),
        "text-embedding-ada-002": _plain("0.10", "0"),
        "gpt-image-1": _drawing("5.00", "40.00", "10.00", "40.00"),
        "gpt-image-1-mini": _drawing("2.00", "8.00", "2.50", "8.00"),
        "gpt-image-1.5": _drawing("5.00", "10.00", "8.00", "32.00"),
        "gpt-image-2": _drawing("5.00", "30.00", "8.00", "30.00"),
        "dall-e-3": _by_the_image(
            {
                "1024x1024/standard": "0.04",
                "1792x1024/standard": "0.08",
                "1024x1024/hd": "0.08",
                "1792x1024/hd": "0.12",
            }
        ),
        "gpt-4o-transcribe": _heard("2.50", "10.00", "6.00"),
        "gpt-4o-mini-transcribe": _heard("1.25", "5.00", "3.00"),
        "whisper-1": _by_length(usd_audio_hour="0.36"),  # $0.006 a minute, as the page has it
        "gpt-transcribe": _by_length(usd_audio_hour="0.27"),
        "gpt-4o-mini-tts": PriceList(
            standard=Rates(
                input=Decimal("0.60"), output=Decimal("12.00"), audio_output=Decimal("12.00")
            ),
            web_search=None,
        ),
        "tts-1": _by_length(usd_characters="15.00"),
        "tts-1-hd": _by_length(usd_characters="30.00"),
        "claude-opus-4-5": PriceList(standard=_claude("5", "6.25", "10", "0.50", "25")),
        "claude-sonnet-4-5": PriceList(
            standard=_claude("3", "3.75", "6", "0.30", "15"),
            long_context=LongContext(
                above_tokens=200_000,
                standard=_claude("6", "7.50", "12", "0.60", "22.50"),
            ),
        ),
        "claude-haiku-4-5": PriceList(standard=_claude("1", "1.25", "2", "0.10", "5")),
        "claude-sonnet-5-5": PriceList(standard=_claude("2", "2.50", "4", "0.10", "10")),
        "claude-haiku-5-5": PriceList(
            standard=_claude("0.10", "0.125", "0.20", "0.01", "0.50"),
            long_context=LongContext(
                above_tokens=100_000,
                standard=_claude("0.50", "0.625", "1.00", "0.05", "2.50"),
            ),
        ),
    }
)
