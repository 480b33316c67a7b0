"""Operators see holds, and end those whose outcome nobody knows."""

from pathlib import Path

import pytest

from proxy.cli.books.opened import operator
from proxy.ledger.journal import Kind
from tests.cli.books.ledgers import CENT, hold, last_entry, make_ledger
from tests.cli.commands import answered, run


def ids(config_file: Path, *options: str) -> list[str]:
    found = answered("reservations", "list", *options, "-c", str(config_file))
    return [reservation["reservation_id"] for reservation in found]


def shown(config_file: Path, reservation_id: str) -> str:
    return run("reservations", "show", reservation_id, "-c", str(config_file)).stdout


def spent(config_file: Path) -> int:
    (balance, *_) = answered("budgets", "list", "-c", str(config_file))
    amount: int = balance["spent"]["amount"]
    return amount


def test_list_shows_open_holds_newest_first(config_file: Path) -> None:
    first = hold(config_file, CENT, key="1")
    second = hold(config_file, 2 * CENT, key="2", uncertain=True)

    result = run("reservations", "list", "-c", str(config_file))

    _, *rows = result.stdout.splitlines()
    assert [row.split()[:5] for row in rows] == [
        [second, "UNCERTAIN", "tenant:dev/agent:bot", "gpt-4o", "$0.02,"],
        [first, "ACTIVE", "tenant:dev/agent:bot", "gpt-4o", "$0.01,"],
    ]


def test_list_is_narrowed_by_state_and_length(config_file: Path) -> None:
    active = hold(config_file, CENT, key="1")
    uncertain = hold(config_file, CENT, key="2", uncertain=True)
    released = hold(config_file, CENT, key="3")
    run("reservations", "release", released, "-c", str(config_file))

    assert ids(config_file) == [uncertain, active]
    assert ids(config_file, "--state", "uncertain") == [uncertain]
    assert ids(config_file, "--state", "released") == [released]
    assert ids(config_file, "--state", "expired") == []
    assert ids(config_file, "--state", "all") == [released, uncertain, active]
    assert ids(config_file, "--state", "all", "--limit", "1") == [released]


def test_list_is_narrowed_by_scope(config_file: Path) -> None:
    bot = hold(config_file, CENT, key="1")
    other = hold(config_file, CENT, key="2", agent="other", run="8")
    of_run = hold(config_file, CENT, key="3", run="8")

    assert ids(config_file, "--scope", "tenant:dev") == [of_run, other, bot]
    assert ids(config_file, "--scope", "tenant:dev/agent:bot") == [of_run, bot]
    assert ids(config_file, "--scope", "tenant:dev/agent:bo") == []
    assert ids(config_file, "--scope", "tenant:dev/run:8") == [of_run, other]
    assert ids(config_file, "--scope", "tenant:dev/run:8", "--limit", "1") == [of_run]
    assert ids(config_file, "--scope", "tenant:dev/agent:bot/run:8") == [of_run]


def test_show_tells_all_that_is_known_of_a_hold(config_file: Path) -> None:
    reservation_id = hold(config_file, CENT, uncertain=True)

    facts = dict(line.split(None, 1) for line in shown(config_file, reservation_id).splitlines())
    assert facts["state"].strip() == "UNCERTAIN"
    assert facts["held"].strip() == "$0.01, 100 TOKENS"
    assert facts["trace"].split() == ["id", "ab"]
    assert facts["price"].strip() == "a list of prices"
    assert facts["sent"].strip() == "yes"
    assert facts["scopes"].strip() == "tenant:dev, tenant:dev/agent:bot"
    assert facts["model"].strip() == "gpt-4o"


def test_committing_charges_the_hold_as_an_estimate(config_file: Path) -> None:
    reservation_id = hold(config_file, 3 * CENT, uncertain=True)

    result = run("reservations", "commit", reservation_id, "-c", str(config_file))

    assert result.exit_code == 0
    assert "$0.03, 100 TOKENS (estimated)" in result.stdout
    assert spent(config_file) == 3 * CENT


def test_committing_what_the_call_did_cost_charges_just_that(config_file: Path) -> None:
    reservation_id = hold(config_file, 3 * CENT, uncertain=True)

    (committed,) = answered(
        "reservations", "commit", reservation_id, "--actual", "0.01", "-c", str(config_file)
    )

    assert committed["status"] == "COMMITTED"
    assert committed["committed"]["amount"] == CENT
    assert committed["committed_metadata"] == {"actor": operator()}
    assert spent(config_file) == CENT
    assert "(estimated)" not in shown(config_file, reservation_id)


TOKENS = """
  - {scope: "tenant:dev", allocated: $10.00}
  - {scope: "tenant:dev", allocated: 5_000, unit: TOKENS}
"""


@pytest.mark.parametrize(
    ("options", "charged"),
    [
        (("--actual", "0.01"), "$0.01, 100 TOKENS (estimated)"),
        (("--actual-tokens", "40"), "$0.03, 40 TOKENS (estimated)"),
        (("--actual", "0.01", "--actual-tokens", "40"), "$0.01, 40 TOKENS"),
    ],
)
def test_what_is_not_stated_and_counted_is_an_estimate(
    tmp_path: Path, options: tuple[str, ...], charged: str
) -> None:
    config_file = make_ledger(tmp_path, budgets=TOKENS)
    reservation_id = hold(config_file, 3 * CENT, uncertain=True)

    run("reservations", "commit", reservation_id, *options, "-c", str(config_file))

    (line,) = (
        line for line in shown(config_file, reservation_id).splitlines() if "charged" in line
    )
    assert line.split(None, 1)[1].strip() == charged


def test_releasing_gives_all_back_and_says_who_did(config_file: Path) -> None:
    reservation_id = hold(config_file, 3 * CENT, uncertain=True)

    (released,) = answered("reservations", "release", reservation_id, "-c", str(config_file))

    assert released["status"] == "RELEASED"
    assert "committed" not in released
    entry = last_entry(config_file)
    assert (entry.kind, entry.actor) == (Kind.RELEASE, operator())
    assert spent(config_file) == 0


@pytest.mark.parametrize("command", ["commit", "release"])
def test_saying_it_twice_does_it_once(config_file: Path, command: str) -> None:
    reservation_id = hold(config_file, CENT, uncertain=True)
    end = ("reservations", command, reservation_id, "-c", str(config_file))

    assert answered(*end) == answered(*end)
    assert spent(config_file) == (CENT if command == "commit" else 0)


@pytest.mark.parametrize(
    ("first", "then", "state"),
    [("commit", "release", "COMMITTED"), ("release", "commit", "RELEASED")],
)
def test_what_has_ended_does_not_end_another_way(
    config_file: Path, first: str, then: str, state: str
) -> None:
    reservation_id = hold(config_file, CENT, uncertain=True)
    run("reservations", first, reservation_id, "-c", str(config_file))

    result = run("reservations", then, reservation_id, "-c", str(config_file))

    assert result.exit_code == 1
    assert result.stderr == f"spendgate: this reservation has already ended: {state}\n"


@pytest.mark.parametrize("command", ["show", "commit", "release"])
def test_an_unknown_id_is_a_no(config_file: Path, command: str) -> None:
    result = run("reservations", command, "rsv_none", "-c", str(config_file))

    assert result.exit_code == 1
    assert "there is no reservation rsv_none" in result.stderr


def test_a_call_cannot_have_earned_money(config_file: Path) -> None:
    reservation_id = hold(config_file, CENT, uncertain=True)

    result = run("reservations", "commit", reservation_id, "--actual", "-1", "-c", str(config_file))

    assert result.exit_code == 2
    assert ids(config_file) == [reservation_id]
