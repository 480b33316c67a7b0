"""Operators see holds, and end those whose outcome nobody knows."""

from pathlib import Path

import pytest

from proxy.cli.books.opened import operator
from proxy.ledger.journal import Kind
from tests.cli.books.ledgers import CENT, hold, last_entry
from tests.cli.commands import answered, run


def ids(config_file: Path, *options: str) -> list[str]:
    found = answered("reservations", "list", *options, "-c", str(config_file))
    return [reservation["reservation_id"] for reservation in found]


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
        [second, "UNCERTAIN", "tenant:dev/agent:bot", "gpt-4o", "$0.02"],
        [first, "ACTIVE", "tenant:dev/agent:bot", "gpt-4o", "$0.01"],
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


def test_show_tells_all_that_is_known_of_a_hold(config_file: Path) -> None:
    reservation_id = hold(config_file, CENT, uncertain=True)

    shown = run("reservations", "show", reservation_id, "-c", str(config_file)).stdout

    facts = dict(line.split(None, 1) for line in shown.splitlines())
    assert facts["state"].strip() == "UNCERTAIN"
    assert facts["held"].strip() == "$0.01"
    assert facts["sent"].strip() == "yes"
    assert facts["scopes"].strip() == "tenant:dev, tenant:dev/agent:bot"
    assert facts["model"].strip() == "gpt-4o"


def test_committing_charges_the_hold_as_an_estimate(config_file: Path) -> None:
    reservation_id = hold(config_file, 3 * CENT, uncertain=True)

    result = run("reservations", "commit", reservation_id, "-c", str(config_file))

    assert result.exit_code == 0
    assert "$0.03 (estimated)" in result.stdout
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
