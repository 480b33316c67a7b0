"""`spendgate budgets`: see them, fund them, stop and start them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli.books.opened import ledger_option, operator, with_ledger
from proxy.cli.output import json_option, new_table, open_console, print_json, say_no

if TYPE_CHECKING:
    from proxy.domain.scope import Scope
    from proxy.ledger.protocol import Balance, BudgetStatus
    from proxy.ledger.sqlite.ledger import SqliteLedger

_PERIODS = {"day": "day", "month": "month", "none": "lifetime"}
"""A period as configuration writes it, and as the ledger calls it."""


class ScopeType(click.ParamType["Scope"]):
    """One scope, as `tenant:dev/agent:bot`."""

    name = "scope"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Scope":
        from proxy.domain.scope import Scope, parse_pattern

        try:
            pattern = parse_pattern(value, subtree=False)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if pattern.is_template:
            self.fail("a template has no budget of its own: name one scope", param, ctx)
        return Scope(pattern.text)


class DollarsType(click.ParamType[int]):
    """An amount of US dollars, as microcents: `5`, `5.00`, `'$5.00'`, `-1.50`."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from proxy.domain.money import parse_usd

        bare = str(value).strip()
        if "$" not in bare and "USD" not in bare:
            bare = f"-${bare[1:]}" if bare.startswith("-") else f"${bare}"
        try:
            return parse_usd(bare)
        except ValueError:
            self.fail(
                "not an amount of US dollars: write 5.00 (a shell takes $5 out of '$5.00' "
                "unless it is quoted)",
                param,
                ctx,
            )


@click.group("budgets")
def budgets_group() -> None:
    """See budgets and change them.

    Works while the proxy runs.

    \b
    spendgate budgets list -c config.yaml
    spendgate budgets fund tenant:dev/agent:bot 5.00 -c config.yaml
    """


@budgets_group.command("list")
@ledger_option
@json_option
def list_command(config_file: Path | None, as_json: bool) -> None:
    """Show every budget in its current window.

    A budget whose line was taken out of the configuration is shown as not declared. It still
    limits, as it did before: put its line back with another amount, or fund it.

    \b
    spendgate budgets list -c config.yaml
    spendgate budgets list -c config.yaml --json
    """
    _show(with_ledger(config_file, lambda ledger: ledger.all_balances()), as_json=as_json)


@budgets_group.command("show")
@click.argument("scope", type=ScopeType())
@ledger_option
@json_option
def show_command(scope: "Scope", config_file: Path | None, as_json: bool) -> None:
    """Show the budgets of one SCOPE, one for each period.

    \b
    spendgate budgets show tenant:dev/agent:bot -c config.yaml
    """
    found = with_ledger(config_file, lambda ledger: _budgets_of(ledger, scope))
    if not found:
        say_no(f"there is no budget of {scope}")
    _show(found, as_json=as_json)


# An amount may begin with a minus, which is no option.
@budgets_group.command("fund", context_settings={"ignore_unknown_options": True})
@click.argument("scope", type=ScopeType())
@click.argument("amount", type=DollarsType())
@click.option(
    "--period", type=click.Choice(tuple(_PERIODS)), help="Which one, where a scope has several."
)
@ledger_option
@json_option
def fund_command(
    scope: "Scope", amount: int, period: str | None, config_file: Path | None, as_json: bool
) -> None:
    """Add AMOUNT (US dollars) to the current window of SCOPE; a negative one takes away.

    Debt is repaid first. No more can be taken away than remains. The amount stays on top of
    what the configuration allocates, until the window ends.

    \b
    spendgate budgets fund tenant:dev 5.00 -c config.yaml
    spendgate budgets fund tenant:dev -1.50 --period month -c config.yaml
    """
    if amount == 0:
        raise click.BadParameter("nothing to add", param_hint="AMOUNT")
    _show([with_ledger(config_file, lambda ledger: _fund(ledger, scope, amount, period))], as_json)


@budgets_group.command("freeze")
@click.argument("scope", type=ScopeType())
@ledger_option
@json_option
def freeze_command(scope: "Scope", config_file: Path | None, as_json: bool) -> None:
    """Stop new calls on SCOPE and below. Calls in flight are settled all the same.

    \b
    spendgate budgets freeze tenant:dev/agent:bot -c config.yaml
    """
    from proxy.ledger.protocol import BudgetStatus

    _set_status(scope, BudgetStatus.FROZEN, config_file, as_json)


@budgets_group.command("unfreeze")
@click.argument("scope", type=ScopeType())
@ledger_option
@json_option
def unfreeze_command(scope: "Scope", config_file: Path | None, as_json: bool) -> None:
    """Let calls on SCOPE spend again.

    \b
    spendgate budgets unfreeze tenant:dev/agent:bot -c config.yaml
    """
    from proxy.ledger.protocol import BudgetStatus

    _set_status(scope, BudgetStatus.ACTIVE, config_file, as_json)


async def _budgets_of(ledger: "SqliteLedger", scope: "Scope") -> "list[Balance]":
    """Every budget of a scope, also one that a template makes with the first call."""
    from proxy.domain.money import Unit

    return [balance for unit in Unit for balance in await ledger.balances([scope], unit)]


async def _fund(
    ledger: "SqliteLedger", scope: "Scope", amount: int, period: str | None
) -> "Balance":
    from proxy.domain.money import Unit
    from proxy.domain.period import Period

    if period is not None:
        chosen = Period(_PERIODS[period])
    else:
        periods = [b.period for b in await ledger.balances([scope], Unit.USD_MICROCENTS)]
        if len(periods) > 1:
            written = [name for name, known in _PERIODS.items() if known in periods]
            raise click.UsageError(
                f"{scope} has several budgets: choose one with --period {'|'.join(written)}."
            )
        chosen = periods[0] if periods else Period.LIFETIME
    return await ledger.fund(scope, Unit.USD_MICROCENTS, chosen, amount, operator())


def _set_status(
    scope: "Scope", status: "BudgetStatus", config_file: Path | None, as_json: bool
) -> None:
    from proxy.domain.money import Unit

    def work(ledger: "SqliteLedger") -> Any:
        return ledger.set_status(scope, Unit.USD_MICROCENTS, status, operator())

    _show(with_ledger(config_file, work), as_json)


def _show(balances: "Sequence[Balance]", as_json: bool) -> None:
    from proxy.cli.books.wire import balance_object
    from proxy.domain.money import written

    if as_json:
        print_json([balance_object(balance) for balance in balances])
        return
    if not balances:
        click.echo("no budgets")
        return
    table = new_table(
        "scope", "period", ">allocated", ">spent", ">reserved", ">remaining", ">used", "status"
    )
    names = {known: name for name, known in _PERIODS.items()}
    for balance in balances:
        amounts = (balance.allocated, balance.spent, balance.reserved, balance.remaining)
        table.add_row(
            balance.scope,
            names[balance.period],
            *(written(amount, balance.unit) for amount in amounts),
            f"{balance.used_pct}%",
            "; ".join(_standing(balance)),
        )
    open_console().print(table)


def _standing(balance: "Balance") -> list[str]:
    """What else is to be said of a budget."""
    from proxy.domain.money import written
    from proxy.domain.period import iso

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
        said.append(f"resets {iso(balance.window_end_ms)}")
    return said
