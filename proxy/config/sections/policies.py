"""What changes in a call before any budget is asked, what may change to make it fit, and how
long it may wait for that."""

from typing import Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from proxy.config.sections.base import Accepts, Section, invalid, unique
from proxy.config.sections.values import ModelGlob, ModelName, Name, PolicyScope, ToolName

_USED_PCT_MAX: Final = 100_000
"""Debt can take what is used beyond 100."""

ModelMap = Annotated[
    dict[ModelGlob, ModelName],
    Field(min_length=1),
    Accepts("a map of model (or wildcard) to model", '{"gpt-4o": gpt-4o-mini}'),
]


class CapsConfig(Section):
    """Ceilings on a call. A cap only takes away: the lower of asked and cap holds."""

    later_keys: ClassVar[frozenset[str]] = frozenset({"max_steps_remaining", "cooldown_ms"})

    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, examples=[2000])
    """The most output tokens of one answer."""

    tool_allowlist: Annotated[tuple[ToolName, ...], Field(min_length=1)] | None = None
    """The only tools that may stay in the call."""

    tool_denylist: Annotated[tuple[ToolName, ...], Field(min_length=1)] | None = None
    """Tools that are taken out of the call."""

    @model_validator(mode="after")
    def _says_something_once(self) -> Self:
        if self.tool_allowlist is not None and self.tool_denylist is not None:
            raise invalid("without effect beside tool_allowlist", at=("tool_denylist",))
        if not self.model_fields_set:
            raise invalid("empty")
        return self


class BandConfig(Section):
    """What happens from one degree of use on."""

    used_pct: int = Field(ge=0, le=_USED_PCT_MAX, examples=[80])
    """The percentage of the budget that is used up, by spend and debt, before this call.
    Of several budgets and windows under the policy's scope the most used one counts."""

    caps: CapsConfig | None = None
    """Ceilings on the call."""

    models: ModelMap | None = None
    """Models that are replaced by others. An exact name goes before wildcards, of those the
    one with most other characters wins; a replacement is not replaced again."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.caps is None and self.models is None:
            raise invalid("neither caps nor models: it would change nothing")
        return self


class AtLeastConfig(Section):
    """A lower bound."""

    later_keys: ClassVar[frozenset[str]] = frozenset({"gt", "lt", "lte"})

    gte: int = Field(ge=0, le=_USED_PCT_MAX, examples=[80])
    """Greater than or equal to this percentage."""


class WhenConfig(Section):
    """The condition of a policy that has one band only."""

    later_keys: ClassVar[frozenset[str]] = frozenset({"reserved_pct"})

    used_pct: AtLeastConfig
    """The percentage of the budget that is used up, as in `bands`."""


class PolicyConfig(Section):
    """What a call may ask for, by scope and by how much is used up.

    Of all policies that apply, one decides, and nothing is merged: the highest priority,
    then the scope with more levels (one scope before a template before a whole tree), then
    the first in the file. A policy applies when one of the call's scopes matches and a band
    is reached.
    """

    name: Name
    """What logs call it."""

    scope: PolicyScope
    """The scopes it applies to."""

    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    """Higher goes first."""

    bands: (
        Annotated[tuple[BandConfig, ...], Field(min_length=1), AfterValidator(unique("used_pct"))]
        | None
    ) = None
    """Degrees of use; the highest one reached holds, whatever their order."""

    when: WhenConfig | None = None
    """Instead of bands: from when on the policy's own `caps` and `models` hold. Without
    bands and `when` they always hold."""

    caps: CapsConfig | None = None
    """Ceilings on the call. Only without `bands`."""

    models: ModelMap | None = None
    """Models that are replaced by others, as in a band. Only without `bands`."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.bands is None:
            if self.caps is None and self.models is None:
                raise invalid("neither bands nor caps nor models: it would change nothing")
            return self
        for key in ("when", "caps", "models"):
            if getattr(self, key) is not None:
                raise invalid("beside bands: put it into a band", at=(key,))
        return self


def _one_model_is_a_chain(value: object) -> object:
    return (value,) if isinstance(value, str) else value


ModelChain = Annotated[
    tuple[ModelName, ...],
    Field(min_length=1),
    AfterValidator(unique()),
    BeforeValidator(_one_model_is_a_chain),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Accepts("a model, or a list of models in the order to try", "[gpt-4o-mini]"),
]


def _check_chains(chains: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for model, chain in chains.items():
        if model in chain:
            raise invalid("a model cannot stand in for itself", at=(model,))
    return chains


class DegradeConfig(Section):
    """What may change in a call that does not fit its budgets as it is."""

    shorten: bool = True
    """Whether the answer may be limited to what is affordable. `false` makes a call that
    does not fit as it was asked for a refusal, with no fallback models either."""

    min_output_tokens: int = Field(default=256, ge=1, le=10_000_000)
    """The shortest answer worth having: a call is never limited below it."""

    max_share_pct: int = Field(default=50, ge=1, le=100)
    """The largest share of what remains in the tightest budget that a shortened call may
    take, unless the shortest answer needs more. So one call cannot starve the rest."""

    fallback_models: Annotated[
        dict[ModelName, ModelChain],
        AfterValidator(_check_chains),
        Accepts(
            "a map of model to a model or a list of models",
            '{"gpt-4o": [gpt-4o-mini]}',
        ),
    ] = Field(default_factory=dict)
    """Models to try, in this order, where the one asked for does not fit. A model is never
    swapped unless it stands here or in a policy."""


class QueueConfig(Section):
    """Whether a call waits for budgets that are busy: that have room as soon as calls in
    flight have settled."""

    max_wait_ms: int = Field(default=0, ge=0, le=3_600_000)
    """How long such a call may stand in line for its turn, first come, first served. 0: it is
    refused at once, with a time to come back. Callers have timeouts of their own."""

    max_length: int = Field(default=100, ge=1, le=100_000)
    """How many calls may stand in line, for all budgets together. The next is refused at
    once. They count among `limits.max_connections`."""
