"""What changes in a call before any budget is asked, what may change to make it fit, and how
long it may wait for that."""

from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from proxy.config.sections.base import Accepts, Section, invalid, unique
from proxy.config.sections.conditions import USED_PCT_MAX, WhenConfig
from proxy.config.sections.values import ModelGlob, ModelName, Name, PolicyScope, ToolName

ModelMap = Annotated[
    dict[ModelGlob, ModelName],
    Field(min_length=1),
    Accepts("a map of model (or wildcard) to model", '{"gpt-4o": gpt-4o-mini}'),
]

Choice = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$"),
    Accepts("a word of the API that is called", "low"),
]
AskedChoice = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.*?-]{1,64}$"),
    Accepts(
        'a word of the API, with "*" and "?" as wildcards; unset for a call without one', "high"
    ),
]
ChoiceMap = Annotated[
    dict[AskedChoice, Choice],
    Field(min_length=1),
    Accepts("a map of what is asked for to what is sent", '{high: medium, "*": low}'),
]


_WORDS_MAX: Final = 500


def _is_denial(value: object) -> object:
    is_text = isinstance(value, str) and 1 <= len(value) <= _WORDS_MAX
    if value is None or isinstance(value, bool) or is_text:
        return value
    raise invalid(f"neither true nor a text of 1 to {_WORDS_MAX} characters")


Denial = bool | Annotated[str, StringConstraints(min_length=1, max_length=_WORDS_MAX)]


class CapsConfig(Section):
    """Ceilings on a call. A cap only takes away: the lower of asked and cap holds."""

    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, examples=[2000])
    """The most output tokens of one answer."""

    tool_allowlist: Annotated[tuple[ToolName, ...], Field(min_length=1)] | None = None
    """The only tools that may stay in the call."""

    tool_denylist: Annotated[tuple[ToolName, ...], Field(min_length=1)] | None = None
    """Tools that are taken out of the call."""

    max_steps_remaining: int | None = Field(default=None, ge=0, le=1_000_000, examples=[5])
    """How many calls a run (`X-Cycles-Run`) may still make, counted from the first one on that
    the policy (or its band) decides about; without a run, whoever calls, in a day (UTC). The
    next is refused with `steps_exhausted`. What is given back, an error say, does not count."""

    cooldown_ms: int | None = Field(default=None, ge=1, le=86_400_000, examples=[2000])
    """How long a run, or whoever calls without one, waits after a call before the next. One
    that comes earlier, or while another runs, is refused with `cooldown`."""

    @model_validator(mode="after")
    def _says_something_once(self) -> Self:
        if self.tool_allowlist is not None and self.tool_denylist is not None:
            raise invalid("without effect beside tool_allowlist", at=("tool_denylist",))
        if not self.model_fields_set:
            raise invalid("empty")
        return self


class EffectConfig(Section):
    """What is changed in a call."""

    caps: CapsConfig | None = None
    """Ceilings on the call."""

    models: ModelMap | None = None
    """Models that are replaced by others. An exact name goes before wildcards, of those the
    one with most other characters wins; a replacement is not replaced again."""

    reasoning_effort: ChoiceMap | None = None
    """How much thought is asked for instead, in the words of the API, by what the call asks
    for; `unset` is a call that says nothing, and applies to models that are known to reason.
    A budget for thought of Anthropic's is lowered to a share of the limit: a fifth for `low`,
    a half for `medium`, a tenth for `minimal`."""

    service_tier: ChoiceMap | None = None
    """Which service tier is asked for instead, by the one that the call asks for; `unset` is a
    call that names none. Anthropic's fast mode is the tier `fast`; mapped, it is left out."""

    n: int | None = Field(default=None, ge=1, le=128, examples=[1])
    """The most answers that one call may ask for (`n`, `best_of`)."""

    deny: Annotated[
        Denial | None,
        BeforeValidator(_is_denial),
        Accepts("true, or what the caller is told", "true"),
    ] = Field(default=None, examples=[True])
    """Whether the call is refused with `policy_denied`; a text is what the caller then reads."""

    def given(self) -> tuple[str, ...]:
        """The effects that are given."""
        return tuple(
            name for name in EffectConfig.model_fields if getattr(self, name) not in (None, False)
        )

    @model_validator(mode="after")
    def _denies_alone(self) -> Self:
        if self.deny:
            for name in self.given():
                if name != "deny":
                    raise invalid("without effect beside deny", at=(name,))
        return self


class _BandHead(Section):
    """When a band is reached."""

    used_pct: int = Field(ge=0, le=USED_PCT_MAX, examples=[80])
    """The percentage of the budget that is used up, by spend and debt, before this call.
    Of several budgets and windows under the policy's scope the most used one counts."""

    when: WhenConfig | None = None
    """What else has to hold for this band to be reached."""


class BandConfig(EffectConfig, _BandHead):
    """What happens from one degree of use on."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.given():
            raise invalid("neither caps nor models nor another effect: it would change nothing")
        return self


class _PolicyHead(Section):
    """Whose policy it is, and when it applies."""

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
    """Instead of bands: while this holds, the policy's own effects do. Without bands and
    `when` they always hold."""


class PolicyConfig(EffectConfig, _PolicyHead):
    """What a call may ask for, by scope, by the state of its budgets and by time.

    Its own effects hold always, or while `when` does; those of `bands` by what is used up.

    Of all policies that apply, one decides, and nothing is merged: the highest priority,
    then the scope with more levels (one scope before a template before a whole tree), then
    the first in the file. A policy applies when one of the call's scopes matches and a band
    is reached.
    """

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.bands is None:
            if not self.given():
                raise invalid("neither bands nor an effect: it would change nothing")
            return self
        for key in ("when", *self.given()):
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

    min_reasoning_tokens: int = Field(default=1024, ge=0, le=10_000_000)
    """What a model that thinks unseen is left for its thought beside the shortest answer, so
    that no limit of ours ends it before the answer begins. A policy's `max_tokens` goes below
    it where it says so. With Anthropic's thinking it is 1,024 at least."""

    note: bool = False
    """Whether a model is told, at the end of the conversation, that the budget is low and how
    many steps are left, while a policy decides about the call. It is counted like the rest of
    the prompt."""

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
