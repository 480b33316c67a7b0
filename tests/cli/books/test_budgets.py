"""Operators see budgets and change them, and the journal says who did."""

import asyncio
import re
from pathlib import Path

import pytest

from proxy.cli.books.opened import operator
from proxy.config.load import load
from proxy.ledger.journal import Kind
from tests.cli.books.ledgers import CENT, hold, last_entry, make_ledger, open_as_serve_does
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
    assert result.stderr == "spendgate: there is no such budget of tenant:other\n"


@pytest.mark.parametrize(
    ("amount", "allocated"), [("5", 1500), ("5.00", 1500), ("$0.01", 1001), ("1.00 USD", 1100)]
)
def test_funding_moves_the_window_and_says_who_did(
    config_file: Path, amount: str, allocated: int
) -> None:
    (balance,) = answered("budgets", "fund", "tenant:dev", amount, "-c", str(config_file))

    assert balance["allocated"]["amount"] == allocated * CENT
    entry = last_entry(config_file)
    assert (entry.kind, entry.actor) == (Kind.FUND, operator())


@pytest.mark.parametrize(
    ("operation", "options", "allocated", "spent"),
    [
        ("credit", (), 1250, 30),
        ("debit", (), 750, 30),
        ("reset", (), 250, 30),
        ("reset-spent", (), 250, 0),
        ("reset-spent", ("--spent", "1.00"), 250, 100),
        ("repay-debt", (), 1250, 30),
    ],
)
def test_each_operation_does_what_it_says(
    config_file: Path, operation: str, options: tuple[str, ...], allocated: int, spent: int
) -> None:
    """Of a budget of $10.00 of which $0.30 are spent."""
    run("reservations", "commit", hold(config_file, 30 * CENT), "-c", str(config_file))

    fund = ("budgets", "fund", "tenant:dev", "2.50", "--operation", operation, *options)
    (balance,) = answered(*fund, "-c", str(config_file))

    assert balance["allocated"]["amount"] == allocated * CENT
    assert balance["spent"]["amount"] == spent * CENT


def test_the_same_key_does_it_once(config_file: Path) -> None:
    fund = ("budgets", "fund", "tenant:dev", "5.00", "--key", "ticket-7", "-c", str(config_file))

    assert answered(*fund) == answered(*fund)
    (balance, *_) = answered("budgets", "list", "-c", str(config_file))
    assert balance["allocated"]["amount"] == 1500 * CENT


def test_what_was_spent_is_stated_with_the_operation_that_takes_it(config_file: Path) -> None:
    fund = ("budgets", "fund", "tenant:dev", "5.00", "--spent", "1.00", "-c", str(config_file))

    assert run(*fund).exit_code == 2


def test_no_more_is_taken_away_than_remains(config_file: Path) -> None:
    fund = ("budgets", "fund", "tenant:dev", "10.01", "--operation", "debit")
    result = run(*fund, "-c", str(config_file))

    assert result.exit_code == 1
    assert "$10.00 remains" in result.stderr
    (balance, *_) = answered("budgets", "list", "-c", str(config_file))
    assert balance["allocated"]["amount"] == 1000 * CENT


def test_a_negative_amount_is_told_how_to_take_away(config_file: Path) -> None:
    result = run("budgets", "fund", "tenant:dev", "-2.50", "-c", str(config_file))

    assert result.exit_code == 2
    assert "--operation debit" in result.stderr


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
    said = " ".join(refused.stderr.split())
    assert "--unit USD_MICROCENTS --period month or --unit USD_MICROCENTS --period day" in said
    assert balance["allocated"]["amount"] == 200 * CENT


MANY = """
  - {scope: "tenant:dev", allocated: $10.00, period: month, timezone: Europe/Berlin}
  - {scope: "tenant:dev", allocated: 500_000, unit: TOKENS, rolling: 24h}
  - {scope: "tenant:dev", allocated: $1.00, per: run, idle_ttl: 24h}
"""


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A ledger with budgets of several kinds."""
    config_file = make_ledger(tmp_path, budgets=MANY)
    config_file.write_text(config_file.read_text().replace("accept: [agent]", "accept: [run]"))
    return config_file


def test_each_budget_is_shown_in_its_own_words(many: Path) -> None:
    hold(many, 25 * CENT, tokens=700)

    _, *lines = run("budgets", "list", "-c", str(many)).stdout.splitlines()
    tokens, tenant, of_run = sorted(lines, key=lambda line: ("run:" in line, "TOKENS" not in line))

    assert tenant.split()[:6] == (
        ["tenant:dev", "month@Europe/Berlin", "$10.00", "$0.00", "$0.25", "$9.75"]
    )
    assert re.search(r"resets \d{4}-\d\d-01T00:00:00\+0[12]:00", tenant)
    assert tokens.split()[1] == "rolling:24h"
    assert "500,000 TOKENS" in tokens
    assert "499,300 TOKENS" in tokens
    assert "spend counts for 24h" in tokens
    assert of_run.split()[:3] == ["tenant:dev/run:7", "none", "$1.00"]


@pytest.mark.parametrize(("unit", "count"), [("USD", 2), ("tokens", 1), ("CREDITS", 0)])
def test_a_list_is_narrowed_by_unit(many: Path, unit: str, count: int) -> None:
    hold(many, 25 * CENT)

    assert len(answered("budgets", "list", "--unit", unit, "-c", str(many))) == count


def test_a_run_has_a_budget_like_any_scope(many: Path) -> None:
    show = ("budgets", "show", "tenant:dev/run:Job 7", "-c", str(many))
    fund = ("budgets", "fund", "tenant:dev/run:Job 7", "4.00", "-c", str(many))

    (before,) = answered(*show)
    (after,) = answered(*fund)

    assert before["allocated"]["amount"] == 100 * CENT
    assert after["allocated"]["amount"] == 500 * CENT
    assert answered(*show) == [after]
    assert before["scope"].startswith("tenant:dev/run:enc-")


def test_a_budget_is_chosen_by_unit_and_period(many: Path) -> None:
    fund = ("budgets", "fund", "tenant:dev", "-c", str(many))

    (tokens,) = answered(*fund, "1_000", "--unit", "TOKENS")
    (money,) = answered(*fund, "1.00", "--period", "month@Europe/Berlin")

    assert tokens["allocated"] == {"unit": "TOKENS", "amount": 501_000}
    assert money["allocated"] == {"unit": "USD_MICROCENTS", "amount": 1100 * CENT}
    assert run(*fund, "1.00", "--period", "month").exit_code == 1
    assert run(*fund, "1.50", "--unit", "TOKENS").exit_code == 2
    assert run(*fund, "1").exit_code == 2


@pytest.mark.parametrize("period", ["fortnight", "rolling:1w", "rolling", "lifetime", "rolling:"])
def test_what_is_no_kind_of_window_is_wrong_usage(many: Path, period: str) -> None:
    show = ("budgets", "show", "tenant:dev", "--period", period, "-c", str(many))

    result = run(*show)

    assert result.exit_code == 2
    assert "rolling:24h" in result.stderr


def test_show_says_what_leaves_a_rolling_window(many: Path) -> None:
    run("reservations", "commit", hold(many, 25 * CENT, tokens=700), "-c", str(many))

    shown = run("budgets", "show", "tenant:dev", "--unit", "TOKENS", "-c", str(many)).stdout

    _, leaving = shown.split("What counts in tenant:dev rolling:24h:\n")
    heading, line = leaving.splitlines()
    assert heading.split() == ["leaves", "by", "amount"]
    assert re.fullmatch(r"\S+Z\s+700 TOKENS", line.strip())


def test_a_budget_that_is_not_there_cannot_be_funded(config_file: Path) -> None:
    result = run("budgets", "fund", "tenant:other", "1.00", "-c", str(config_file))

    assert result.exit_code == 1
    assert "There is no such budget of tenant:other" in result.stderr


def test_freezing_lists_what_still_runs(config_file: Path) -> None:
    open_one = hold(config_file, CENT, key="1")
    hold(config_file, CENT, key="2", agent="other")
    ended = hold(config_file, CENT, key="3")
    run("reservations", "release", ended, "-c", str(config_file))

    frozen = run("budgets", "freeze", "tenant:dev/agent:bot", "-c", str(config_file)).stdout
    nothing = run("budgets", "freeze", "tenant:dev/agent:idle", "-c", str(config_file)).stdout

    _, below = frozen.split("Open at or below tenant:dev/agent:bot: 1\n")
    assert [line.split()[0] for line in below.splitlines()] == ["id", open_one]
    assert "Open at or below tenant:dev/agent:idle: none" in nothing


def test_freezing_a_run_lists_what_runs_in_it(many: Path) -> None:
    hold(many, CENT, key="1", run="7")
    other = hold(many, CENT, key="2", run="8")

    frozen = run("budgets", "freeze", "tenant:dev/run:8", "-c", str(many)).stdout

    _, below = frozen.split("Open at or below tenant:dev in run 8: 1\n")
    assert other in below


def test_freezing_stops_every_unit_unless_one_is_named(many: Path) -> None:
    def frozen(*options: str) -> int:
        run("budgets", "freeze", "tenant:dev", *options, "-c", str(many))
        return run("budgets", "show", "tenant:dev", "-c", str(many)).stdout.count("frozen")

    assert frozen("--unit", "TOKENS") == 1
    assert frozen() == 2


def test_freezing_and_unfreezing_change_the_status_and_say_who_did(config_file: Path) -> None:
    frozen = run("budgets", "freeze", "tenant:dev", "-c", str(config_file))
    entry = last_entry(config_file)
    unfrozen = run("budgets", "unfreeze", "tenant:dev", "-c", str(config_file))

    assert frozen.stdout.splitlines()[1].rstrip().endswith("frozen")
    assert (entry.kind, entry.actor) == (Kind.SET_STATUS, operator())
    assert unfrozen.stdout.splitlines()[1].rstrip().endswith("active")


@pytest.mark.parametrize("command", ["freeze", "unfreeze"])
def test_what_is_not_there_cannot_be_frozen(config_file: Path, command: str) -> None:
    assert run("budgets", command, "tenant:other", "-c", str(config_file)).exit_code == 1


@pytest.mark.parametrize(
    "scope",
    [
        "dev",
        "tenant:",
        "agent:bot/tenant:dev",
        "tenant:dev/*",
        "tenant:dev/agent:*",
        "tenant:dev/**/agent:bot",
        "tenant:dev/run:*",
        "tenant:dev/run:",
        "run:7",
    ],
)
def test_what_is_no_scope_is_wrong_usage(config_file: Path, scope: str) -> None:
    assert run("budgets", "show", scope, "-c", str(config_file)).exit_code == 2


def test_commands_work_while_a_proxy_serves(config_file: Path) -> None:
    async def serve_and_fund() -> int:
        serving = await open_as_serve_does(load(config_file, {}))
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
