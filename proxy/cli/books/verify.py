"""`spendgate verify`: every balance once more, from the rows and from the journal; every seal."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from proxy.cli.books.opened import ledger_option, with_ledger
from proxy.cli.output import counted, json_option, new_table, open_console, print_json

if TYPE_CHECKING:
    from proxy.ledger.audit import Audit, Head
    from proxy.opening import Home


@click.command("verify")
@ledger_option
@click.option(
    "--head",
    "kept_heads",
    metavar="TENANT:ENTRY:DIGEST",
    multiple=True,
    help="A head that you kept: nothing up to it may have changed since. Can be repeated.",
)
@json_option
def verify_command(config_file: Path | None, kept_heads: tuple[str, ...], as_json: bool) -> None:
    """Recompute every balance and every seal, and compare.

    From the reservations, and once more from the journal; works while the proxy runs. Exit code
    1 with each difference. Shows what is uncovered (billed, and no budget could fund it) and
    uncertain (held for calls whose outcome nobody knows), and the head of each journal: keep it,
    as `spendgate journal heads` says.

    \b
    spendgate verify -c config.yaml
    spendgate verify -c config.yaml --head dev:2000:9f86d081...
    """
    heads = [_read_head(text) for text in kept_heads]
    verdict = with_ledger(config_file, lambda ledger: _verify(ledger, heads))
    if as_json:
        print_json(_as_json(verdict))
    else:
        show_audit(verdict.audit)
        show_broken(verdict, len(heads))
    if verdict.audit.differences or verdict.broken:
        raise SystemExit(1)


class Verdict(NamedTuple):
    """What was recomputed, and what is wrong with heads that were kept."""

    audit: "Audit"
    broken: list[str]


def _read_head(text: str) -> "Head":
    from proxy.ledger.audit import read_head

    try:
        return read_head(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--head") from None


async def _verify(ledger: "Home", heads: "Sequence[Head]") -> Verdict:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = open_console(stderr=True)
    # Gone when done: what is left to read is the answer alone.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        progress.add_task("recomputing every balance", total=None)
        audit = await ledger.verify()
        return Verdict(audit, [said for head in heads if (said := await _broken(ledger, head))])


async def _broken(ledger: "Home", head: "Head") -> str | None:
    from proxy.ledger.seal import check_head

    try:
        return check_head(await ledger.seals(head.tenant), head)
    except ValueError as error:
        return f"entry {head.seq} of {head.tenant!r}: its seals cannot be read ({error})"


def _as_json(verdict: Verdict) -> dict[str, object]:
    audit = asdict(verdict.audit)
    heads = [str(head) for head in verdict.audit.heads]
    return {**audit, "heads": heads, "broken_heads": verdict.broken}


def show_broken(verdict: Verdict, heads: int) -> None:
    """What became of the heads that were kept, for people."""
    for said in verdict.broken:
        click.echo(said)
    if heads and not verdict.broken and not verdict.audit.differences:
        click.echo(f"{counted(heads, 'kept head holds', 'kept heads hold')}: no entry changed")


def show_audit(audit: "Audit") -> None:
    """The audit, for people."""
    from proxy.domain.money import Unit, written

    usd = Unit.USD_MICROCENTS
    click.echo(
        f"{counted(audit.reservations, 'reservation')}, "
        f"{counted(audit.entries, 'journal entry', 'journal entries')}; "
        f"charged {written(audit.charged, usd)}, uncovered {written(audit.uncovered, usd)}, "
        f"uncertain {written(audit.uncertain, usd)}"
    )
    for head in audit.heads:
        click.echo(f"head {head}")
    if not audit.differences:
        click.echo("no differences: rows, journal, seals and balances agree")
        return
    table = new_table("where", "what", ">recorded", ">recomputed")
    for difference in audit.differences:
        table.add_row(
            difference.where,
            difference.what,
            _figure(difference.recorded),
            _figure(difference.recomputed),
        )
    open_console().print(table)


def _figure(figure: int | str) -> str:
    return f"{figure:,}" if isinstance(figure, int) else figure
