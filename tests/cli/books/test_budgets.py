"""Operators see budgets and change them, and the journal says who did."""

import asyncio
from pathlib import Path

import pytest

from proxy.app import new_reservation_id
from proxy.cli.books.opened import operator
from proxy.config.convert import ledger_file
from proxy.config.load import load
from proxy.domain.clock import SystemClock
from proxy.ledger.journal import Kind
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.cli.books.ledgers import CENT, hold, last_entry, make_ledger
from tests.cli.commands import answered, run

BOTH = """
  - {scope: "tenant:dev", allocated: $10.00, period: month}
  - {scope: "tenant:dev", allocated: $1.00, period: day}
"""


def test_list_shows_every_budget_that_stands(config_file: Path) -> None:
    hold(config_file, 25 * CENT)

    result = run("budgets", "list", "-c", str(config_file))

    assert result.exit_code == 0
    heading, tenant, agent = result.stdout.splitlines()
    assert heading.split() == (
        ["scope", "period", "allocated", "spent", "reserved", "remaining", "used", "status"]
    )
    assert tenant.split()[:7] == ["tenant:dev", "none", "$10.00", "$0.00", "$0.25", "$9.75", "0%"]
    assert agent.split()[:7] == (
        ["tenant:dev/agent:bot", "none", "$1.00", "$0.00", "$0.25", "$0.75", "0%"]
    )


def test_list_says_what_is_uncertain(config_file: Path) -> None:
    hold(config_file, 25 * CENT, uncertain=True)

    assert "active; uncertain $0.25" in run("budgets", "list", "-c", str(config_file)).stdout


def test_list_says_that_a_budget_limits_though_nobody_declares_it(tmp_path: Path) -> None:
    """Whoever takes a line out may believe that it took the limit with it."""
    config_file = make_ledger(tmp_path)
    hold(config_file, 1)
    make_ledger(tmp_path, budgets='[{scope: "tenant:dev", allocated: $10.00}]')

    _, tenant, agent = run("budgets", "list", "-c", str(config_file)).stdout.splitlines()

    assert tenant.split()[7:] == ["active"]
    assert agent.endswith("active; not declared any more, and still limits")


def test_show_knows_the_budget_that_a_template_will_make(config_file: Path) -> None:
    (balance,) = answered("budgets", "show", "tenant:dev/agent:New", "-c", str(config_file))

    assert balance["scope"] == "tenant:dev/agent:new"
    assert balance["remaining"] == {"unit": "USD_MICROCENTS", "amount": 100 * CENT}


def test_a_scope_without_budget_is_a_no(config_file: Path) -> None:
    result = run("budgets", "show", "tenant:other", "-c", str(config_file))

    assert result.exit_code == 1
    assert result.stderr == "spendgate: there is no budget of tenant:other\n"


@pytest.mark.parametrize(
    ("amount", "allocated"),
    [("5", 1500), ("5.00", 1500), ("$0.01", 1001), ("1.00 USD", 1100), ("-2.50", 750)],
)
def test_funding_moves_the_window_and_says_who_did(
    config_file: Path, amount: str, allocated: int
) -> None:
    (balance,) = answered("budgets", "fund", "tenant:dev", amount, "-c", str(config_file))

    assert balance["allocated"]["amount"] == allocated * CENT
    entry = last_entry(config_file)
    assert (entry.kind, entry.actor) == (Kind.FUND, operator())


def test_no_more_is_taken_away_than_remains(config_file: Path) -> None:
    result = run("budgets", "fund", "tenant:dev", "-10.01", "-c", str(config_file))

    assert result.exit_code == 1
    assert "$10.00 remains" in result.stderr
    (balance, *_) = answered("budgets", "list", "-c", str(config_file))
    assert balance["allocated"]["amount"] == 1000 * CENT


@pytest.mark.parametrize("amount", ["0", "five", "$", "1e3", "0.000000001", ".00", "--5"])
def test_what_is_no_amount_is_wrong_usage(config_file: Path, amount: str) -> None:
    result = run("budgets", "fund", "tenant:dev", amount, "-c", str(config_file))

    assert result.exit_code == 2


def test_a_scope_with_several_budgets_needs_a_period(tmp_path: Path) -> None:
    config_file = make_ledger(tmp_path, budgets=BOTH)
    fund = ("budgets", "fund", "tenant:dev", "1.00", "-c", str(config_file))

    refused = run(*fund)
    (balance,) = answered(*fund, "--period", "day")

    assert refused.exit_code == 2
    assert "--period day|month" in refused.stderr
    assert balance["allocated"]["amount"] == 200 * CENT


def test_a_budget_that_is_not_there_cannot_be_funded(config_file: Path) -> None:
    result = run("budgets", "fund", "tenant:other", "1.00", "-c", str(config_file))

    assert result.exit_code == 1
    assert "There is no such budget of tenant:other" in result.stderr


def test_freezing_and_unfreezing_change_the_status_and_say_who_did(config_file: Path) -> None:
    frozen = run("budgets", "freeze", "tenant:dev", "-c", str(config_file))
    entry = last_entry(config_file)
    unfrozen = run("budgets", "unfreeze", "tenant:dev", "-c", str(config_file))

    assert frozen.stdout.splitlines()[1].endswith("frozen")
    assert (entry.kind, entry.actor) == (Kind.SET_STATUS, operator())
    assert unfrozen.stdout.splitlines()[1].rstrip().endswith("active")


@pytest.mark.parametrize("command", ["freeze", "unfreeze"])
def test_what_is_not_there_cannot_be_frozen(config_file: Path, command: str) -> None:
    assert run("budgets", command, "tenant:other", "-c", str(config_file)).exit_code == 1


@pytest.mark.parametrize(
    "scope", ["dev", "tenant:", "agent:bot/tenant:dev", "tenant:dev/*", "tenant:dev/agent:*"]
)
def test_what_is_no_scope_is_wrong_usage(config_file: Path, scope: str) -> None:
    assert run("budgets", "show", scope, "-c", str(config_file)).exit_code == 2


def test_commands_work_while_a_proxy_serves(config_file: Path) -> None:
    async def serve_and_fund() -> int:
        serving = SqliteLedger.open(
            ledger_file(load(config_file, {})), clock=SystemClock(), new_id=new_reservation_id
        )
        fund = ("budgets", "fund", "tenant:dev", "1.00", "-c", str(config_file))
        try:
            result = await asyncio.to_thread(run, *fund)
            assert result.exit_code == 0, result.output
            return (await serving.all_balances())[0].allocated
        finally:
            await serving.close()

    assert asyncio.run(serve_and_fund()) == 1100 * CENT


def test_without_a_ledger_there_is_nothing_to_show_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("budgets", "list")

    assert result.exit_code == 1
    assert (
        result.stderr
        == "spendgate: there is no ledger at spendgate.db: `spendgate serve` makes it\n"
    )
    assert list(tmp_path.iterdir()) == []
