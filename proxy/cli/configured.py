"""The configuration of a command: its file, or the one that a budget alone makes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from proxy.config.findings import Finding
    from proxy.config.model import Config

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file (YAML).",
)
budget_option = click.option(
    "--budget", "budget_usd", metavar="USD", help="Without a file: one budget a month."
)


def load_config(config_file: Path | None, budget_usd: str | None) -> "Config":
    """The configuration that a file or a budget alone makes.

    Raises:
        ConfigError: something in it is wrong.
        click.UsageError: both are given, or neither.
    """
    from proxy.config.load import default_config, load

    if config_file is not None and budget_usd is not None:
        raise click.UsageError("--budget goes without a file: put the budget into it.")
    if config_file is not None:
        return load(config_file, os.environ)
    if budget_usd is not None:
        return default_config(budget_usd, os.environ)
    raise click.UsageError(
        "Which budget? Name a configuration (-c config.yaml, see config.example.yaml), "
        "or give one budget for a month (--budget 5.00)."
    )


def read_config(config_file: Path | None, budget_usd: str | None = None) -> "Config":
    """The configuration, or an exit: 1 with its findings, 2 when nothing names one."""
    from proxy.config.findings import ConfigError

    try:
        return load_config(config_file, budget_usd)
    except ConfigError as error:
        show_findings(error.findings)
        raise SystemExit(1) from None


def show_findings(findings: Sequence["Finding"]) -> None:
    """One line for each finding, on standard error."""
    for finding in findings:
        click.echo(str(finding), err=True)
