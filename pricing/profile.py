"""What a model can do: its tokenizer, window, output limit, hidden output, capabilities.

The facts are data, in profiles.yml beside this module, each family with its source.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from functools import cache
from importlib.resources import files
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict

from pricing.drawing import DrawingRule, read_drawing_rule
from pricing.images import ImageRule, read_image_rule

LimitField = Literal["max_completion_tokens", "max_tokens"]


class Capability(StrEnum):
    """What a request may ask of a model."""

    TOOLS = "tools"
    IMAGES = "images"
    AUDIO = "audio"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How the tokens of a family of models are bounded.

    `vocabulary` names one of ours; without it a text counts as its bytes, which bounds every
    byte-level tokenizer. `normalises`: the text may be rewritten first, or nobody says
    whether it is. `framing_factor` and `overhead_tokens` bound chat templates unlike
    OpenAI's, whose framing the dialect counts.
    """

    name: str
    vocabulary: str | None = None
    margin_pct: int = 0
    normalises: bool = False
    framing_factor: int = 1
    overhead_tokens: int = 0

    @property
    def exact(self) -> bool:
        """Whether a count with the vocabulary is the provider's own."""
        return self.vocabulary is not None and not self.margin_pct and self.framing_factor == 1


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a model. None: nobody says, so nothing may be concluded from it.

    Windows and limits are tokens. `hidden_output`: tokens may be billed that the answer does
    not show. `audio_as_text`: without an audio price of its own, audio costs what text costs.
    `image_rule` counts images that go in, `drawing_rule` those that come out.
    """

    tokenizer: Tokenizer
    context_window: int | None
    max_output_tokens: int | None
    hidden_output: bool
    limit_field: LimitField
    capabilities: frozenset[Capability] | None
    image_rule: ImageRule | None
    audio_tokens_per_second: int | None
    audio_as_text: bool
    drawing_rule: DrawingRule | None = None


@dataclass(frozen=True, slots=True)
class Profiles:
    """All families, in order of precedence."""

    tokenizers: Mapping[str, Tokenizer]
    families: Sequence[tuple[re.Pattern[str], Profile]]

    @classmethod
    def read(cls, text: str) -> Self:
        """Families from YAML as profiles.yml is written; the last must match every name.

        Raises:
            ValueError: not written that way.
        """
        try:
            written = _Written.model_validate(yaml.load(text, Loader=_LOADER))  # noqa: S506
            families = [
                (_pattern(family.match), written.profile(family)) for family in written.families
            ]
        except KeyError as error:
            raise ValueError(f"profiles name {error} without defining it") from error
        if not families or not families[-1][0].fullmatch("anything"):
            raise ValueError("the last family must match every model")
        return cls(written.named_tokenizers(), families)

    def find(self, model: str) -> Profile:
        """The profile of the first family that matches; a model nobody described has one too."""
        name = model.lower().rsplit("/", 1)[-1].removeprefix("ft:")
        return next(profile for pattern, profile in self.families if pattern.fullmatch(name))


@cache
def reviewed_profiles() -> Profiles:
    """The profiles that are part of the package."""
    return Profiles.read((files("pricing") / "profiles.yml").read_text("utf-8"))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _TokenizerParts(_Strict):
    vocabulary: str | None = None
    margin_pct: int = 0
    normalises: bool = False
    framing_factor: int = 1
    overhead_tokens: int = 0


class _Family(_Strict):
    match: list[str]
    tokenizer: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    hidden_output: bool
    limit_field: LimitField
    capabilities: frozenset[Capability] | None = None
    image_rule: str | None = None
    drawing_rule: str | None = None
    audio_tokens_per_second: int | None = None
    audio_as_text: bool = False


class _Written(_Strict):
    """profiles.yml as it is written: families refer to tokenizers and rules by name."""

    tokenizers: dict[str, _TokenizerParts]
    image_rules: dict[str, dict[str, object]]
    drawing_rules: dict[str, dict[str, object]] = {}
    families: list[_Family]

    def named_tokenizers(self) -> dict[str, Tokenizer]:
        return {name: Tokenizer(name, **dict(parts)) for name, parts in self.tokenizers.items()}

    def profile(self, family: _Family) -> Profile:
        rule, drawing = family.image_rule, family.drawing_rule
        return Profile(
            tokenizer=self.named_tokenizers()[family.tokenizer],
            context_window=family.context_window,
            max_output_tokens=family.max_output_tokens,
            hidden_output=family.hidden_output,
            limit_field=family.limit_field,
            capabilities=family.capabilities,
            image_rule=None if rule is None else read_image_rule(self.image_rules[rule]),
            audio_tokens_per_second=family.audio_tokens_per_second,
            audio_as_text=family.audio_as_text,
            drawing_rule=None
            if drawing is None
            else read_drawing_rule(self.drawing_rules[drawing]),
        )


def _pattern(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
