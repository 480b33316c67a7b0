"""Budgets and holds as tables for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from proxy.cli.books.naming import duration_name, period_name
from proxy.cli.output import new_table, open_console

if TYPE_CHECKING:
    from proxy.cli.books.rolling import Leaving
    from proxy.domain.money import Unit
    from proxy.domain.period import Period
    from proxy.ledger.records import Balance, Reservation, TenantStatus


def show_balances(balances: "Iterable[Balance]") -> None:
    """One row for each budget, in the window it is in."""
    from proxy.domain.money import written

    table = new_table(
        "scope", "period", ">allocated", ">spent", ">reserved", ">remaining", ">used", "status"
    )
    for balance in balances:
        amounts = (balance.allocated, balance.spent, balance.reserved, balance.remaining)
        table.add_row(
            balance.scope,
            period_name(balance.period),
            *(written(amount, balance.unit) for amount in amounts),
            f"{balance.used_pct}%",
            "; ".join(_standing(balance)),
        )
    if table.row_count:
        open_console().print(table)
    else:
        click.echo("no budgets")


def show_tenants(standings: "Iterable[tuple[str, TenantStatus]]") -> None:
    """One row for each tenant."""
    table = new_table("tenant", "status")
    for tenant, status in standings:
        table.add_row(tenant, status.lower())
    if table.row_count:
        open_console().print(table)
    else:
        click.echo("no tenants")


def _standing(balance: "Balance") -> list[str]:
    """What else is to be said of a budget."""
    from proxy.domain.money import written

    said = [balance.status.lower()]
    for what, amount in (
        ("debt", balance.debt),
        ("uncertain", balance.uncertain),
        ("uncovered", balance.uncovered),
        ("overdraft limit", balance.overdraft_limit),
    ):
        if amount:
            said.append(f"{what} {written(amount, balance.unit)}")
    if balance.is_over_limit:
        said.append("over its limit")
    if not balance.declared:
        said.append("not declared any more, and still limits")
    if balance.window_end_ms is not None:
        said.append(f"resets {moment(balance.window_end_ms, balance.period)}")
    if balance.period.rolling_ms:
        said.append(f"spend counts for {duration_name(balance.period.rolling_ms)}")
    return said


def moment(at_ms: int, period: "Period") -> str:
    """The moment on the clocks of the budget's time zone: `2026-12-01T00:00:00+01:00`."""
    from proxy.domain.period import iso

    if period.timezone == "UTC":
        return iso(at_ms)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_ms // 1000)
    return at.astimezone(ZoneInfo(period.timezone)).isoformat()


def show_leaving(balance: "Balance", leaving: "Sequence[Leaving]") -> None:
    """What counts in a rolling window, and when it will not any more."""
    from proxy.domain.money import written

    if not leaving:
        return
    click.echo(f"\nWhat counts in {balance.scope} {period_name(balance.period)}:")
    table = new_table("leaves by", ">amount")
    for each in leaving:
        table.add_row(moment(each.by_ms, balance.period), written(each.amount, balance.unit))
    open_console().print(table)


def show_reservations(reservations: "Sequence[Reservation]") -> None:
    """One row for each hold."""
    from proxy.domain.period import iso

    table = new_table("id", "state", "scope", "action", ">held", ">charged", "made at")
    for each in reservations:
        table.add_row(
            each.reservation_id,
            each.state,
            each.scope_path,
            each.action_name,
            amounts(each.amounts),
            "" if each.charged is None else amounts(each.charged),
            iso(each.created_at_ms),
        )
    open_console().print(table)


def amounts(by_unit: "Mapping[Unit, int]") -> str:
    """Amounts in several units, side by side: `$0.0421, 812 TOKENS`."""
    from proxy.domain.money import written

    return ", ".join(written(amount, unit) for unit, amount in by_unit.items())
