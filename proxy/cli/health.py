"""`spendgate health`: is the proxy ready? For exec probes, so nothing heavy is imported."""

import json
import os
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import click

from proxy.cli.output import say_no

_DEFAULT_URL: Final = "http://127.0.0.1:7979"
_TIMEOUT_S: Final = 2.0
_REPORT_BYTES_MAX: Final = 65_536

# An address that means every interface can be listened on, not called.
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@click.command("health")
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Ask at the listen.admin of this configuration.",
)
@click.option("--url", help=f"Ask at this address. Default: {_DEFAULT_URL}.")
def health_command(config_file: Path | None, url: str | None) -> None:
    """Ask a running proxy whether it takes calls.

    Exit code 0 when it is ready; 1 with the checks that fail, or when nobody answers.

    \b
    spendgate health
    spendgate health -c config.yaml
    spendgate health --url http://127.0.0.1:7979
    """
    if config_file is not None and url is not None:
        raise click.UsageError("--url goes without a file: the file says where.")
    base_url = _admin_url(config_file) if config_file is not None else url or _DEFAULT_URL
    if urlsplit(base_url).scheme not in ("http", "https"):
        raise click.UsageError("--url starts with http:// or https://.")
    failing = _failing_checks(base_url)
    if failing:
        say_no("not ready: " + "; ".join(f"{name}: {why}" for name, why in failing.items()))
    click.echo("ready")


def _admin_url(config_file: Path) -> str:
    from proxy.cli.configured import read_config
    from proxy.config.sections.values import Address

    listen = read_config(config_file).listen.admin
    return f"http://{Address(_EVERY_ADDRESS.get(listen.host, listen.host), listen.port)}"


def _failing_checks(base_url: str) -> dict[str, str]:
    """What `/readyz` says is wrong, by the name of the check; nothing when it is ready."""
    # The probe asks this machine: a proxy that the environment names would ask another one.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{base_url.rstrip('/')}/readyz", timeout=_TIMEOUT_S) as answer:
            report = answer.read(_REPORT_BYTES_MAX)
    except HTTPError as error:
        with error:
            report = error.read(_REPORT_BYTES_MAX)
        return _failing(report) or {"status": str(error.code)}
    except HTTPException:
        return {base_url: "what answers there is not HTTP"}
    except OSError as error:
        return {base_url: _outline(error)}
    return _failing(report)


def _outline(failure: OSError) -> str:
    """Why nobody answered, without the words of the library around it."""
    reason = getattr(failure, "reason", failure)
    number = reason.errno if isinstance(reason, OSError) else None
    return os.strerror(number) if number is not None else "no answer"


def _failing(report: bytes) -> dict[str, str]:
    try:
        checks = json.loads(report)["checks"]
        return {name: str(why) for name, why in checks.items() if why != "ok"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"readyz": "the answer is not this program's"}
