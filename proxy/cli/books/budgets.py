"""`spendgate budgets`: see them, fund them, stop and start them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.books.naming import (
    ScopeType,
    period_name,
    period_option,
    read_amount,
    split_run,
    unit_option,
)
from proxy.cli.books.opened import ledger_option, operator, with_ledger
from proxy.cli.books.tables import show_balances, show_leaving, show_reservations
from proxy.cli.output import json_option, print_json, say_no

if TYPE_CHECKING:
    from proxy.cli.books.rolling import Leaving
    from proxy.domain.money import Unit
    from proxy.domain.period import Period
    from proxy.domain.scope import Scope
    from proxy.ledger.records import Balance, BudgetStatus
    from proxy.opening import Home

_OPERATIONS = ("credit", "debit", "reset", "reset-spent", "repay-debt")
_RESETS = ("reset", "reset-spent")


@click.group("budgets")
def budgets_group() -> None:
    """See budgets and change them.

    Works while the proxy runs.

    \b
    spendgate budgets list -c config.yaml
    spendgate budgets fund tenant:dev/agent:bot 5.00 -c config.yaml
    """


@budgets_group.command("list")
@unit_option
@ledger_option
@json_option
def list_command(unit: "Unit | None", config_file: Path | None, as_json: bool) -> None:
    """Show every budget in its current window.

    A budget whose line was taken out of the configuration is shown as not declared. It still
    limits, as it did before: put its line back with another amount, or fund it.

    \b
    spendgate budgets list -c config.yaml
    spendgate budgets list --unit TOKENS -c config.yaml --json
    """
    balances = with_ledger(config_file, lambda ledger: ledger.all_balances())
    _show([balance for balance in balances if unit in (None, balance.unit)], as_json)


@budgets_group.command("show")
@click.argument("scope", type=ScopeType())
@unit_option
@period_option
@ledger_option
@json_option
def show_command(
    scope: "Scope",
    unit: "Unit | None",
    period: "Period | None",
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Show the budgets of one SCOPE, one for each unit and kind of window.

    Of a rolling window it also says what leaves it, and when.

    \b
    spendgate budgets show tenant:dev/agent:bot -c config.yaml
    spendgate budgets show tenant:dev/run:7 -c config.yaml
    """

    async def work(ledger: "Home") -> "list[tuple[Balance, list[Leaving]]]":
        found = await _budgets_of(ledger, scope, unit, period)
        return [(balance, await _leaving(ledger, balance)) for balance in found]

    found = with_ledger(config_file, work)
    if not found:
        say_no(f"there is no such budget of {scope}")
    _show([balance for balance, _ in found], as_json)
    if not as_json:
        for balance, leaving in found:
            show_leaving(balance, leaving)


# An amount with a minus is no option, and has an answer of its own.
@budgets_group.command("fund", context_settings={"ignore_unknown_options": True})
@click.argument("scope", type=ScopeType())
@click.argument("amount")
@click.option(
    "--operation",
    type=click.Choice(_OPERATIONS),
    default="credit",
    show_default=True,
    help="reset makes AMOUNT the allocation, reset-spent also forgets what was spent.",
)
@click.option("--spent", metavar="AMOUNT", help="With reset-spent: what was spent. Default: 0.")
@click.option("--key", help="Saying it again with the same key does it once.")
@unit_option
@period_option
@ledger_option
@json_option
def fund_command(
    scope: "Scope",
    amount: str,
    operation: str,
    spent: str | None,
    key: str | None,
    unit: "Unit | None",
    period: "Period | None",
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Change what the current window of SCOPE may spend.

    AMOUNT is US dollars, or a whole number for a budget in another unit. credit adds it, debit
    takes it away (no more than remains), repay-debt pays debt with it and adds the rest. What
    adds repays debt first. It stays on top of what the configuration allocates, until the window
    ends.

    \b
    spendgate budgets fund tenant:dev 5.00 -c config.yaml
    spendgate budgets fund tenant:dev 1.50 --operation debit --period month -c config.yaml
    spendgate budgets fund tenant:dev/run:7 50000 --unit TOKENS -c config.yaml
    """
    from proxy.ledger.records import BudgetName, FundOperation

    if spent is not None and operation != "reset-spent":
        raise click.UsageError("--spent goes with --operation reset-spent.")

    async def work(ledger: "Home") -> "Balance":
        budget = await _chosen(ledger, scope, unit, period)
        return await ledger.fund(
            BudgetName(budget.scope, budget.unit, budget.period),
            FundOperation(operation.upper().replace("-", "_")),
            _amount(amount, budget.unit, "AMOUNT", may_be_zero=operation in _RESETS),
            actor=operator(),
            spent=_amount(spent or "0", budget.unit, "--spent", may_be_zero=True),
            key=key,
        )

    _show([with_ledger(config_file, work)], as_json)


def _amount(text: str, unit: "Unit", hint: str, *, may_be_zero: bool) -> int:
    try:
        amount = read_amount(text, unit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=hint) from None
    if amount < 0:
        raise click.BadParameter("negative: take away with --operation debit", param_hint=hint)
    if amount == 0 and not may_be_zero:
        raise click.BadParameter("nothing to do", param_hint=hint)
    return amount


@budgets_group.command("freeze")
@click.argument("scope", type=ScopeType())
@unit_option
@ledger_option
@json_option
def freeze_command(
    scope: "Scope", unit: "Unit | None", config_file: Path | None, as_json: bool
) -> None:
    """Stop new calls on SCOPE and below, and list the open ones.

    Calls in flight are settled all the same. Without --unit the budgets in all units are frozen.

    \b
    spendgate budgets freeze tenant:dev/agent:bot -c config.yaml
    """
    from proxy.ledger.records import BudgetStatus

    _set_status(scope, unit, BudgetStatus.FROZEN, config_file, as_json)
    if not as_json:
        _show_open(scope, config_file)


@budgets_group.command("unfreeze")
@click.argument("scope", type=ScopeType())
@unit_option
@ledger_option
@json_option
def unfreeze_command(
    scope: "Scope", unit: "Unit | None", config_file: Path | None, as_json: bool
) -> None:
    """Let calls on SCOPE spend again.

    \b
    spendgate budgets unfreeze tenant:dev/agent:bot -c config.yaml
    """
    from proxy.ledger.records import BudgetStatus

    _set_status(scope, unit, BudgetStatus.ACTIVE, config_file, as_json)


async def _budgets_of(
    ledger: "Home", scope: "Scope", unit: "Unit | None", period: "Period | None"
) -> "list[Balance]":
    """The budgets of a scope, also those that a template makes with the first call."""
    from proxy.domain.money import Unit

    found = await ledger.balances([scope], *(Unit if unit is None else (unit,)))
    return [balance for balance in found if period in (None, balance.period)]


async def _leaving(ledger: "Home", balance: "Balance") -> "list[Leaving]":
    from proxy.cli.books.rolling import read_leaving
    from proxy.domain.clock import SystemClock

    if not balance.period.rolling_ms:
        return []
    return await read_leaving(ledger, balance, now_ms=SystemClock().now_ms())


async def _chosen(
    ledger: "Home", scope: "Scope", unit: "Unit | None", period: "Period | None"
) -> "Balance":
    """The one budget that is meant."""
    from proxy.domain.errors import Reason, Refused

    found = await _budgets_of(ledger, scope, unit, period)
    if not found:
        raise Refused(Reason.BUDGET_NOT_FOUND, f"There is no such budget of {scope}.")
    if len(found) > 1:
        options = (f"--unit {b.unit} --period {period_name(b.period)}" for b in found)
        raise click.UsageError(
            f"{scope} has several budgets: choose one with {' or '.join(options)}."
        )
    return found[0]


def _set_status(
    scope: "Scope",
    unit: "Unit | None",
    status: "BudgetStatus",
    config_file: Path | None,
    as_json: bool,
) -> None:
    _show(
        with_ledger(
            config_file, lambda ledger: ledger.set_status(scope, unit, status, actor=operator())
        ),
        as_json,
    )


def _show_open(scope: "Scope", config_file: Path | None) -> None:
    """What still runs: nothing new comes after it."""
    from proxy.cli.books.reservations import find
    from proxy.domain.reservation import OPEN

    found = with_ledger(config_file, lambda ledger: find(ledger, OPEN, limit=None, scope=scope))
    path, run = split_run(scope)
    where = path if run is None else f"{path} in run {run}"
    click.echo(f"\nOpen at or below {where}: {len(found) or 'none'}")
    if found:
        show_reservations(found)


def _show(balances: "Sequence[Balance]", as_json: bool) -> None:
    from proxy.cli.books.wire import balance_object

    if as_json:
        print_json([balance_object(balance) for balance in balances])
    else:
        show_balances(balances)
