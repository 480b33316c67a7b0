"""What may be spent, by whom, in which window of time."""

from typing import Any, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from proxy.config.sections.base import Section, invalid
from proxy.config.sections.values import Amount, BudgetScope, Duration, Timezone
from proxy.domain.money import MICROCENTS_PER_CENT, Unit
from proxy.domain.period import Period, Step
from proxy.domain.scope import ScopePattern

_AMOUNTS: Final = ("allocated", "overdraft_limit", "rollover")


def _amounts_by_unit(schema: dict[str, Any]) -> None:
    """What an amount may be depends on the unit; without one it is money."""
    money = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": MICROCENTS_PER_CENT}]}
    counted = {"type": "integer", "minimum": 0}
    other_units = [unit.value for unit in Unit if unit is not Unit.USD_MICROCENTS]
    schema["if"] = {"required": ["unit"], "properties": {"unit": {"enum": other_units}}}
    schema["then"] = {"properties": dict.fromkeys(_AMOUNTS, counted)}
    schema["else"] = {"properties": dict.fromkeys(_AMOUNTS, money)}


class BudgetConfig(Section):
    """An allocation for one scope, or for each scope that a template matches.

    A scope may have any number of budgets, one for each unit and kind of window; a call must
    fit them all. Calls of this proxy are held and charged in US dollars and in tokens, and
    counted. CREDITS limit clients of the authority alone; RISK_POINTS limit those, and the tools
    of calls.
    """

    model_config = ConfigDict(json_schema_extra=_amounts_by_unit)

    scope: BudgetScope
    """Whose budget it is: exactly these levels and no others. With `*` as a value it is a
    template: each scope that matches gets a budget of its own, made by its first call. `**`
    stands for any levels between two others, or none. Where several lines would make the same
    budget, a line for just that scope goes first, then the template that spells out more."""

    per: Literal["run"] | None = None
    """`run`: a budget of its own for each run (`X-Cycles-Run`) under the scope, beside the
    budget of the scope itself. Only calls that name a run are held to it."""

    unit: Literal["USD_MICROCENTS", "TOKENS", "CREDITS", "RISK_POINTS", "CALLS"] = "USD_MICROCENTS"
    """What the budget counts. `TOKENS` are those that went in and those that came out, as the
    provider counts them. `CALLS` are requests that were sent, attempts and all; with `per: run`
    the steps that a run may make, with `rolling` how fast. They limit calls beside a budget in
    dollars or tokens, and pay for none alone."""

    allocated: Amount
    """What may be spent in one window. Only a change of this line moves the budget, by the
    difference, so that funds added by hand survive a restart."""

    period: Literal["hour", "day", "week", "month", "year", "none"] = "none"
    """How long a window is. Hours, days, weeks (from Monday), months and years follow the
    calendar; `none` is one window for ever."""

    timezone: Timezone = "UTC"
    """Where the calendar is read. Days with a change of the clock are shorter or longer."""

    rolling: Duration | None = None
    """Instead of `period`: what was spent counts for so long, from the moment it was spent. It
    leaves in sixtieths of that time."""

    rollover: Amount = Field(default=0, json_schema_extra={"default": "$0.00"})
    """How much of what a window leaves goes on to the next one, at most."""

    overdraft_limit: Amount = Field(default=0, json_schema_extra={"default": "$0.00"})
    """How far a settlement may take the budget into debt, with `settle.overage`
    ALLOW_WITH_OVERDRAFT. New calls never start on it. Zero also means that debt blocks."""

    idle_ttl: Duration | None = None
    """For templates and runs: a budget that holds nothing, owes nothing and was not used for
    so long goes, and makes room under `templates_max`. Whoever comes next has a new one, with
    nothing spent. Null: it stays."""

    status: Literal["active", "frozen", "closed"] = "active"
    """`frozen` and `closed` refuse new calls; calls in flight are settled all the same."""

    @property
    def pattern(self) -> ScopePattern:
        """The scopes whose budget it is; runs stand below theirs."""
        return self.scope.per_run() if self.per is not None else self.scope

    @property
    def window(self) -> Period:
        """The kind of window that `allocated` is for."""
        if self.rolling is not None:
            return Period(Step.ROLLING, rolling_ms=self.rolling)
        if self.period == "none":
            return Period.LIFETIME
        return Period(Step(self.period), self.timezone)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.rolling is not None and "period" in self.model_fields_set:
            raise invalid("beside period: a window is the one or the other", at=("rolling",))
        if self.period == "none":
            needless = {"timezone": self.timezone != "UTC", "rollover": self.rollover != 0}
            for key, is_given in needless.items():
                if is_given:
                    problem = "without effect: no calendar ends a window of this budget"
                    raise invalid(problem, at=(key,))
        if self.idle_ttl is not None and not self.pattern.is_template:
            raise invalid("only budgets that a template makes can go", at=("idle_ttl",))
        return self
