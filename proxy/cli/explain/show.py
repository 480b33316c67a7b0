"""A forecast by who decides: the budgets, the policies and why, the rungs, the decision."""

from typing import Final

from rich.console import Console

from proxy.cli.books.naming import duration_name, period_name
from proxy.cli.books.tables import moment
from proxy.cli.estimate.forecast import Forecast
from proxy.cli.estimate.show import says_of, show_decision, show_plan, show_tools, wish_of
from proxy.cli.output import new_table, open_console
from proxy.domain.clock import SystemClock
from proxy.domain.money import written
from proxy.ledger.records import Balance
from proxy.policies import OTHER_SCOPE, Consideration
from proxy.policies.conditions import time_left_ms

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


def show_explanation(found: Forecast) -> None:
    """Each thing that has a say, in the order in which a call meets them."""
    console = open_console()
    console.print(f"{found.request.model}, called by {found.scopes[-1]}")
    _show_policies(console, found)
    show_tools(console, found)
    show_plan(console, found)
    _show_budgets(console, found)
    show_decision(console, found)


def _show_policies(console: Console, found: Forecast) -> None:
    if not found.considered:
        console.print("\nPolicies: none")
        return
    table = new_table("policy", ">priority", ">used", "says", title="\nPolicies, as they are asked")
    is_decided = False
    for each in found.considered:
        decides = each.unmet is None and not is_decided
        is_decided = is_decided or decides
        says = f"decides: {wish_of(found)}" if decides else why_not(each)
        table.add_row(each.policy, str(each.priority), f"{each.used_pct}%", says)
    console.print(table)


def why_not(each: Consideration) -> str:
    """Why a policy does not decide."""
    if each.unmet is None:
        return "would hold, and another goes before it"
    if each.unmet == OTHER_SCOPE:
        return "is for other scopes"
    return f"does not hold: {each.unmet}"


def _show_budgets(console: Console, found: Forecast) -> None:
    source = "from the ledger" if found.from_ledger else "as declared: there is no ledger yet"
    headings = ("scope", "period", ">allocated", ">used", ">in flight", ">headroom", ">lasts")
    table = new_table(*headings, "until", "says", title=f"\nBudgets, {source}")
    now_ms = SystemClock().now_ms()
    for each in found.by_scope:
        balance = each.balance
        table.add_row(
            balance.scope,
            period_name(balance.period),
            written(balance.allocated, balance.unit),
            f"{balance.used_pct}%",
            written(balance.reserved, balance.unit),
            written(balance.remaining, balance.unit),
            _lasts(balance, now_ms),
            _until(balance),
            says_of(each),
        )
    if found.by_scope:
        console.print(table)


def _lasts(balance: Balance, now_ms: int) -> str:
    """At the rate at which its window was used so far: rounded, from two hours and days on."""
    left_ms = time_left_ms(balance, now_ms)
    if left_ms is None:
        return ""
    coarse_ms = next((unit for unit in (_DAY_MS, _HOUR_MS) if left_ms >= 2 * unit), 1)
    return duration_name(left_ms - left_ms % coarse_ms)


def _until(balance: Balance) -> str:
    ends_ms = balance.window_end_ms
    return moment(ends_ms, balance.period) if ends_ms is not None else ""
