"""The command `estimate`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from proxy.cli.configured import budget_option, config_option, read_config
from proxy.cli.output import json_option, print_json, say_no

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.cli.estimate.forecast import Forecast
    from proxy.config.model import Config


class LevelType(click.ParamType[tuple[str, str]]):
    """One level of a subject, as `agent=bot`."""

    name = "level=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        from proxy.domain.subject import LEVELS, RUN

        level, equals, named = str(value).partition("=")
        nameable = (*LEVELS, RUN)
        if not equals or level not in nameable:
            self.fail(f"write level=value; levels are {', '.join(nameable)}", param, ctx)
        return level, named


class MeteredPath(click.ParamType[str]):
    """A path that calls go to."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from proxy.dialects.addresses import meant_by
        from proxy.dialects.routes import METERED

        if meant_by(value).path not in METERED:
            self.fail(f"metered are {', '.join(METERED)}", param, ctx)
        return str(value)


named_option = click.option(
    "--as", "named", type=LevelType(), multiple=True, help="Who calls, as agent=bot. Repeatable."
)

path_option = click.option(
    "--path",
    type=MeteredPath(),
    default="/v1/chat/completions",
    show_default=True,
    help="Where the call goes.",
)


def forecast_or_no(
    config: "Config", body: bytes, named: "Sequence[tuple[str, str]]", path: str
) -> "Forecast":
    """What would become of a call; or exit code 1 with why it has no plan at all."""
    from proxy.cli.estimate.forecast import forecast
    from proxy.domain.errors import LedgerError, Refused

    try:
        return asyncio.run(forecast(config, body, named, path))
    except (Refused, LedgerError) as refusal:
        say_no(str(refusal))


@click.command("estimate")
@click.argument("body", type=click.File("rb"), metavar="BODY.json")
@named_option
@path_option
@config_option
@budget_option
@json_option
def estimate_command(
    body: BinaryIO,
    named: tuple[tuple[str, str], ...],
    path: str,
    config_file: Path | None,
    budget_usd: str | None,
    as_json: bool,
) -> None:
    """Say what a call would hold, and what it would be told.

    Shows tokens by part, the rates taken and why, the plan, and what each budget says now.
    BODY.json is the body of a call to PATH, - is standard input; forms with files are not read.
    Nothing is held and nothing is sent. Balances are the ledger's; without a ledger, what the
    configuration declares. Exit code 1 when the call would be refused.

    \b
    spendgate estimate body.json -c config.yaml
    spendgate estimate body.json -c config.yaml --as agent=bot --as run=7
    spendgate estimate body.json -c config.yaml --path /v1/responses
    echo '{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}' |
      spendgate estimate - --budget 5.00
    """
    from proxy.cli.estimate.show import forecast_object, show_forecast

    config = read_config(config_file, budget_usd)
    found = forecast_or_no(config, body.read(), named, path)
    if as_json:
        print_json(forecast_object(found))
    else:
        show_forecast(found)
    if found.refused is not None:
        raise SystemExit(1)
