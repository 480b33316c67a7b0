"""`verify` finds what does not add up."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from proxy.config.convert import ledger_file
from proxy.config.load import load
from tests.cli.books.ledgers import CENT, hold, make_ledger
from tests.cli.commands import answered, run


@pytest.fixture
def altered(tmp_path: Path) -> Path:
    """A ledger in which somebody gave back by hand what was held."""
    config_file = make_ledger(tmp_path)
    hold(config_file, CENT)
    with closing(sqlite3.connect(ledger_file(load(config_file, {})))) as connection, connection:
        connection.execute("UPDATE windows SET reserved = 0")
    return config_file


def test_a_sound_ledger_says_what_it_holds(config_file: Path) -> None:
    run("reservations", "commit", hold(config_file, CENT), "-c", str(config_file))
    hold(config_file, 2 * CENT, key="2", uncertain=True)

    result = run("verify", "-c", str(config_file))

    assert result.exit_code == 0
    summary, verdict = result.stdout.splitlines()
    assert summary.startswith("2 reservations, ")
    assert summary.endswith("charged $0.01, uncovered $0.00, uncertain $0.02")
    assert verdict == "no differences: rows, journal, seals and balances agree"


def test_one_thing_is_not_called_several(config_file: Path) -> None:
    hold(config_file, CENT)

    result = run("verify", "-c", str(config_file))

    assert result.stdout.startswith("1 reservation, 3 journal entries; charged $0.00, ")


def test_each_difference_is_a_line_and_the_answer_is_no(altered: Path) -> None:
    result = run("verify", "-c", str(altered))

    assert result.exit_code == 1
    assert "reserved, by the rows" in result.stdout
    assert "reserved, by the journal" in result.stdout
    assert "1,000,000" in result.stdout


def test_programs_get_the_whole_audit(config_file: Path) -> None:
    hold(config_file, 2 * CENT, uncertain=True)

    audit = answered("verify", "-c", str(config_file))

    assert (audit["reservations"], audit["uncertain"], audit["differences"]) == (1, 2 * CENT, [])


def test_programs_get_each_difference(altered: Path) -> None:
    result = run("verify", "-c", str(altered), "--json")

    assert result.exit_code == 1
    assert '"recorded": 0' in result.stdout


def test_nothing_but_the_answer_is_on_standard_output(config_file: Path) -> None:
    assert run("verify", "-c", str(config_file)).stderr == ""
