"""What may be spent, by whom, in which window of time."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from proxy.config.sections.base import NOT_SUPPORTED, Section, invalid, later
from proxy.config.sections.values import BudgetScope, Usd
from proxy.domain.money import Microcents


def _only_utc(value: object) -> object:
    if isinstance(value, str) and value != "UTC":
        raise invalid(f"another time zone than UTC is {NOT_SUPPORTED}")
    return value


class BudgetConfig(Section):
    """An allocation for one scope, or for each scope that a template matches."""

    later_keys: ClassVar[frozenset[str]] = frozenset({"per", "rolling", "rollover", "idle_ttl"})

    scope: BudgetScope
    """Whose budget it is: exactly these levels and no others. With `*` as the last value it
    is a template: each scope that matches gets a budget of its own, made by its first call."""

    allocated: Usd
    """What may be spent in one window. Only a change of this line moves the budget, by the
    difference, so that funds added by hand survive a restart."""

    unit: Annotated[Literal["USD_MICROCENTS"], later("TOKENS", "CREDITS", "RISK_POINTS")] = (
        "USD_MICROCENTS"
    )
    """What the budget counts."""

    period: Annotated[Literal["day", "month", "none"], later("hour", "week", "year")] = "none"
    """How long a window is. `day` and `month` follow the calendar; `none` is one window
    for ever. A scope may have one budget for each period; a call must fit them all."""

    timezone: Annotated[Literal["UTC"], BeforeValidator(_only_utc)] = "UTC"
    """Where the calendar is read."""

    overdraft_limit: Usd = Field(default=Microcents(0), json_schema_extra={"default": "$0.00"})
    """How far a settlement may take the budget into debt, with `settle.overage`
    ALLOW_WITH_OVERDRAFT. New calls never start on it. Zero also means that debt blocks."""

    status: Literal["active", "frozen", "closed"] = "active"
    """`frozen` and `closed` refuse new calls; calls in flight are settled all the same."""
