"""How much is held for answers that are likely to be shorter than they may be."""

from pydantic import Field

from proxy.config.sections.base import Section


class LearningConfig(Section):
    """What `hold: learned` concludes from past answers.

    They are remembered by model, API and scope of who asks, in the memory of this proxy: after
    a start, holds are for the worst case until enough answers came.
    """

    quantile_pct: int = Field(default=95, ge=1, le=100)
    """The share of past answers that were no longer than what is held for. The streams of the
    others ask for more."""

    margin_pct: int = Field(default=25, ge=0, le=1_000)
    """What is added to that length."""

    answers_min: int = Field(default=20, ge=1, le=200)
    """How many answers have to be known. Of each kind the last 200 count."""

    lookahead_tokens: int = Field(default=256, ge=1, le=100_000)
    """How many output tokens the hold of a stream stays ahead of what came: what an upstream
    may generate while more is asked for, and until it hears that a stream was cut."""
