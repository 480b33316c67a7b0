"""`spendgate verify`: every balance once more, from the rows and from the journal."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.books.opened import ledger_option, with_ledger
from proxy.cli.output import json_option, new_table, open_console, print_json

if TYPE_CHECKING:
    from proxy.ledger.audit import Audit
    from proxy.ledger.sqlite.ledger import SqliteLedger


@click.command("verify")
@ledger_option
@json_option
def verify_command(config_file: Path | None, as_json: bool) -> None:
    """Recompute every balance, and compare.

    From the reservations, and once more from the journal; works while the proxy runs. Exit code
    1 with each difference. Shows what is uncovered (billed, and no budget could fund it) and
    uncertain (held for calls whose outcome nobody knows).

    \b
    spendgate verify -c config.yaml
    """
    audit = with_ledger(config_file, _verify)
    if as_json:
        print_json(asdict(audit))
    else:
        show_audit(audit)
    if audit.differences:
        raise SystemExit(1)


async def _verify(ledger: "SqliteLedger") -> "Audit":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = open_console(stderr=True)
    # Gone when done: what is left to read is the answer alone.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        progress.add_task("recomputing every balance", total=None)
        return await ledger.verify()


def show_audit(audit: "Audit") -> None:
    """The audit, for people."""
    from proxy.domain.money import Unit, written

    usd = Unit.USD_MICROCENTS
    click.echo(
        f"{audit.reservations:,} reservations, {audit.entries:,} journal entries; "
        f"charged {written(audit.charged, usd)}, uncovered {written(audit.uncovered, usd)}, "
        f"uncertain {written(audit.uncertain, usd)}"
    )
    if not audit.differences:
        click.echo("no differences: rows, journal and balances agree")
        return
    table = new_table("where", "what", ">recorded", ">recomputed")
    for difference in audit.differences:
        table.add_row(
            difference.where,
            difference.what,
            f"{difference.recorded:,}",
            f"{difference.recomputed:,}",
        )
    open_console().print(table)
