"""`spendgate check`: is the configuration what was meant, and does this program deny?"""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.configured import budget_option, config_option, load_config
from proxy.cli.output import json_option, print_json

if TYPE_CHECKING:
    from proxy.config.findings import Finding
    from proxy.config.model import Config

_PRICES: Final = ("pricing", "overrides")
_LEDGER_URL: Final = ("ledger", "url")
_LEDGER_KEY: Final = ("ledger", "api_key")


@click.command("check")
@config_option
@budget_option
@click.option("--strict", is_flag=True, help="Warnings are a no as well.")
@json_option
def check_command(
    config_file: Path | None, budget_usd: str | None, strict: bool, as_json: bool
) -> None:
    """Find what is wrong with a configuration.

    One line for each finding: file, line, key and what is accepted. Checks every key, prices
    that look like a wrong unit, budgets that no call can reach, keys and certificates of upstreams
    (an api_key_command is run), a Redis or Valkey that may forget what was spent, an authority
    elsewhere (its key, budgets and latency), the vocabulary files, and that a call without budget
    is denied. Exit code 1 when something is wrong; warnings alone are 0, unless --strict.

    \b
    spendgate check -c config.yaml
    spendgate check -c config.yaml --strict --json
    """
    config, findings = _config_findings(config_file, budget_usd)
    if config is not None:
        findings += _key_findings(config)
        findings += _store_findings(config)
        findings += _authority_findings(config)
    findings += _program_findings()
    errors = [finding for finding in findings if finding.severity == "error"]
    if as_json:
        print_json([_object(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(str(finding))
        if config is not None and not errors:
            click.echo(_summary(config, warnings=len(findings)))
    if errors or (strict and findings):
        raise SystemExit(1)


def _config_findings(
    config_file: Path | None, budget_usd: str | None
) -> "tuple[Config | None, list[Finding]]":
    from proxy.config.checks import warnings
    from proxy.config.findings import ConfigError

    try:
        config = load_config(config_file, budget_usd)
    except ConfigError as error:
        return None, list(error.findings)
    return config, [_priced_right(finding) for finding in warnings(config)]


def _priced_right(finding: "Finding") -> "Finding":
    """A price in the wrong unit is a budget that does not exist, so here it is an error."""
    is_price = finding.path[: len(_PRICES)] == _PRICES
    return replace(finding, severity="error") if is_price else finding


def _key_findings(config: "Config") -> "Iterator[Finding]":
    """Commands that write no key here. They may well do so where the proxy runs."""
    from proxy.config.findings import Finding
    from proxy.domain.clock import SystemClock
    from proxy.gateway.upstream.credential import NoCredential
    from proxy.outgoing import secret_of

    origin = config.origin
    for number, upstream in enumerate(config.upstreams):
        if upstream.api_key_command is None:
            continue
        try:
            asyncio.run(secret_of(upstream, SystemClock()).renew())
        except NoCredential as failure:
            path = ("upstreams", number, "api_key_command")
            line = origin.line_of(path)
            yield Finding(path, str(failure), severity="warning", file=origin.file, line=line)


def _store_findings(config: "Config") -> "Iterator[Finding]":
    """What is wrong with the store that several proxies share, if it is one.

    One that cannot be reached from here may well be reached by the proxy.
    """
    from proxy.config.findings import Finding
    from proxy.domain.errors import LedgerUnavailable
    from proxy.ledger.redis.wire.faults import StoreRefused
    from proxy.opening import advice_about

    origin = config.origin
    at_url = partial(Finding, _LEDGER_URL, file=origin.file, line=origin.line_of(_LEDGER_URL))
    try:
        for advice in asyncio.run(advice_about(config.ledger.url)):
            yield at_url(advice, severity="warning")
    except StoreRefused as refusal:
        yield at_url(str(refusal))
    except LedgerUnavailable as error:
        yield at_url(str(error), severity="warning")


def _authority_findings(config: "Config") -> "Iterator[Finding]":
    """What is wrong with the authority elsewhere that keeps the ledger, if there is one."""
    from proxy.config.findings import Finding
    from proxy.config.sections.ledger import is_elsewhere
    from proxy.domain.clock import SystemClock
    from proxy.opening import inspect_elsewhere

    if not is_elsewhere(config.ledger.url):
        return
    origin = config.origin
    for found in asyncio.run(inspect_elsewhere(config, SystemClock())):
        path = _LEDGER_KEY if found.is_of_key else _LEDGER_URL
        line = origin.line_of(path)
        finding = Finding(path, found.text, file=origin.file, line=line)
        yield finding if found.is_wrong else replace(finding, severity="warning")


def _program_findings() -> "Iterator[Finding]":
    """What is wrong with this installation, whatever the configuration says."""
    from pricing.tokens.vocabulary import PUBLISHED, VocabularyDamaged, check_vocabulary
    from proxy.config.findings import Finding
    from proxy.domain.clock import SystemClock
    from proxy.domain.errors import LedgerError
    from proxy.selftest import self_test

    for vocabulary in PUBLISHED:
        try:
            check_vocabulary(vocabulary)
        except VocabularyDamaged as damage:
            yield Finding((), str(damage))
    try:
        check = asyncio.run(self_test(SystemClock()))
    except (LedgerError, OSError) as error:
        yield Finding((), f"self-test: {error}")
        return
    if not check.ok:
        yield Finding((), f"self-test: {check.why}")


def _summary(config: "Config", *, warnings: int) -> str:
    counts = (
        f"budget lines: {len(config.budgets)}, policies: {len(config.policies)}, "
        f"price overrides: {len(config.pricing.overrides)}, warnings: {warnings}"
    )
    what = config.origin.file or "this budget"
    return f"{what} is good ({counts}), and a call without budget is denied"


def _object(finding: "Finding") -> dict[str, object]:
    """A finding for programs. What it does not have is left out."""
    from proxy.config.findings import spell

    fields = {**asdict(finding), "path": spell(finding.path)}
    return {name: value for name, value in fields.items() if value}
