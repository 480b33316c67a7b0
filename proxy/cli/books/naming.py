"""How operators name budgets, windows and amounts: as the configuration does."""

from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from proxy.domain.money import Unit
    from proxy.domain.period import Period
    from proxy.domain.scope import Scope

_RUN: Final = "/run:"
_ROLLING: Final = "rolling:"
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


class ScopeType(click.ParamType["Scope"]):
    """One scope, as `tenant:dev/agent:bot`, or a run in it, as `tenant:dev/run:7`."""

    name = "scope"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Scope":
        from proxy.domain.scope import Scope, encode_value, parse_pattern

        path, slash, run = str(value).partition(_RUN)
        try:
            pattern = parse_pattern(path, subtree=False)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if pattern.is_template or run == "*":
            self.fail("a template has no budget of its own: name one scope", param, ctx)
        if slash and not run:
            self.fail("which run? write run:NAME", param, ctx)
        return Scope(f"{pattern.text}{_RUN}{encode_value(run)}" if slash else pattern.text)


class TenantType(click.ParamType[str]):
    """One tenant, as its scope names it; `tenant:dev` is understood as well."""

    name = "tenant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from proxy.domain.scope import parse_pattern

        text = str(value).removeprefix("tenant:")
        try:
            pattern = parse_pattern(f"tenant:{text}", subtree=False)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if pattern.is_template or "/" in pattern.text:
            self.fail("name one tenant", param, ctx)
        return pattern.text.removeprefix("tenant:")


def split_run(scope: "Scope") -> "tuple[Scope, str | None]":
    """The scope without its run, and the run."""
    from proxy.domain.scope import Scope

    path, slash, run = scope.partition(_RUN)
    return Scope(path), run if slash else None


class PeriodType(click.ParamType["Period"]):
    """A kind of window: `day`, `month@Europe/Berlin`, `rolling:24h`, `none`."""

    name = "period"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Period":
        from pydantic_core import PydanticCustomError

        from proxy.config.sections.values import read_duration
        from proxy.domain.period import Period, Step

        text = str(value)
        try:
            if text == "none":
                return Period.LIFETIME
            if text.startswith(_ROLLING):
                return Period(Step.ROLLING, rolling_ms=read_duration(text.removeprefix(_ROLLING)))
            step, _, timezone = text.partition("@")
            if step not in (Step.LIFETIME, Step.ROLLING):
                return Period(Step(step), timezone or "UTC")
        except (ValueError, PydanticCustomError):
            pass
        self.fail(
            "write hour, day, week, month or year (with @Europe/Berlin for another time zone "
            "than UTC), rolling:24h or none",
            param,
            ctx,
        )


def period_name(period: "Period") -> str:
    """The kind of window as `--period` takes it."""
    from proxy.domain.period import Step

    match period.step:
        case Step.LIFETIME:
            return "none"
        case Step.ROLLING:
            return f"{_ROLLING}{duration_name(period.rolling_ms)}"
        case _:
            return str(period)


def duration_name(duration_ms: int) -> str:
    """Whole days from two on, else hours, else minutes, as configuration writes them."""
    if duration_ms % _DAY_MS == 0 and duration_ms > _DAY_MS:
        return f"{duration_ms // _DAY_MS}d"
    if duration_ms % _HOUR_MS == 0:
        return f"{duration_ms // _HOUR_MS}h"
    return f"{duration_ms // _MINUTE_MS}m"


class UnitType(click.ParamType["Unit"]):
    """What a budget counts: `TOKENS`; USD is USD_MICROCENTS."""

    name = "unit"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Unit":
        from proxy.domain.money import Unit

        named = str(value).upper()
        try:
            return Unit.USD_MICROCENTS if named == "USD" else Unit(named)
        except ValueError:
            self.fail("write USD, TOKENS, CREDITS, RISK_POINTS or CALLS", param, ctx)


class DollarsType(click.ParamType[int]):
    """An amount of US dollars, as microcents: `5`, `5.00`, `'$5.00'`."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return read_dollars(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read_amount(text: str, unit: "Unit") -> int:
    """An amount in the unit: dollars as people write them, else a whole number.

    Raises:
        ValueError: it is none.
    """
    from proxy.domain.money import Unit

    if unit is Unit.USD_MICROCENTS:
        return read_dollars(text)
    digits = text.strip().replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"not an amount of {unit}: write a whole number")
    return int(digits)


def read_dollars(text: str) -> int:
    """Dollars as microcents: `5`, `5.00`, `$5.00`, `5.00 USD`.

    Raises:
        ValueError: it is no amount.
    """
    from proxy.domain.money import parse_usd

    bare = text.strip()
    if "$" not in bare and "USD" not in bare:
        bare = f"-${bare[1:]}" if bare.startswith("-") else f"${bare}"
    try:
        return parse_usd(bare)
    except ValueError:
        raise ValueError(
            "not an amount of US dollars: write 5.00 (a shell takes $5 out of '$5.00' "
            "unless it is quoted)"
        ) from None


unit_option = click.option(
    "--unit", type=UnitType(), metavar="UNIT", help="USD, TOKENS, CREDITS, RISK_POINTS or CALLS."
)
period_option = click.option(
    "--period",
    type=PeriodType(),
    metavar="PERIOD",
    help="day, month@Europe/Berlin, rolling:24h, none: as `budgets list` shows it.",
)
