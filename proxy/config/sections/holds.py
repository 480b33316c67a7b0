"""What is held for a call beside the worst case of its model: less for answers that are likely
to be shorter, and something for the tools that it may use."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from proxy.config.sections.base import Accepts, Section, invalid
from proxy.config.sections.values import Usd


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


ToolGlob = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.*?-]{1,128}$"),
    Accepts(
        'the name of a function or custom tool, or a built-in\'s type; "*" stands for any '
        'characters and "?" for one',
        '"delete_*"',
    ),
]
"""Tools by name or by wildcard, as caps name them."""

RISK_POINTS_MAX = 1_000_000


class ToolConfig(Section):
    """What the use of a tool counts for, whoever runs it. Of several entries that match a tool
    the first holds ([semantics.md](semantics.md#tools-as-actions))."""

    name: ToolGlob
    """Which tools it is about."""

    fee: Usd | None = Field(default=None, examples=["$0.01"])
    """What one call of the tool costs beside the tokens: held once for each answer while the
    call offers the tool, charged for each call that an answer makes. No multiplier applies."""

    risk_points: int = Field(default=0, ge=0, le=RISK_POINTS_MAX, examples=[5])
    """What one call of the tool takes of budgets in RISK_POINTS. A call that such a budget has
    too few points for leaves without the tool."""

    max_calls_per_run: int | None = Field(default=None, ge=1, le=1_000_000, examples=[3])
    """How often a run (`X-Cycles-Run`) may call the tool, all proxies of a ledger together,
    counted from the answers seen. Then the tool leaves the calls of the run. Calls without a
    run are not counted."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.fee and not self.risk_points and self.max_calls_per_run is None:
            raise invalid("neither a fee nor risk_points nor max_calls_per_run: without effect")
        return self
