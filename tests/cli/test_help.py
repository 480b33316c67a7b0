"""Every command teaches its use."""

from collections.abc import Iterator

import click
import pytest

from proxy.cli import main
from tests.cli.commands import run


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command below a group, groups included."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = list(commands(main))


def test_every_command_that_was_promised_is_there() -> None:
    names = {" ".join(path) for path in COMMANDS}

    assert names == {
        "serve",
        "check",
        "demo",
        "simulate",
        "price",
        "estimate",
        "explain",
        "budgets",
        "budgets list",
        "budgets show",
        "budgets fund",
        "budgets freeze",
        "budgets unfreeze",
        "reservations",
        "reservations list",
        "reservations show",
        "reservations commit",
        "reservations release",
        "journal",
        "journal export",
        "journal heads",
        "tenants",
        "tenants list",
        "tenants suspend",
        "tenants close",
        "tenants reopen",
        "verify",
        "report",
        "report estimates",
        "health",
        "docs",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_an_example(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")

    assert result.exit_code == 0
    examples = result.stdout.partition("Options:")[0].splitlines()[1:]
    assert any(line.strip().startswith(f"spendgate {' '.join(path)}") for line in examples)


def test_nothing_at_all_is_answered_with_help() -> None:
    result = run()

    assert result.exit_code == 2
    assert "Commands:" in result.output


def test_an_unknown_command_is_wrong_usage() -> None:
    assert run("spend").exit_code == 2
