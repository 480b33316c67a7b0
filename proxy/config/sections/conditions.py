"""When a policy holds: what its budgets have to look like, and what time it has to be."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from proxy.config.sections.base import Accepts, Section, invalid
from proxy.config.sections.values import Amount, Duration, Timezone
from proxy.domain.policy import Bounds

USED_PCT_MAX: Final = 100_000
"""Debt can take what is used beyond 100."""

Percentage = Annotated[int, Field(ge=0, le=USED_PCT_MAX)]


def _check_bounds(section: "PctBoundsConfig | RemainingConfig") -> None:
    """At least one bound, and some amount within them."""
    lower = [each for each in (section.gte, section.gt) if each is not None]
    upper = [each for each in (section.lt, section.lte) if each is not None]
    if not lower and not upper:
        raise invalid("no bound: give gte, gt, lt or lte")
    if len(lower) > 1 or len(upper) > 1:
        raise invalid("two bounds on the same side: keep the stricter one")
    if lower and upper:
        least = lower[0] + (section.gt is not None)
        most = upper[0] - (section.lt is not None)
        if least > most:
            raise invalid("nothing is within these bounds")


class PctBoundsConfig(Section):
    """Where a percentage has to be; all that is given holds."""

    gte: Percentage | None = Field(default=None, examples=[80])
    """Greater than or equal to this percentage."""

    gt: Percentage | None = Field(default=None, examples=[80])
    """Greater than this percentage."""

    lt: Percentage | None = Field(default=None, examples=[20])
    """Less than this percentage."""

    lte: Percentage | None = Field(default=None, examples=[20])
    """Less than or equal to this percentage."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self)
        return self

    @property
    def bounds(self) -> Bounds:
        """As rules have them."""
        return Bounds(self.gte, self.gt, self.lt, self.lte)


class RemainingConfig(Section):
    """What has to be left of a budget; all that is given holds."""

    unit: Literal["USD_MICROCENTS", "TOKENS", "CALLS"] = "USD_MICROCENTS"
    """Which budgets are looked at."""

    gte: Amount | None = None
    """This much, or more."""

    gt: Amount | None = None
    """More than this."""

    lt: Amount | None = Field(default=None, examples=["$5.00"])
    """Less than this."""

    lte: Amount | None = None
    """This much, or less."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self)
        return self

    @property
    def bounds(self) -> Bounds:
        """As rules have them."""
        return Bounds(self.gte, self.gt, self.lt, self.lte)


class BurnRateConfig(Section):
    """How long a budget lasts at its rate."""

    exhausted_within: Duration
    """At the rate of its window so far (of a rolling one, of its whole length) some budget is
    empty within this time. The rate counts over no less than this time, so that the first
    calls of a window say nothing yet. A budget for ever has no rate."""


def _read_minute(value: object) -> int:
    written = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", value if type(value) is str else "")
    if written is None:
        raise invalid("not a time of the day")
    return int(written[1]) * 60 + int(written[2])


TimeOfDay = Annotated[
    int,
    PlainValidator(_read_minute),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
    Accepts("a time of the day, in quotes, as hours and minutes", '"22:00"'),
]
"""Minutes since midnight."""


class HoursConfig(Section):
    """A part of the day, over midnight where it ends before it begins."""

    after: TimeOfDay
    """When it begins."""

    before: TimeOfDay
    """When it has ended."""

    timezone: Timezone = "UTC"
    """Where the clock is read."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.after == self.before:
            raise invalid("ends when it begins")
        return self


class WhenConfig(Section):
    """A condition: all that is given has to hold.

    Each is asked of the worst of the budgets under the policy's scope: the most used, the one
    with the least left. A scope without a budget has used nothing, and has no end.
    """

    used_pct: PctBoundsConfig | None = None
    """The percentage of the budget that is used up, as in `bands`."""

    reserved_pct: PctBoundsConfig | None = None
    """The percentage of the budget that calls in flight hold."""

    remaining: RemainingConfig | None = None
    """What is left of the budget, after what calls in flight hold."""

    burn_rate: BurnRateConfig | None = None
    """How soon the budget is empty at the rate at which it is used."""

    window_elapsed_pct: PctBoundsConfig | None = None
    """Only budgets whose window has gone this far count: with `used_pct`, those that are used
    up too early. Budgets without a calendar do not count then."""

    hours: HoursConfig | None = None
    """The time of the day."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise invalid("empty: it would always hold")
        return self
