"""What the use of a tool costs, risks and is limited to, beside what its call is billed."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from proxy.config.sections.base import Accepts, Section, invalid
from proxy.config.sections.values import Usd

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
