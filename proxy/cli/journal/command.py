"""`spendgate journal`: take it elsewhere, and keep what proves that nobody edited it."""

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from proxy.cli.books.opened import ledger_option, with_ledger
from proxy.cli.journal.entries import Course, Span, batches, course
from proxy.cli.journal.heads import read_seals, show_seals
from proxy.cli.journal.written import FORMATS, Csv, JsonLines
from proxy.cli.output import json_option, open_console, say_no

if TYPE_CHECKING:
    from rich.progress import Progress

    from proxy.ledger.protocol import Books

_MOMENT: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])

_tenant_option = click.option("--tenant", help="The journal of this tenant alone.")


@click.group("journal")
def journal_group() -> None:
    """The journal: every change of every balance, in its order.

    \b
    spendgate journal export -c config.yaml -o journal.jsonl
    spendgate journal heads -c config.yaml
    """


@journal_group.command("export")
@ledger_option
@_tenant_option
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(FORMATS)),
    default="jsonl",
    show_default=True,
    help="JSON lines are what the seals cover, byte for byte; CSV has a row for each window.",
)
@click.option("--from", "first", type=_MOMENT, help="From this moment on, UTC.")
@click.option("--to", "end", type=_MOMENT, help="Until before this moment, UTC.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of standard output.",
)
def export_command(
    config_file: Path | None,
    tenant: str | None,
    form: str,
    first: datetime | None,
    end: datetime | None,
    output: Path | None,
) -> None:
    """Write the entries out, oldest first.

    Works while the proxy runs, and takes as little memory for many entries as for few.

    \b
    spendgate journal export -c config.yaml --tenant dev -o dev.jsonl
    spendgate journal export --from 2026-11-01 --to 2026-12-01 --format csv -o november.csv
    """
    span = Span(_ms(first), _ms(end))
    try:
        with_ledger(config_file, lambda ledger: _export(ledger, tenant, span, form, output))
    except OSError as error:
        say_no(f"{output or 'standard output'}: {error.strerror}")
    except ValueError as error:
        say_no(f"{error}: `spendgate verify` says more")


@journal_group.command("heads")
@ledger_option
@_tenant_option
@click.option("--all", "every", is_flag=True, help="Every seal, not only the last ones.")
@json_option
def heads_command(config_file: Path | None, tenant: str | None, every: bool, as_json: bool) -> None:
    """Print the last seal of each journal.

    Keep it where whoever can change the ledger cannot: with it, `spendgate verify --head` finds
    every later edit of an entry that was sealed by then.

    \b
    spendgate journal heads -c config.yaml >> /elsewhere/heads
    spendgate verify -c config.yaml --head "$(tail -1 /elsewhere/heads)"
    """
    try:
        seals = with_ledger(config_file, lambda ledger: read_seals(ledger, tenant, every=every))
    except ValueError as error:
        say_no(f"{error}: `spendgate verify` says more")
    show_seals(seals, as_json=as_json)


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


async def _export(
    ledger: "Books", tenant: str | None, span: Span, form: str, output: Path | None
) -> None:
    tenants = await ledger.tenants()
    if tenant is not None and tenant not in tenants:
        say_no(f"there is no journal of {tenant!r}")
    writer = FORMATS[form]()
    with _opened(output) as file, _progress() as progress:
        file.write(writer.start())
        for each in tenants if tenant is None else [tenant]:
            await _export_one(ledger, each, span, writer, file, progress)


async def _export_one(
    ledger: "Books",
    tenant: str,
    span: Span,
    writer: JsonLines | Csv,
    file: IO[bytes],
    progress: "Progress",
) -> None:
    way: Course = await course(ledger, tenant, span)
    # What is not sealed yet comes on top: its number is not known before it is read.
    total = max(way.last_seq - way.after_seq, 1)
    bar = progress.add_task(f"journal of {tenant}", total=total)
    async for entries in batches(ledger, tenant, span, way.after_seq):
        file.write(writer.write(entries))
        progress.advance(bar, len(entries))
    progress.update(bar, completed=total)


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with output.open("wb") as file:
        yield file


def _progress() -> "Progress":
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = open_console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
