"""What models cost, where the catalogue does not know or knows better elsewhere."""

from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from pricing.override import Override, faults
from proxy.config.sections.base import Accepts, Section, invalid, later, unique
from proxy.config.sections.values import ImageKind, ModelGlob, ToolName, read_usd
from proxy.domain.money import MICROCENTS_PER_CENT, Microcents

_RATE_MAX: Final = 1_000_000
_TOKENS_MAX: Final = 100_000_000


def _read_unbounded(value: object) -> Microcents | Literal["deny"]:
    return "deny" if value == "deny" else read_usd(value)


class OverrideConfig(Section):
    """The prices or the limits of a model, in place of the catalogue's.

    Prices are US dollars per million tokens, where the key does not say otherwise. With prices
    the entry replaces the catalogue's; with none it only adds what it says about limits. A model
    that costs nothing says `free: true`: zero prices alone are refused.
    """

    model: ModelGlob
    """The models it is about."""

    free: bool = False
    """The model costs nothing. It then works even when the budget is used up."""

    input_per_mtok: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[0.15])
    """US dollars for a million input tokens."""

    output_per_mtok: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[0.60])
    """US dollars for a million output tokens."""

    cache_read_per_mtok: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[0.075])
    """US dollars for a million input tokens that were found in a cache."""

    cache_write_per_mtok: Decimal | None = Field(
        default=None, ge=0, le=_RATE_MAX, examples=[0.1875]
    )
    """US dollars for a million input tokens that were put into a cache."""

    input_audio_per_mtok: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[10.00])
    """US dollars for a million tokens of audio input."""

    output_audio_per_mtok: Decimal | None = Field(
        default=None, ge=0, le=_RATE_MAX, examples=[20.00]
    )
    """US dollars for a million tokens of audio output."""

    input_image_per_mtok: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[8.00])
    """US dollars for a million tokens of images that go in."""

    cache_read_image_per_mtok: Decimal | None = Field(
        default=None, ge=0, le=_RATE_MAX, examples=[2.00]
    )
    """US dollars for a million tokens of images that were found in a cache."""

    output_image_per_mtok: Decimal | None = Field(
        default=None, ge=0, le=_RATE_MAX, examples=[32.00]
    )
    """US dollars for a million tokens of images that come out."""

    audio_per_hour: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[0.36])
    """US dollars for an hour of audio, for models that bill its length and not its tokens."""

    input_per_mchar: Decimal | None = Field(default=None, ge=0, le=_RATE_MAX, examples=[15.00])
    """US dollars for a million characters of text that is spoken."""

    image_fees: Annotated[
        dict[ImageKind, Annotated[Decimal, Field(ge=0, le=_RATE_MAX)]],
        Accepts(
            "a map of size/quality to US dollars for one image",
            "{1024x1024/standard: 0.04, 1024x1024/hd: 0.08}",
        ),
    ] = Field(default_factory=dict)
    """US dollars for one image, by its size and quality, for models that bill images and not
    their tokens. Without a quality (`1024x1024`) it holds for all of them, and `""` for every
    image. The fee that says most about an image is taken."""

    tool_fees: Annotated[
        dict[ToolName, Annotated[Decimal, Field(ge=0, le=_RATE_MAX)]],
        Accepts(
            "a map of a built-in tool to US dollars for a thousand calls",
            "{code_interpreter: 30.00}",
        ),
    ] = Field(default_factory=dict)
    """US dollars for a thousand calls of a tool that the provider runs, by its type without a
    date. They come beside the fees of the catalogue, also where no price is stated."""

    context_window: int | None = Field(default=None, ge=1, le=_TOKENS_MAX, examples=[131072])
    """How many tokens input and output may have together."""

    max_output_tokens: int | None = Field(default=None, ge=1, le=_TOKENS_MAX, examples=[16384])
    """How many tokens one answer may have."""

    hidden_output: bool | None = Field(default=None, examples=[True])
    """Whether the model bills output that nobody sees (reasoning). For such a model an answer
    that ends without a usage report is charged its hold, since counting says too little."""

    tokenizer: str | None = Field(
        default=None, min_length=1, max_length=64, examples=["o200k_base"]
    )
    """The tokenizer that counts its input."""

    @property
    def stated(self) -> Override:
        """What it states, in the words of `pricing`."""
        return Override(**dict(self))

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if found := list(faults(self.stated)):
            raise invalid("; ".join(found))
        if self.model_fields_set <= {"model"}:
            raise invalid("neither prices nor limits nor free: true")
        return self


class PricingConfig(Section):
    """What calls cost."""

    unknown_model: Annotated[Literal["deny"], later("dearest")] = "deny"
    """What to do with a call for a model that has no price. It is refused; it is never free."""

    unbounded: Annotated[
        Microcents | Literal["deny"],
        PlainValidator(_read_unbounded),
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": MICROCENTS_PER_CENT}]}
        ),
        Accepts("deny, or the amount to hold, as money", "$5.00"),
    ] = "deny"
    """What to do with a call whose cost has no upper bound: refuse it, or hold this amount,
    which the call may pass."""

    overrides: Annotated[tuple[OverrideConfig, ...], AfterValidator(unique("model"))] = ()
    """Prices and limits of your own. The first entry that matches a model holds."""
