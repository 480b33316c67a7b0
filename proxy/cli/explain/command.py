"""The command `explain`."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.books.opened import with_ledger
from proxy.cli.configured import budget_option, config_option, read_config
from proxy.cli.estimate.command import forecast_or_no, named_option, path_option
from proxy.cli.output import json_option, print_json, say_no

if TYPE_CHECKING:
    from proxy.cli.estimate.forecast import Forecast

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_STANDARD_INPUT: Final = "-"


@click.command("explain")
@click.argument("what", metavar="BODY.json|TRACE_ID")
@named_option
@path_option
@config_option
@budget_option
@json_option
def explain_command(
    what: str,
    named: tuple[tuple[str, str], ...],
    path: str,
    config_file: Path | None,
    budget_usd: str | None,
    as_json: bool,
) -> None:
    """Say why a call would be told what it is told, or was.

    For the body of a call to PATH (- is standard input): every policy in the order in which they
    are asked and why it decides or not, what each rung of the plan would hold, every budget with
    its headroom and what it says alone, and the decision. Nothing is held and nothing is sent.
    `spendgate estimate` shows how the amounts come about.

    For the trace id of a call that left (X-Cycles-Trace-Id): its holds, the policy that decided,
    and what its budgets had before. Exit code 1 when the call would be refused, or when no hold
    has the trace id.

    \b
    spendgate explain body.json -c config.yaml --as agent=bot
    spendgate explain 4bf92f3577b34da6a3ce929d0e0e4736 -c config.yaml
    """
    if _TRACE_ID.fullmatch(what) and not Path(what).exists():
        _explain_past(what, config_file, as_json)
    else:
        config = read_config(config_file, budget_usd)
        _explain_body(forecast_or_no(config, _read(what), named, path), as_json)


def _explain_body(found: "Forecast", as_json: bool) -> None:
    from proxy.cli.estimate.show import forecast_object
    from proxy.cli.explain.show import show_explanation

    if as_json:
        print_json(forecast_object(found))
    else:
        show_explanation(found)
    if found.refused is not None:
        raise SystemExit(1)


def _explain_past(trace_id: str, config_file: Path | None, as_json: bool) -> None:
    from proxy.cli.explain.past import recall
    from proxy.cli.explain.recall import past_object, show_past

    holds = with_ledger(config_file, lambda ledger: recall(ledger, trace_id))
    if not holds:
        say_no(
            "no hold has this trace id: the call was refused (its line in the log says why), "
            "its row was pruned, or it is in another ledger"
        )
    if as_json:
        print_json(past_object(holds))
    else:
        show_past(holds)


def _read(what: str) -> bytes:
    if what == _STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(what).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{what}: {error.strerror}", param_hint="BODY.json") from None
