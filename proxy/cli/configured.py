"""The configuration of a command: its file, or the one that a budget alone makes."""

import os
from pathlib import Path
from typing import NoReturn

import click

from proxy.config.findings import ConfigError, Finding
from proxy.config.load import default_config, load
from proxy.config.model import Config

config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration file (YAML).",
)


def read_config(config_file: Path | None, budget_usd: str | None = None) -> Config:
    """The configuration, or an exit: 1 with its findings, 2 when nothing names one."""
    try:
        if config_file is not None:
            return load(config_file, os.environ)
        if budget_usd is not None:
            return default_config(budget_usd, os.environ)
    except ConfigError as error:
        show_findings(error.findings)
        raise SystemExit(1) from None
    _no_config()


def show_findings(findings: tuple[Finding, ...] | list[Finding]) -> None:
    """One line for each finding, on standard error."""
    for finding in findings:
        click.echo(str(finding), err=True)


def _no_config() -> NoReturn:
    raise click.UsageError(
        "Which budget? Name a configuration (-c config.yaml, see config.example.yaml), "
        "or give one budget for a month (--budget 5.00)."
    )
